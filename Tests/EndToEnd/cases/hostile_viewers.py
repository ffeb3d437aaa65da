"""What sessions of their own let clients do while media plays: storms of requests, lies, silence. A viewer beside them must
not notice, and what it costs the server and the publisher is bounded."""

import contextlib
import os
import random
import socket
import struct
import threading
import time

from cases.hostile import MEBIBYTE, SETTINGS, Watched
from harness import stun
from harness.raw_peer import RawPeer, RawViewer
from harness.relay import Relay
from harness.runner import check, test, until
from harness.sdp import viewer_offer


@contextlib.contextmanager
def beside(env, count=1):
    """A server, what is watched, and hostile viewers of the same room that have begun to get media."""
    with env.server(settings=SETTINGS) as server, Watched(server) as watched:
        hostile = [RawViewer(server.whep("target")).start() for _ in range(count)]
        try:
            for one in hostile:
                until(lambda: one.of_kind("video")["packets"] > 10, 10, "media flows to the hostile viewer too")
            yield server, watched, hostile
        finally:
            for one in hostile:
                one.stop()


def stream(viewer, kind):
    """The SSRC of the audio or the video, and the newest sequence number."""
    return next((ssrc, one["last"]) for ssrc, one in list(viewer.streams.items()) if one["kind"] == kind)


def feedback(kind, form, sender, media, body=b""):
    return struct.pack(">BBHII", 0x80 | form, kind, 2 + len(body) // 4, sender, media) + body


def worst_second(times):
    return max((sum(1 for other in times if 0 <= other - one < 1) for one in times), default=0)


@test("while media plays: a storm of NACKs")
def nack_storm(env):
    with beside(env) as (_, watched, (hostile,)):
        dice = random.Random(3)
        began = time.monotonic()
        received = hostile.of_kind("video")["packets"]
        sent = 0
        while time.monotonic() - began < 3:
            ssrc, newest = stream(hostile, "video")
            # The newest again and again, everything lately, and numbers that never were.
            first = (newest - dice.choice((0, 5, 60, 500, dice.randrange(65536)))) & 0xFFFF
            items = b"".join(struct.pack(">HH", (first + 17 * n) & 0xFFFF, 0xFFFF) for n in range(dice.choice((1, 30))))
            hostile.send_rtcp(feedback(205, 1, 1, ssrc, items))
            sent += 1
            time.sleep(0.001)
        # The same stream carries repairs and media for a client without RTX.
        got = hostile.of_kind("video")["packets"] - received
        fair = watched.viewer.of_kind("video")["packets"]
        print(f"      {sent} NACKs: {got} packets to the storm, {fair} to the other in all this time", flush=True)
        check(sent > 500, f"only {sent} NACKs")
        check(got < 2.2 * max(fair, 1) + 100, f"{got} packets for {sent} NACKs")
        worst = worst_second(watched.publisher.keyframe_requests)
        check(worst <= 3, f"{worst} keyframe requests in a second")


@test("while media plays: forged and foreign media")
def forged_media(env):
    with beside(env) as (server, watched, (hostile,)):
        good = [ssrc for ssrc in watched.viewer.streams]
        publisher = [watched.publisher.audio.ssrc, watched.publisher.videos[0].ssrc]
        senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(20)]
        try:
            for number in range(6_000):
                ssrc = (good + publisher)[number % (len(good) + len(publisher))]
                rtp = struct.pack(">BBHII", 0x80, 96, number & 0xFFFF, number * 3000, ssrc) + os.urandom(120)
                rtcp = feedback(206, 1, 1, ssrc) + os.urandom(14)
                # From nowhere, from a proven address with a wrong tag, and rightly encrypted but not negotiated.
                senders[number % 20].sendto(rtp if number % 2 else rtcp, server.media_address)
                hostile.send(rtp if number % 3 else rtcp)
                if number % 5 == 0:
                    hostile.send(hostile.protect(struct.pack(
                        ">BBHII", 0x80, 96, number & 0xFFFF, number * 3000, ssrc ^ number % 50) + os.urandom(120)))
                if number % 50 == 0:
                    time.sleep(0.01)
        finally:
            for sender in senders:
                sender.close()
        check(hostile.of_kind("video")["packets"] > 0 and not hostile.was_closed_by_server, "the session lives")


@test("while media plays: feedback that lies")
def lies(env):
    with beside(env) as (_, watched, (hostile,)):
        dice = random.Random(5)
        others = list(watched.viewer.streams)
        before = len(watched.publisher.keyframe_requests)
        began = time.monotonic()
        number = 0
        while time.monotonic() - began < 4:
            ssrc, newest = stream(hostile, "video")
            number += 1
            report = struct.pack(">IIIIIII", 1, ssrc, 0xFFFFFFFF, newest, 0xFFFFFFFF, dice.randrange(1 << 32), 0)
            transport_wide = struct.pack(
                ">HHI", dice.randrange(65536), dice.choice((1, 0xFFFF)), dice.randrange(1 << 32)) + os.urandom(40)
            compounds = [
                feedback(206, 1, 1, ssrc), feedback(206, 1, 1, dice.choice(others)),
                feedback(206, 4, 1, 0, struct.pack(">IBBH", ssrc, number & 0xFF, 0, 0)),
                # The smallest and the largest estimates, of oneself and of another.
                feedback(206, 15, 1, 0, b"REMB" + struct.pack(">II", 0x01000000, ssrc)),
                feedback(206, 15, 1, 0, b"REMB" + struct.pack(">II", 0x01FFFFFF, dice.choice(others))),
                feedback(206, 15, 1, 0, b"REMB" + struct.pack(">I", 0xFFFFFFFF)),
                feedback(205, 15, 1, ssrc, transport_wide), feedback(205, 15, 1, ssrc, os.urandom(4)),
                feedback(205, 1, 1, dice.choice(others), struct.pack(">HH", newest, 0xFFFF)),
                struct.pack(">BBH", 0x81, 201, 7) + report,
                struct.pack(">BBHI", 0x81, 203, 1, dice.choice(others)),
                struct.pack(">BBHI", 0x80, 207, 6, 1) + os.urandom(20),
                os.urandom(1) + bytes([201 + number % 7]) + os.urandom(40),
            ]
            hostile.send_rtcp(compounds[number % len(compounds)])
            time.sleep(0.001)
        check(number > 500, f"only {number} lies")
        requests = watched.publisher.keyframe_requests[before:]
        print(f"      {number} lies, {len(requests)} keyframe requests", flush=True)
        check(worst_second(requests) <= 3, f"{worst_second(requests)} keyframe requests in a second")


class Mute(RawPeer):
    """A viewer whose socket fills up: it proves its address and goes on checking, but never reads."""

    def __init__(self, url):
        super().__init__(url, lambda identity: viewer_offer(identity))
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)


@test("while media plays: viewers that never read")
def never_read(env):
    with env.server(settings=SETTINGS) as server:
        mutes = []
        with Watched(server):
            for _ in range(15):
                mute = Mute(server.whep("target"))
                mute.connect()
                mutes.append(mute)
            check(server.room("target")["viewer_count"] >= 16, "they are viewers")
            for _ in range(8):
                for mute in mutes:
                    mute.send(stun.connectivity_check(
                        mute.identity.ufrag, mute.answer.ufrag, mute.answer.password)[1])
                time.sleep(0.5)
        for mute in mutes:
            mute.delete()
            mute.socket.close()


@test("while media plays: a viewer that is stopped for seconds, and one behind a dead link")
def stopped(env):
    with beside(env) as (server, _, (hostile,)), Relay(server.media_address, env.address) as relay:
        dead = RawViewer(server.whep("target"), relay=relay).start()
        try:
            until(lambda: dead.of_kind("video")["packets"] > 10, 10, "media flows")
            relay.last.black_hole()
            # Its thread stands still while its session stays open.
            hostile._stopping.set()
            time.sleep(4)
        finally:
            dead.stop()


def has_input(connection):
    try:
        return connection.recv(1, socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False


@test("while media plays: a thousand feeds, idle and slow")
def feeds(env):
    opened = []
    try:
        with env.server(settings={**SETTINGS, "httpMaxConnections": 2000}) as server:
            with Watched(server, room="target") as watched:
                request = b"GET /v1/events HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n"
                for number in range(1000):
                    connection = socket.socket()
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
                    # From many addresses, as a crowd comes.
                    connection.bind((f"127.0.{1 + number // 200}.{1 + number % 200}", 0))
                    connection.setblocking(False)
                    connection.connect_ex(("127.0.0.1", server.port))
                    opened.append(connection)
                    if number % 50 == 49:
                        # No more at once than the server's backlog takes.
                        until(lambda: server.descriptors() >= watched.descriptors + number - 20, 10, "they are accepted")
                until(lambda: server.descriptors() >= watched.descriptors + 1000, 10, "all of them are accepted")
                for connection in opened:
                    with contextlib.suppress(OSError):
                        connection.send(request)
                until(lambda: all(map(has_input, opened)), 10, "every feed has begun")
                # Half of them read slowly, the others never; rooms come and go meanwhile.
                stop = threading.Event()

                def read_slowly():
                    while not stop.is_set():
                        for connection in opened[::2]:
                            with contextlib.suppress(OSError):
                                connection.recv(16)
                        stop.wait(0.2)

                reader = threading.Thread(target=read_slowly, daemon=True)
                reader.start()
                for number in range(6):
                    passing = RawViewer(server.whep("target"))
                    passing.connect()
                    passing.delete()
                    passing.socket.close()
                    until(lambda: server.room("target")["viewer_count"] == 1, 5, "the passing viewer has left")
                stop.set()
                reader.join()
                grown = (server.resident_bytes() - watched.memory) / MEBIBYTE
                print(f"      a thousand feeds: {grown:+.1f} MiB", flush=True)
                for connection in opened:
                    connection.close()
                opened.clear()
    finally:
        for connection in opened:
            connection.close()
