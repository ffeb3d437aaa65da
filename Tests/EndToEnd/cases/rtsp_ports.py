"""RTSP over UDP from other ports than were announced, and what operators are told of sessions that were refused."""

import contextlib
import json
import re
import socket
import threading
import time

from harness import web
from harness.rtsp_peer import Connection, Reader, rtp
from harness.runner import check, test, until

INTERVAL = 0.02
# The server follows a publisher to another port once the old one has been silent for so long.
SILENCE = 2


def bound(address="127.0.0.1", port=0):
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((address, port))
    return made


class Publisher(Connection):
    """Announces a sound of any bytes over UDP, and sends it from where it is told to. `announced`: the port that it names."""

    def __init__(self, server, path, announced, ssrc):
        super().__init__(server, path)
        self.ssrc, self.number = ssrc, 0
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "t=0 0", "m=audio 0 RTP/AVP 96", "a=rtpmap:96 L16/8000",
                 "a=control:streamid=0"]
        self.ask("ANNOUNCE", headers=["Content-Type: application/sdp"], body="".join(f"{line}\r\n" for line in lines).encode())
        fields, _ = self.ask("SETUP", f"{self.url}/streamid=0", [
            f"Transport: RTP/AVP;unicast;client_port={announced}-{announced + 1};mode=record"])
        self.target = ("127.0.0.1", int(re.search(r"server_port=(\d+)", fields["transport"])[1]))
        self.ask("RECORD", headers=["Range: npt=0-"])

    def packet(self, mark):
        """`mark` is what readers know the packet by."""
        self.number += 1
        packet = rtp(96, self.number, self.number * 160, bytes([mark]) * 320, False)
        return packet[:8] + self.ssrc.to_bytes(4, "big") + packet[12:]

    @contextlib.contextmanager
    def sending(self, port, mark):
        end = threading.Event()

        def run():
            while not end.wait(INTERVAL):
                port.sendto(self.packet(mark), self.target)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
        finally:
            end.set()
            thread.join()


def marks(reader, seconds=0.5):
    """The marks of what comes in so many seconds."""
    reader.read(0.01)
    end, found = time.monotonic() + seconds, set()
    while time.monotonic() < end:
        found |= {packet[12] for packet in reader.read(0.01)}
    return found


@test("rtsp publishers behind a NAT that gives them other ports")
def other_ports(env):
    """RTSP-31."""
    with env.server(paths={"all_others": {"rtspAnyPort": True}}) as server, contextlib.ExitStack() as stack:
        ports = [stack.enter_context(bound()) for _ in range(4)]
        spoof = stack.enter_context(bound("127.0.0.2"))
        first = Publisher(server, "one", 5000, 0xA1)
        with env.case("the first port that its packets come from"):
            with first.sending(spoof, 66):
                time.sleep(0.3)
            with first.sending(ports[0], 1):
                until(lambda: server.room("one"), 5, "the room is there")
                reader = Reader(server, "one", "tcp")
                check(marks(reader) == {1}, "what was sent comes")
                with env.case("another address is not believed, whatever it sends"):
                    with first.sending(spoof, 66):
                        check(marks(reader) == {1}, "a stranger's packets came")
                with env.case("another port of the same address is not believed while the first one sends"):
                    with first.sending(ports[1], 67):
                        check(marks(reader) == {1}, "packets of another port came")
                second = Publisher(server, "two", 5000, 0xB2)
                with env.case("a second session that announces the same ports"):
                    with second.sending(ports[2], 2):
                        until(lambda: server.room("two"), 5, "the room is there")
                        other = Reader(server, "two", "tcp")
                        check(marks(other) == {2}, "what the second one sends comes to it")
                        check(marks(reader) == {1}, "what the first one sends comes to it")
        with env.case("another port once the first one is silent"):
            with first.sending(ports[1], 3):
                begun = time.monotonic()
                until(lambda: marks(reader, 0.1) == {3}, 10, "the publisher is followed")
                took = time.monotonic() - begun
                print(f"      followed after {took:.1f} s", flush=True)
                check(took > SILENCE / 2, f"it was followed after {took:.1f} s")
        latched = server.metrics()[0]["martlet_rtsp_latched_ports_total"]
        check(latched == 3, f"{latched:.0f} ports were taken for publishers'")
        text = web.request(f"http://127.0.0.1:{server.metrics_port}", "GET", "/metrics").body.decode()
        foreign = int(re.search(r'martlet_rtsp_datagrams_total\{outcome="foreign_port"\} (\d+)', text)[1])
        check(foreign > 10, f"{foreign} datagrams of other ports are counted")
        for connection in (first, second, reader, other):
            connection.close()


@test("rtsp datagrams from other ports go nowhere unless the path says so")
def exact_ports(env):
    with env.server() as server, bound() as own, bound() as other:
        publisher = Publisher(server, "one", own.getsockname()[1], 0xA1)
        with publisher.sending(own, 1):
            until(lambda: server.room("one"), 5, "the room is there")
            reader = Reader(server, "one", "tcp")
            with publisher.sending(other, 66):
                check(marks(reader, 1) == {1}, "packets of another port came")
        with env.case("a port that another session has is refused at SETUP"):
            with socket.create_connection(("127.0.0.1", server.rtsp_port), timeout=10) as client:
                port = own.getsockname()[1]
                client.sendall((f"SETUP {server.rtsp('one')}/trackID=0 RTSP/1.0\r\nCSeq: 1\r\nTransport: RTP/AVP;unicast;"
                                f"client_port={port}-{port + 1}\r\n\r\n").encode())
                answer = client.recv(65536).decode()
                check(answer.startswith("RTSP/1.0 400") and "another session" in answer, answer)
        publisher.close()
        reader.close()


def asked(server, text):
    """The status of the answer to a request of a connection of its own."""
    with socket.create_connection(("127.0.0.1", server.rtsp_port), timeout=10) as client:
        client.sendall(text.encode())
        return client.recv(65536).decode().split()[1]


def described(server, room, field=""):
    return asked(server, f"DESCRIBE {server.rtsp(room)} RTSP/1.0\r\nCSeq: 1\r\n{field}\r\n")


def told(server):
    """What /check has of sessions over RTSP, by room, reason and progress."""
    report = web.request(server.origin, "GET", "/check", headers={"Accept": "application/json"}).json()
    failures = [failure for item in report["items"] for failure in item.get("failures", [])]
    return {(one["room"], one["reason"], one["progress"]): one for one in failures if one["protocol"] == "rtsp"}


def check_told(server, wanted):
    until(lambda: wanted <= set(told(server)), 5, "all are told")
    failures = told(server)
    check(set(failures) == wanted, f"{set(failures) - wanted} is told too")
    for key, one in failures.items():
        check(one["from"].startswith("127.0.0.1"), f"{key}: {json.dumps(one)}")
        check(one["detail"], f"{key} says nothing")
        check(one.get("advice") or key[1] == "nobodyPublishes", f"{key} says not what to do")
    return failures


@test("rtsp sessions that are refused are told with what to do")
def refused(env):
    with env.case("credentials"):
        settings = {"rtspFailedLoginDelay": "0s"}
        with env.server(settings=settings, paths={"guarded": {"readToken": "secret"}}) as server:
            check(described(server, "guarded") == "401", "the question for credentials")
            check(described(server, "guarded", "Authorization: Basic YW55Ondyb25n\r\n") == "401", "any:wrong")
            failures = check_told(server, {("guarded", "unauthorized", "refused")})
            check(failures["guarded", "unauthorized", "refused"]["count"] == 1, "the question for credentials is no failure")
            log = server.log_file.read_text(errors="replace")
            check("request refused" in log, "the log has it")
            check("secret" not in log and "YW55Ondyb25n" not in log, "the log has no credentials")
    with env.case("rooms, transports, descriptions, silence"):
        with env.server(settings={"rtspTransports": ["tcp"]}, paths={"live": {}, "silent": {}}) as server:
            check(described(server, "nowhere") == "404", "no such room")
            check(described(server, "live") == "404", "nobody publishes")
            check(asked(server, f"ANNOUNCE {server.rtsp('live')} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
                        "Content-Length: 5\r\n\r\nv=0\r\n") == "415", "a description without media")
            check(asked(server, f"OPTIONS {server.rtsp('live')} RTSP/1.0\r\nCSeq: 1\r\n\r\n") == "200", "what makes no session")
            publisher = Connection(server, "silent")
            body = b"v=0\r\nm=audio 0 RTP/AVP 0\r\na=control:streamid=0\r\n"
            publisher.ask("ANNOUNCE", headers=["Content-Type: application/sdp"], body=body)
            publisher.socket.sendall((f"SETUP {publisher.url}/streamid=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;"
                                      "client_port=4000-4001\r\n\r\n").encode())
            check(publisher.socket.recv(65536).split()[1] == b"461", "UDP is not to be had")
            publisher.ask("SETUP", f"{publisher.url}/streamid=0", ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"])
            publisher.ask("RECORD", headers=["Range: npt=0-"])
            # Who stays for less was only passing by.
            time.sleep(3.2)
            publisher.close()
            check_told(server, {
                ("nowhere", "unknownRoom", "refused"), ("live", "nobodyPublishes", "refused"),
                ("live", "negotiationFailed", "refused"), ("silent", "negotiationFailed", "refused"),
                ("silent", "noMedia", "connected")})
            log = server.log_file.read_text(errors="replace")
            check("request refused" in log and "session failed" in log, "the log has them")
