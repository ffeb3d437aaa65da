"""What strangers send while media plays: the viewer must not notice, and the server must stay bounded."""

import os
import random
import socket
import struct
import threading
import time

from harness import stun, web
from harness.obs import OBSPublisher
from harness.raw_peer import Identity, RawViewer
from harness.runner import check, test, until
from harness.sdp import Answer, obs_offer

MEBIBYTE = 1 << 20
MEMORY_BOUND = 32 * MEBIBYTE
LONGEST_SILENCE = 0.5


class Watched:
    """A publisher and a viewer; leaving the block checks that the viewer got everything without a pause."""

    def __init__(self, server, room="target"):
        self.server = server
        self.publisher = OBSPublisher(server.whip(room), token="token", gop_seconds=2)
        self.viewer = RawViewer(server.whep(room))

    def __enter__(self):
        self.publisher.start()
        self.viewer.start()
        until(lambda: self.viewer.of_kind("video")["packets"] > 30, 10, "media flows")
        self.viewer.forget()
        self.memory = self.server.resident_bytes()
        self.descriptors = self.server.descriptors()
        self.began = time.monotonic()
        return self

    def __exit__(self, kind, *_):
        left = 3 - (time.monotonic() - self.began)
        if kind is None and left > 0:
            time.sleep(left)
        self.viewer.stop()
        seconds = time.monotonic() - self.began
        try:
            if kind is None:
                self.check(seconds)
        finally:
            self.publisher.leave()

    def check(self, seconds):
        check(self.server.is_running, f"the server ended: {self.server.log_tail()}")
        video, audio = self.viewer.of_kind("video"), self.viewer.of_kind("audio")
        check(video["missing"] == 0 and audio["missing"] == 0, f"packets are missing: {video} {audio}")
        check(video["silence"] < LONGEST_SILENCE, f"the picture paused for {video['silence']:.2f} s")
        check(video["frames"] > seconds * 20, f"{video['frames']} frames in {seconds:.1f} s")
        grown = self.server.resident_bytes() - self.memory
        check(grown < MEMORY_BOUND, f"memory grew by {grown / MEBIBYTE:.1f} MiB")
        until(lambda: self.server.descriptors() <= self.descriptors + 2, 15, "descriptors are given back")


SETTINGS = {"readTimeout": "3s", "httpMaxConnections": 300, "whipToken": "token"}


def hostile(name):
    def register(attack):
        @test(f"while media plays: {name}")
        def run(env):
            with env.server(settings=SETTINGS) as server, Watched(server):
                attack(server)

        return run

    return register


@hostile("bodies of a megabyte")
def long_bodies(server):
    for number in range(40):
        kind = ("application/sdp", "text/plain")[number % 2]
        try:
            response = web.post_offer(server.whip(f"big-{number}"), b"v" * MEBIBYTE, "token", kind)
        except OSError:
            continue  # Closed before the end of the body: as good as 413.
        check(response.status in (413, 415), f"status {response.status}")
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"POST /c/whip HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer token\r\n"
                           b"Content-Type: application/sdp\r\nTransfer-Encoding: chunked\r\n\r\n")
        try:
            for _ in range(256):
                connection.sendall(b"1000\r\n" + b"x" * 4096 + b"\r\n")
            check(b"413" in connection.recv(4096), "no 413 for endless chunks")
        except OSError:
            pass


@hostile("slow connections, more than there is room for")
def slow_connections(server):
    opened = []
    try:
        for _ in range(400):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(("127.0.0.1", server.port))
            opened.append(connection)
        end = time.monotonic() + 6
        while time.monotonic() < end:
            for connection in opened:
                try:
                    connection.send(b"GET / HTTP/1.1\r\nX" if connection.fileno() % 2 else b"P")
                except OSError:
                    pass
            time.sleep(0.5)
    finally:
        for connection in opened:
            connection.close()
    until(lambda: answers(server), 10, "the server answers again")


def answers(server):
    try:
        return web.request(server.origin, "GET", "/rooms").status == 200
    except OSError:
        return False


JUNK = 60_000


class CPUUse:
    """The share of a core that a server uses between here and `stop`: by itself, and by the kernel."""

    def __init__(self, server):
        self.server = server
        self._began, self._cpu = time.monotonic(), server.cpu_seconds()

    def stop(self):
        self.seconds = time.monotonic() - self._began
        used = zip(self.server.cpu_seconds(), self._cpu)
        self.shares = [(after - before) / self.seconds for after, before in used]


@test("while media plays: junk datagrams")
def junk(env):
    with env.server(settings=SETTINGS) as server, Watched(server):
        before = server.metrics()[0]
        media = CPUUse(server)
        time.sleep(2)
        media.stop()
        storm = CPUUse(server)
        send_junk(server.media_address)
        until(lambda: server.metrics()[0]["martlet_datagrams_dropped_total"] -
              before["martlet_datagrams_dropped_total"] > 0.8 * JUNK, 10, "the junk is dropped")
        storm.stop()
        program, kernel = (
            1e6 * (busy - idle) * storm.seconds / JUNK for busy, idle in zip(storm.shares, media.shares))
        print(f"      {JUNK / storm.seconds:.0f} a second, for each {program:.2f} µs of CPU and {kernel:.2f} µs of the "
              "kernel's", flush=True)
        env.budget("CPU of a junk datagram", program, 2, 10, "µs")
        after = server.metrics()[0]
        for name in ("martlet_ice_tuples", "martlet_ice_sessions"):
            check(after[name] == before[name], f"{name}: {before[name]}, then {after[name]}")


def send_junk(target):
    """20,000 a second, as far as this process keeps up; nothing of it may be answered."""
    dice = random.Random(7)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        began = time.monotonic()
        for number in range(JUNK):
            if number % 4 == 0:
                datagram = dice.randbytes(dice.randrange(0, 60))
            elif number % 4 == 1:
                first = dice.choice((0, 1, 20, 22, 63, 64, 128, 144, 200, 255))
                datagram = bytes([first]) + dice.randbytes(40)
            elif number % 4 == 2:
                head = struct.pack(">HHI", 1, dice.randrange(0, 200), stun.MAGIC)
                datagram = head + dice.randbytes(dice.randrange(12, 90))
            else:
                datagram = struct.pack(">BBHII", 0x80, 96, number & 0xFFFF, number, 0) + dice.randbytes(100)
            try:
                sender.sendto(datagram, target)
            except OSError:
                pass
            if number % 200 == 0:
                time.sleep(max(0.0, number / 20_000 - (time.monotonic() - began)))
        sender.setblocking(False)
        try:
            check(not sender.recv(2048), "junk was answered")
        except BlockingIOError:
            pass


@hostile("forged STUN and DTLS, from many ports")
def forged(server):
    identity = Identity()
    response = web.post_offer(server.whip("victim"), obs_offer(identity, 1, 2), "token")
    check(response.status == 201, f"status {response.status}")
    ufrag = Answer(response.text).ufrag
    target = server.media_address
    senders = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(100)]
    hello = bytes.fromhex("16fefd0000000000000000006f010000630000000000000063fefd") + os.urandom(100)
    answers_to_strangers = 0
    try:
        for _ in range(50):
            for index, sender in enumerate(senders):
                remote = ufrag if index % 2 else "nobodyhere"
                _, check_datagram = stun.connectivity_check("aaaa", remote, "a wrong password 000000")
                sender.sendto(check_datagram, target)
                sender.sendto(hello, target)
                sender.sendto(struct.pack(">BBHII", 0x80, 96, 1, 1, 2) + os.urandom(60), target)
                # Half a message, one with a wrong length, one with a broken fingerprint.
                sender.sendto(check_datagram[:30], target)
                sender.sendto(check_datagram[:-1] + b"\0", target)
            time.sleep(0.02)
        for index, sender in enumerate(senders):
            sender.setblocking(False)
            while True:
                try:
                    datagram = sender.recv(2048)
                except OSError:
                    break
                kind, _ = stun.kind_and_transaction(datagram)
                check(kind != stun.BINDING_SUCCESS, "a forged check was believed")
                answers_to_strangers += index % 2 == 0
        check(answers_to_strangers == 0, f"{answers_to_strangers} answers to unknown names: usable as a reflector")
    finally:
        for sender in senders:
            sender.close()
        web.request(server.origin, "DELETE", web.session_target(response), headers=web.bearer("token"))


@hostile("a thousand TCP connections to the media port that say little or nothing")
def slow_streams(server):
    dice = random.Random(3)
    opened = []
    try:
        for number in range(1000):
            connection = socket.socket()
            connection.setblocking(False)
            connection.connect_ex(server.media_address)
            opened.append(connection)
            if number % 50 == 0:
                time.sleep(0.01)
        end = time.monotonic() + 7
        while time.monotonic() < end:
            for index, connection in enumerate(opened):
                try:
                    connection.send((b"", b"\0", b"\xff\xff", dice.randbytes(40))[index % 4])
                except OSError:
                    pass
            time.sleep(0.5)
        counts = server.metrics()[0]
        check(counts["martlet_ice_tcp_connections"] <= 32, f"{counts['martlet_ice_tcp_connections']} are open")
    finally:
        for connection in opened:
            connection.close()
    until(lambda: server.metrics()[0]["martlet_ice_tcp_connections"] == 0, 10, "connections are closed")


@hostile("wrong tokens and guessed sessions")
def guesses(server):
    def guess(seed):
        dice = random.Random(seed)
        for number in range(100):
            token = dice.randbytes(12).hex()
            response = web.post_offer(server.whip("target"), obs_offer(Identity(), 1, 2), token)
            check(response.status in (401, 429), f"POST with a wrong token: {response.status}")
            method = ("DELETE", "PATCH")[number % 2]
            response = web.request(server.origin, method, f"/target/whip/{dice.randbytes(16).hex()}", "x",
                                   {**web.bearer(token), "Content-Type": "application/trickle-ice-sdpfrag"})
            check(response.status in (401, 403, 404, 429), f"{method} of a guess: {response.status}")

    failures = []

    def run(seed):
        try:
            guess(seed)
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check(not failures, f"{failures[:1]}")


@hostile("offers cut short at every place")
def cut_offers(server):
    whole = obs_offer(Identity(), 1, 2, layers=["0", "1", "2"])
    for size in range(0, len(whole) - 1, 7):
        response = web.post_offer(server.whip("cut"), whole[:size], "token")
        if response.status == 201:
            web.request(server.origin, "DELETE", web.session_target(response), headers=web.bearer("token"))
        else:
            check(400 <= response.status < 500, f"status {response.status} after {size} bytes")
