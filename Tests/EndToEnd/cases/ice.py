"""Paths that change while media flows: ICE restart by PATCH, ports that flip, IPv6, and no UDP at all."""

import contextlib
import pathlib
import shutil
import socket
import subprocess
import time

from harness import web
from harness.obs import OBSPublisher
from harness.raw_peer import RawViewer
from harness.runner import Skip, check, test, until
from harness.server import free_port

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


def await_media(viewer):
    """Until a few more pictures have come."""
    seen = viewer.of_kind("video")["packets"]
    until(lambda: viewer.of_kind("video")["packets"] > seen + 20, 5, "media goes on")


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
                    await_media(watcher)
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
                env.budget("freezes", after["freezeCount"] - before["freezeCount"], 0, 2, "")
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
                    env.budget("the picture's pause", video["silence"], 0.5, 3)
        until(lambda: server.room("c") is None, 10, "the room is gone")
        check("r" in [room["name"] for room in server.rooms()], "the other room is not")


def blocked_udp(port, allowed):
    """A firewall of the test's own namespace: from the port `allowed` alone datagrams reach the media port."""
    def nft(*words):
        subprocess.run(["nft", *words], check=True, capture_output=True)

    @contextlib.contextmanager
    def block():
        nft("add", "table", "inet", "block")
        try:
            nft("add", "chain", "inet", "block", "in", "{ type filter hook input priority 0; }")
            nft("add", "rule", "inet", "block", "in", "udp", "dport", str(port),
                "udp", "sport", "!=", str(allowed), "drop")
            yield
        finally:
            nft("delete", "table", "inet", "block")

    return block()


@test("clients that UDP does not reach use TCP")
def without_udp(env):
    with env.server() as server, publisher(server, "r") as source:
        with env.case("Chromium watches over TCP when it is offered nothing else"):
            with browser_peer(env, server, server.whep("r"), "watch", codec="H264", onlyTCP=True) as page:
                watch_over_tcp(server, page)
        with env.case("Chromium watches over TCP behind a firewall that drops UDP"):
            env.require_namespace("a firewall")
            if shutil.which("nft") is None:
                raise Skip("nftables is not installed")
            with blocked_udp(server.udp_port, source.socket.getsockname()[1]):
                with browser_peer(env, server, server.whep("r"), "watch", codec="H264") as page:
                    watch_over_tcp(server, page)
        with env.case("Chromium publishes over TCP"):
            with browser_peer(env, server, server.whip("c"), "publish", codec="VP8", onlyTCP=True) as page:
                page.until(lambda: page.figures().get("framesSent", 0) > 10, 15, "frames are sent")
                check(page.figures()["protocol"] == "tcp", f"{page.figures()}")
                with viewer(server, "c", video="VP8") as watching:
                    page.page.wait_for_timeout(3000)
                    video = watching.of_kind("video")
                    check(video["missing"] == 0 and video["frames"] > 45, f"{video}")
        until(lambda: server.metrics()[0]["martlet_ice_tcp_connections"] == 0, 10, "connections are closed")


def watch_over_tcp(server, page):
    page.until(lambda: page.figures().get("framesDecoded", 0) > 60, 20, "frames are decoded")
    figures = page.figures()
    check(figures["protocol"] == "tcp" and figures["remotePort"] == server.udp_port, f"{figures}")
    check(figures["packetsLost"] == 0, f"{figures}")
    check(server.metrics()[0]["martlet_ice_tcp_connections"] >= 1, "a connection is counted")


@test("IPv6 alone")
def ipv6(env):
    settings = {"webrtcLocalUDPAddress": f"[::1]:{free_port(socket.SOCK_DGRAM)}", "webrtcAdditionalHosts": ["::1"]}
    with env.server(settings=settings) as server:
        with browser_peer(env, server, server.whip("c"), "publish", codec="VP8") as source:
            source.until(lambda: source.figures().get("framesSent", 0) > 10, 15, "frames are sent")
            check(source.figures()["remoteAddress"] in ("::1", None), f"{source.figures()}")
            for only_tcp in (False, True):
                with browser_peer(env, server, server.whep("c"), "watch", codec="VP8", onlyTCP=only_tcp) as page:
                    check("a=candidate:1 1 udp 2130706431 ::1 " in page.answer or only_tcp, page.answer)
                    page.until(lambda: page.figures().get("framesDecoded", 0) > 30, 20, "frames are decoded")


@test("a NAT that gives publisher and viewer other ports")
def flips(env):
    with env.server() as server, publisher(server, "r") as source, viewer(server, "r") as watcher:
        for _ in range(10):
            for peer in (source, watcher):
                peer.rebind()
                await_media(watcher)
        check_nothing_was_missing({kind: watcher.of_kind(kind) for kind in ("video", "audio")})
        response = web.request(server.origin, "GET", "/r/whip")
        check(response.status == 204, f"{response.status}")
