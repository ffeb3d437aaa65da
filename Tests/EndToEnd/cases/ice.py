"""Paths that change while media flows: ICE restart by PATCH, ports that flip, IPv6, and no UDP at all."""

import contextlib
import pathlib
import time

from harness import web
from harness.obs import OBSPublisher
from harness.raw_peer import RawViewer
from harness.runner import check, test, until

PEER = (pathlib.Path(__file__).parents[1] / "clients" / "peer.js").read_text()
LONGEST_SILENCE = 0.2


@contextlib.contextmanager
def browser_peer(env, server, url, mode, **options):
    """Chromium with a bare peer connection, started and connected."""
    with env.browser.page(f"{server.origin}/", cameras=mode == "publish") as page:
        page.evaluate(PEER)
        page.answer = page.page.evaluate("options => peer.start(options)", {"url": url, "mode": mode, **options})
        page.figures = lambda: page.evaluate("peer.stats()")
        try:
            page.until(lambda: page.figures()["state"] == "connected", 15, "Chromium is connected")
            yield page
        finally:
            page.evaluate("peer.leave()")


@contextlib.contextmanager
def publisher(server, room, **options):
    one = OBSPublisher(server.whip(room), gop_seconds=2, **options).start()
    try:
        server.wait_for_room(room)
        yield one
    finally:
        one.leave()


@contextlib.contextmanager
def viewer(server, room, **options):
    one = RawViewer(server.whep(room), **options).start()
    try:
        until(lambda: one.of_kind("video")["packets"] > 30, 10, "media flows")
        one.forget()
        yield one
    finally:
        one.leave()


def check_nothing_was_missing(figures):
    for kind, one in figures.items():
        check(one["packets"] > 0 and one["missing"] == 0, f"{kind} is missing: {one}")
        check(one["silence"] < LONGEST_SILENCE, f"{kind} paused for {one['silence']:.3f} s")


@test("ICE restarts: media never stops, whoever restarts")
def restarts(env):
    with env.server() as server, publisher(server, "r") as source, viewer(server, "r") as watcher:
        with env.case("a publisher and a viewer restart five times each, from other ports"):
            for _ in range(5):
                for peer in (source, watcher):
                    etag = peer.etag
                    peer.restart(rebind=True)
                    check(peer.etag != etag, "the entity tag is a new one")
                    time.sleep(0.4)
            check_nothing_was_missing({kind: watcher.of_kind(kind) for kind in ("video", "audio")})
            check(not watcher.errors, f"{watcher.errors[:3]}")
        with env.case("a restart that nobody follows changes nothing for twenty seconds"):
            watcher.forget()
            response = watcher.request_restart("nobodyfollows", "a password nobody will use"[:24].replace(" ", "+"))
            check(response.status == 200, f"{response.status} {response.text}")
            time.sleep(20)
            check_nothing_was_missing({kind: watcher.of_kind(kind) for kind in ("video", "audio")})
        with env.case("Chromium watches and restarts"):
            with browser_peer(env, server, server.whep("r"), "watch", codec="H264") as page:
                page.until(lambda: page.figures().get("framesDecoded", 0) > 30, 15, "frames are decoded")
                before = page.figures()
                tags = {page.evaluate("peer.restart()")["etag"] for _ in range(1)}
                page.until(lambda: page.figures()["localUfrag"] != before["localUfrag"], 10, "the new pair is used")
                for _ in range(2):
                    tags.add(page.evaluate("peer.restart()")["etag"])
                    page.page.wait_for_timeout(1500)
                after = page.figures()
                check(len(tags) == 3, f"{tags}")
                check(after["framesDecoded"] - before["framesDecoded"] > 60, f"{before} {after}")
                check(after["freezeCount"] == before["freezeCount"], f"the picture froze: {before} {after}")
                check(after["state"] == "connected", f"{after}")
        with env.case("Chromium publishes and restarts"):
            with browser_peer(env, server, server.whip("c"), "publish", codec="VP8") as page:
                page.until(lambda: page.figures().get("framesSent", 0) > 10, 15, "frames are sent")
                with viewer(server, "c", video="VP8") as watching:
                    before = page.figures()
                    page.evaluate("peer.restart()")
                    page.until(lambda: page.figures()["localUfrag"] != before["localUfrag"], 10, "the new pair is used")
                    page.page.wait_for_timeout(2000)
                    video = watching.of_kind("video")
                    check(video["missing"] == 0 and video["frames"] > 30, f"{video}")
                    check(video["silence"] < 0.5, f"the picture paused for {video['silence']:.3f} s")
        until(lambda: server.room("c") is None, 10, "the room is gone")
        check("r" in [room["name"] for room in server.rooms()], "the other room is not")


@test("a NAT that gives publisher and viewer other ports")
def flips(env):
    with env.server() as server, publisher(server, "r") as source, viewer(server, "r") as watcher:
        for _ in range(10):
            for peer in (source, watcher):
                peer.rebind()
                time.sleep(0.15)
        check_nothing_was_missing({kind: watcher.of_kind(kind) for kind in ("video", "audio")})
        response = web.request(server.origin, "GET", "/r/whip")
        check(response.status == 204, f"{response.status}")
