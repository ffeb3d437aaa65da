"""A scripted OBS Studio over real HTTP, DTLS and RTP."""

import re
import time

from harness import processes
from harness.obs import OBSPublisher
from harness.raw_peer import RawViewer
from harness.runner import check, test, until


def watch_for(viewer, seconds):
    viewer.connect()
    viewer.pump(seconds)
    return viewer


def published_by_obs(env, loops):
    with env.server(loops=loops) as server:
        with env.case(f"session with {loops} loop{'s' if loops > 1 else ''}"):
            publisher = OBSPublisher(server.whip("obs"), gop_seconds=10).start()
            response = publisher.response
            check(response.status == 201, f"status {response.status}")
            check(response.header("Location"), "no Location")
            check(response.header("Content-Type").startswith("application/sdp"), "not SDP")
            for link in response.all("Link"):
                check(link.startswith(("<stun:", "<turn:")) or "ice-server" not in link, f"OBS cannot read {link}")
            check([line[0] for line in publisher.answer.media_lines] == ["audio", "video"], "media lines in order")
            # A viewer who comes late gets a picture from the middle of a long group, or at its end at the latest.
            time.sleep(3)
            start = time.monotonic()
            with processes.aiortc_client("watch", server.whep("obs"), frames=5) as viewer:
                viewer.wait_for("playing", 12)
                print(f"      late viewer of a 10 s group: picture after {time.monotonic() - start:.1f} s")
                time.sleep(3)
            requests = publisher.keyframe_requests
            worst = max((sum(1 for other in requests if 0 <= other - one < 1) for one in requests), default=0)
            check(worst <= 2, f"{worst} keyframe requests within a second")
            check(publisher.leave().status == 200, "DELETE is 200")
            until(lambda: server.room("obs") is None, 5, "the room is gone")


@test("OBS publishes, one loop")
def one_loop(env):
    published_by_obs(env, 1)


@test("OBS publishes, two loops")
def two_loops(env):
    published_by_obs(env, 2)


@test("OBS answers NACK on the same SSRC and every loss is repaired")
def repair(env):
    with env.server() as server:
        publisher = OBSPublisher(server.whip("lossy"), gop_seconds=2, loss=0.05).start()
        try:
            viewer = watch_for(RawViewer(server.whep("lossy")), 2)
            viewer.forget()
            viewer.pump(8)
            figures = viewer.of_kind("video")
            check(publisher.dropped > 20, f"only {publisher.dropped} packets were dropped")
            check(publisher.nacks > 0 and publisher.retransmitted > 0, "nothing was asked for again")
            # What was lost in the last moments may still be under way.
            check(figures["missing"] <= 3, f"{figures} with {publisher.dropped} dropped")
            viewer.leave()
        finally:
            publisher.leave()


@test("OBS simulcast: three layers are accepted and one is forwarded")
def simulcast(env):
    with env.server() as server:
        publisher = OBSPublisher(server.whip("layers"), gop_seconds=2, layers=["0", "1", "2"]).start()
        try:
            answer = publisher.answer.text
            line = re.search(r"(?m)^a=simulcast:recv ([^\r\n]+)\r$", answer)
            check(line, "no a=simulcast:recv line ended by CRLF")
            check(line.group(1).count(";") == 2, f"layers echoed as {line.group(1)}")
            for rid in "012":
                check(re.search(rf"(?m)^a=rid:{rid} recv", answer), f"rid {rid} is not accepted")
            with processes.aiortc_client("watch", server.whep("layers")) as viewer:
                figures = viewer.wait_for("playing", 20)
                check(figures["width"] in (160, 320, 640), f"no layer has {figures['width']} columns")
            viewer = watch_for(RawViewer(server.whep("layers")), 4)
            figures = viewer.of_kind("video")
            check(figures["ssrcs"] == 1, f"a viewer gets {figures['ssrcs']} video streams")
            check(60 <= figures["frames"] <= 160, f"{figures['frames']} frames in 4 s")
            viewer.leave()
        finally:
            publisher.leave()


@test("OBS simulcast: a layer that repairs nothing is not asked for ever")
def unanswered(env):
    with env.server() as server:
        publisher = OBSPublisher(
            server.whip("deaf"), gop_seconds=2, layers=["0", "1", "2"], loss=0.05, unrepaired_layers=(0, 1)).start()
        try:
            # The highest layer is forwarded and repaired, whatever the others lose.
            viewer = watch_for(RawViewer(server.whep("deaf")), 4)
            viewer.forget()
            viewer.pump(5)
            figures = viewer.of_kind("video")
            check(figures["missing"] <= 3 and figures["frames"] > 100, f"{figures}")
            viewer.leave()
        finally:
            publisher.leave()
        worst = max(publisher.asked.values(), default=0)
        check(2 <= worst <= 10, f"one packet was asked for {worst} times")
        requests = publisher.keyframe_requests
        check(len(requests) < 20, f"{len(requests)} keyframe requests")


def plays_on(viewer):
    """Until the picture has moved on by a second's worth of frames."""
    before = viewer.of_kind("video")["frames"]
    until(lambda: viewer.of_kind("video")["frames"] > before + 30, 10, "the picture moves")


@test("a viewer stays while publishers change")
def restart(env):
    for loops in (1, 2):
        with env.server(loops=loops) as server:
            publisher = OBSPublisher(server.whip("again"), gop_seconds=2).start()
            viewer = RawViewer(server.whep("again")).start()
            try:
                plays_on(viewer)
                with env.case(f"another one takes over, {loops} loop{'s' if loops > 1 else ''}"):
                    previous, publisher = publisher, OBSPublisher(server.whip("again"), gop_seconds=2).start()
                    until(lambda: previous.was_closed_by_server, 2, "the first one is told")
                    previous.stop()
                    plays_on(viewer)
                with env.case(f"one leaves and comes back, {loops} loop{'s' if loops > 1 else ''}"):
                    check(publisher.leave().status == 200, "DELETE is 200")
                    publisher = OBSPublisher(server.whip("again"), gop_seconds=2).start()
                    plays_on(viewer)
                with env.case(f"the viewer's stream is one, {loops} loop{'s' if loops > 1 else ''}"):
                    video = viewer.of_kind("video")
                    check(video["ssrcs"] == 1, f"{video}")
                    # A frame cut off by a change is followed by one missing number.
                    check(video["missing"] <= 2, f"{video}")
                    check(not viewer.errors and not viewer.was_closed_by_server, f"{viewer.errors[:3]}")
                with env.case(f"another codec ends the viewer's session, {loops} loop{'s' if loops > 1 else ''}"):
                    with processes.aiortc_client("publish", server.whip("again"), codec="VP8"):
                        until(lambda: viewer.was_closed_by_server, 10, "the viewer is told")
                        check(viewer.was_told_goodbye, "no BYE")
                        until(lambda: server.room("again")["viewer_count"] == 0, 5, "the viewer is gone")
            finally:
                viewer.stop()
                publisher.stop()


@test("a viewer gets every packet")
def every_packet(env):
    for loops in (1, 2):
        with env.server(loops=loops) as server, env.case(f"{loops} loop{'s' if loops > 1 else ''}"):
            publisher = OBSPublisher(server.whip("complete"), gop_seconds=2).start()
            try:
                viewers = [RawViewer(server.whep("complete"), srtp_profiles=profile) for profile in (
                    b"SRTP_AEAD_AES_128_GCM", b"SRTP_AEAD_AES_256_GCM", b"SRTP_AES128_CM_SHA1_80")]
                for viewer in viewers:
                    viewer.start()
                until(
                    lambda: all(
                        viewer.of_kind("video")["frames"] > 150 and viewer.of_kind("audio")["packets"] > 250
                        for viewer in viewers), 20, "every viewer has got enough")
                for viewer in viewers:
                    viewer.stop()
                    video, audio = viewer.of_kind("video"), viewer.of_kind("audio")
                    check(video["missing"] == 0 and audio["missing"] == 0, f"{video} {audio}")
                    check(video["frames"] > 60 and audio["packets"] > 200, f"{video} {audio}")
                    check(not viewer.errors, f"{viewer.errors[:3]}")
            finally:
                publisher.leave()
