"""Viewers who come late, publishers that cannot be asked, and publishers that come back (protocols.md 5.4 and 5.5)."""

import contextlib
import statistics
import struct
import time

from harness import processes
from harness.clock import ClockPublisher, viewer_script
from harness.crowd import Crowd
from harness.obs import NTP_OFFSET, OBSPublisher
from harness.raw_peer import RawViewer, rtcp_packets
from harness.runner import LONG, check, test, until
from harness.viewer import viewer as viewer_in_chromium

GOP_SECONDS = 10
# One after the other, so that no more than three decode at a time; 20 of them fall on every half second of the group.
JOINS, JOIN_INTERVAL = (20, 1.5) if LONG else (6, 1.7)
EDGE_MILLISECONDS = 400
RESTARTS = 20 if LONG else 4
KILLS = 20 if LONG else 2
CROWD = 500 if LONG else 60


def joins_over_a_group(server, page):
    """Viewers in one browser, one after the other over a group of pictures; what each of them saw."""
    page.evaluate(viewer_script(EDGE_MILLISECONDS))
    return page.evaluate(
        f"""Promise.all(Array.from({{ length: {JOINS} }}, async (_, index) => {{
            await new Promise((resolve) => setTimeout(resolve, index * {JOIN_INTERVAL * 1000}));
            return window.clockViewer('{server.whep("clock")}');
        }}))""")


def summary(name, values):
    """Prints a line of figures; their median, which a busy machine does not move."""
    values = sorted(value for value in values if value is not None)
    print(f"      {name}: median {statistics.median(values):.0f}, worst {values[-1]:.0f} ms of {len(values)}", flush=True)
    return statistics.median(values)


@test("late viewers of a publisher that ignores PLI")
def fast_start(env):
    late_in_chromium(env, lambda server: server.whip("clock"))


@test("late viewers of a camera with rare keyframes")
def fast_start_of_a_camera(env):
    late_in_chromium(env, lambda server: server.rtsp("clock"))


def late_in_chromium(env, url):
    with env.server() as server, ClockPublisher(url(server), GOP_SECONDS) as publisher:
        server.wait_for_room("clock", 10)
        time.sleep(GOP_SECONDS / 2)
        with env.browser.page(f"{server.origin}/rooms") as page:
            seen = joins_over_a_group(server, page)
        check(publisher.process.poll() is None, "FFmpeg has ended")
        check(all(one["shown"] is not None for one in seen), f"{seen}")
        # One of twenty may have waited for its turn on the machine.
        check(sum(one["edge"] is None for one in seen) <= JOINS // 20, f"{seen}")
        decoded = summary("first frame decoded", [one["decoded"] for one in seen])
        summary("first frame shown", [one["shown"] for one in seen])
        edge = summary("at the live edge", [one["edge"] for one in seen])
        delay = summary("jitter buffer of video after 3 s", [one["videoDelay"] for one in seen])
        summary("jitter buffer of audio after 3 s", [one["audioDelay"] for one in seen])
        env.budget("first frame decoded", decoded, 500, 2500, "ms")
        env.budget("at the live edge", edge, 2000, 5000, "ms")
        env.budget("jitter buffer", delay, 300, 1000, "ms")
        values, _ = server.metrics()
        check(values["martlet_keyframe_fast_starts"] >= JOINS / 2, "viewers began at the cached keyframe")


class SyncViewer(RawViewer):
    """Tells by the server's reports when what arrives was captured."""

    def __init__(self, url):
        super().__init__(url)
        self.reports, self.delays = {}, {}

    def received_rtp(self, packet):
        super().received_rtp(packet)
        kind, _, timestamp, ssrc = struct.unpack_from(">xBHII", packet)
        report = self.reports.get(ssrc)
        if report is None:
            return
        ntp, reported = report
        name, rate = ("audio", 48000) if kind & 127 == 111 else ("video", 90000)
        ticks = (timestamp - reported + (1 << 31)) % (1 << 32) - (1 << 31)
        captured = (ntp / (1 << 32)) - NTP_OFFSET + ticks / rate
        self.delays.setdefault(name, []).append(time.time() - captured)

    def received_rtcp(self, compound):
        for kind, _, body in rtcp_packets(compound):
            if kind == 200:
                ssrc, ntp, timestamp = struct.unpack_from(">IQI", body)
                self.reports[ssrc] = (ntp, timestamp)

    def take_offset(self):
        """How much later video is than audio, in milliseconds, since the last call."""
        delays, self.delays = self.delays, {}
        return 1000 * (statistics.median(delays["video"]) - statistics.median(delays["audio"]))


@test("a publisher restarts and a viewer stays")
def restarts(env):
    with env.server() as server:
        publisher = OBSPublisher(server.whip("again"), gop_seconds=2).start()
        viewer = SyncViewer(server.whep("again")).connect()
        offsets = []
        try:
            for restart in range(RESTARTS + 1):
                if restart > 0:
                    publisher.leave()
                    viewer.pump(0.2)
                    publisher = OBSPublisher(server.whip("again"), gop_seconds=2).start()
                viewer.pump(0.3)
                viewer.delays = {}
                viewer.pump(2)
                offsets.append(viewer.take_offset())
            print(
                f"      {RESTARTS} restarts: audio and video at most {max(map(abs, offsets)):.0f} ms apart", flush=True)
            env.budget("sound and picture apart", max(map(abs, offsets)), 40, 120, "ms")
            check(not viewer.was_closed_by_server, "the viewer's session has ended")
            figures = viewer.of_kind("video")
            check(figures["ssrcs"] == 1, f"{figures}")
            # A picture cut off by a restart leaves one number out.
            check(figures["missing"] <= RESTARTS, f"{figures}")
            viewer.leave()
        finally:
            publisher.leave()


@test("a publisher is killed without a word, comes back, and a viewer in Chromium stays")
def killed(env):
    with env.server() as server, contextlib.ExitStack() as publishers:
        def publish():
            return publishers.enter_context(processes.ffmpeg_publisher(server.whip("killed")))

        publisher = publish()
        until(lambda: server.room("killed") is not None, 15, "FFmpeg publishes")
        with viewer_in_chromium(env, server, "killed") as one:
            one.until_playing()
            for _ in range(KILLS):
                publisher.process.kill()
                publisher.process.wait()
                one.forget()
                publisher = publish()
                one.page.until(lambda: one.figures()["framesDecoded"] > 30, 20, "the picture of the next FFmpeg")
                figures = one.figures()
                print(f"      no picture for {figures['longestGap']:.1f} s", flush=True)
                # FFmpeg takes about a second to be there again.
                env.budget("without a picture", figures["longestGap"], 5, 20)
                check(figures["state"] == "connected", f"{figures}")
            check(server.room("killed")["viewer_count"] == 1, f"{server.room('killed')}")


@test("a backup that ignores PLI stands in within a second, long before its next keyframe")
def backup(env):
    with env.server() as server:
        publishers = [OBSPublisher(server.whip("main"), gop_seconds=2).start()]
        try:
            publishers.append(OBSPublisher(server.whip("main") + "?backup", gop_seconds=20).start())
            with viewer_in_chromium(env, server, "main") as one:
                one.until_playing()
                one.page.page.wait_for_timeout(2000)
                one.forget()
                publishers.pop(0).leave()
                one.page.page.wait_for_timeout(4000)
                figures = one.figures()
                print(
                    f"      the longest gap was {1000 * figures['longestGap']:.0f} ms, {figures['framesDecoded']} frames "
                    f"in {figures['seconds']:.1f} s, buffer {1000 * figures['bufferDelay']:.0f} ms", flush=True)
                env.budget("longest gap", figures["longestGap"], 1, 4)
                check(figures["state"] == "connected", f"{figures}")
                check(publishers[0].keyframe_requests, "the backup was asked")
        finally:
            for publisher in publishers:
                publisher.leave()


@test("a crowd joins at once and the publisher is asked a few times")
def crowd(env):
    # A handshake that waits for its turn on two cores is not given up.
    with env.server(settings={"webrtcHandshakeTimeout": "30s"}) as server:
        publisher = OBSPublisher(server.whip("crowd"), gop_seconds=10, size=(320, 180)).start()
        try:
            time.sleep(2)
            with Crowd(server.whep("crowd"), CROWD) as viewers:
                figures = viewers.connect()
                requests = [at - figures["begin"] for at in publisher.keyframe_requests if at >= figures["begin"]]
                print(
                    f"      {CROWD} viewers connected after {figures['first']:.2f} to {figures['last']:.2f} s, "
                    f"{figures['busiest']} of them within a second: {len(requests)} requests", flush=True)
                check(figures["connected"] == CROWD and figures["watching"] == CROWD, f"{figures}")
                worst = max((sum(1 for other in requests if 0 <= other - one < 1) for one in requests), default=0)
                check(worst <= 3 and len(requests) <= 3 + figures["last"] / 2, f"requests at {requests}")
        finally:
            publisher.leave()
