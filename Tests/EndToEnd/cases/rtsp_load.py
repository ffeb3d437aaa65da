"""RTSP under load: many readers, one that stands still, and all that may come to the ports meanwhile."""

import os
import pathlib
import random
import signal
import socket
import statistics
import time

from cases.rtsp import AUDIO, OPUS, publishing
from harness.processes import RTSPReaders
from harness.runner import check, test, until
from harness.server import free_port_pair

READERS = 50
# Noise, so that the bits are really sent.
NOISE = ["-f", "lavfi", "-i", "nullsrc=s=320x240:r=25,geq=random(1)*255:128:128"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-b:v", "2500k", "-maxrate",
        "2500k", "-bufsize", "1000k", "-bsf:v", "dump_extra"]
MEBIBYTE = 1 << 20


def publisher(server, room, group=25):
    video = [str(group) if word == "25" else word for word in H264]
    return publishing(server, room, ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", *NOISE, *AUDIO, *video, *OPUS,
                                     "-f", "rtsp", "-rtsp_transport", "tcp", server.rtsp(room)])


def slow(server, outcome):
    """How many readers the server says were slow."""
    name = f'martlet_rtsp_slow_readers_total{{outcome="{outcome}"}}'
    return server.samples().get(name, 0)


@test("rtsp fifty readers, one of which stands still")
def stopped_reader(env):
    """RTSP-28: the others lose nothing, the server's memory is bounded, and the stopped one goes on or is ended."""
    with env.server(settings={"writeTimeout": "8s"}) as server, publisher(server, "load"):
        with RTSPReaders("rtsp readers", server.rtsp("load"), count=READERS - 1) as others, \
                RTSPReaders("rtsp stopped reader", server.rtsp("load"), receive_buffer=1 << 15) as stopped:
            others.wait_for("playing", 30)
            stopped.wait_for("playing", 30)
            time.sleep(2)
            memory = server.resident_bytes()
            # The log of an earlier run stands before.
            told = server.log_file.read_text(errors="replace").count("skips to the next keyframe")
            with env.case("it skips, and goes on at a keyframe"):
                os.kill(stopped.process.pid, signal.SIGSTOP)
                try:
                    until(lambda: slow(server, "skipped") >= 1, 90, "the server notices", interval=0.2)
                    time.sleep(2)
                finally:
                    os.kill(stopped.process.pid, signal.SIGCONT)
                until(lambda: stopped.figures()[0]["gaps"] >= 1, 20, "the reader goes on behind a gap", interval=0.5)
                figures = stopped.figures()[0]
                check(figures["open"] and figures["clean_gaps"] == figures["gaps"], f"{figures}")
            with env.case("it takes nothing for writeTimeout, and is ended with the reason"):
                os.kill(stopped.process.pid, signal.SIGSTOP)
                try:
                    until(lambda: slow(server, "ended") == 1, 120, "the server ends it", interval=0.2)
                finally:
                    os.kill(stopped.process.pid, signal.SIGCONT)
                until(lambda: not stopped.figures()[0]["open"], 20, "the reader sees the end", interval=0.5)
                log = server.log_file.read_text(errors="replace")
                check(log.count("skips to the next keyframe") == told + 1, "the log tells of a slow reader once")
                check("tooSlow" in log, "the log has the reason")
            with env.case("the others lost nothing"):
                figures = others.figures()
                check(all(one["open"] and one["lost"] == 0 for one in figures), f"{[one for one in figures if one['lost']]}")
                check(min(one["packets"] for one in figures) > 2000, f"{figures[0]}")
            with env.case("memory is bounded"):
                grown = (server.resident_bytes() - memory) / MEBIBYTE
                print(f"      {grown:+.1f} MiB, {min(one['packets'] for one in figures)} packets each", flush=True)
                check(grown < 16, f"the server's memory grew by {grown:.1f} MiB")


def processor_seconds(server):
    fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def half_open(server, count):
    """Connections with half a request each, or none."""
    connections = []
    for index in range(count):
        connections.append(socket.create_connection(("127.0.0.1", server.rtsp_port), 5))
        if index % 2:
            connections[-1].sendall(b"DESCRIBE rtsp://127.0.0.1/load RTSP/1.0\r\nCSeq: 1\r\nX-")
    return connections


def send(port, data):
    """Sends as much of it as the server takes, and hears it out."""
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except OSError:
            pass


@test("rtsp hostile load disturbs no reader")
def hostile(env):
    rtp, rtcp = free_port_pair()
    settings = {"rtpAddress": f"127.0.0.1:{rtp}", "rtcpAddress": f"127.0.0.1:{rtcp}", "readTimeout": "3s",
                "maxSessions": 400, "rtspMaxHalfOpen": 150, "rtspHalfOpenTimeout": "3s"}
    with env.server(settings=settings) as server, publisher(server, "load"):
        with RTSPReaders("rtsp readers under attack", server.rtsp("load"), count=10) as readers:
            readers.wait_for("playing", 30)
            noise = random.Random(1)
            with env.case("half-open connections are bounded and counted, and go away"):
                connections = half_open(server, 500)
                until(lambda: server.metrics()[0]["martlet_rtsp_half_open_ended_total"] >= 350, 10, "the oldest have to go")
                displaced = server.samples()['martlet_rtsp_half_open_ended_total{outcome="displaced"}']
                check(displaced > 100, f"only {displaced} made room for others")
                check(server.metrics()[0]["martlet_rtsp_half_open"] <= 150, "more wait than rtspMaxHalfOpen")
                until(lambda: server.metrics()[0]["rtsp_conns"] <= 12, 20, "half requests run out of time")
                for connection in connections:
                    connection.close()
            with env.case("10 MB headers and random bytes"):
                head = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n"
                send(server.rtsp_port, head + b"X-Long: " + b"a" * (10 * MEBIBYTE))
                send(server.rtsp_port, head + b"X-Many: 1\r\n" * 1_000_000)
                send(server.rtsp_port, b"OPTIONS rtsp://" + b"a" * (10 * MEBIBYTE))
                for _ in range(100):
                    send(server.rtsp_port, noise.randbytes(noise.randrange(1, 4096)))
                    send(server.rtsp_port, b"$" + noise.randbytes(noise.randrange(4, 4096)) + b"\r\n\r\n")
            with env.case("junk datagrams"):
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
                    idle = processor_seconds(server)
                    time.sleep(3)
                    idle = processor_seconds(server) - idle
                    began, before = time.monotonic(), processor_seconds(server)
                    count = 40_000
                    for number in range(count):
                        stranger.sendto(noise.randbytes(200), ("127.0.0.1", (rtp, rtcp)[number % 2]))
                        if number % 100 == 99:
                            time.sleep(0.002)
                    time.sleep(0.5)
                    spent = processor_seconds(server) - before - idle / 3 * (time.monotonic() - began)
                    print(f"      {1e6 * spent / count:.2f} µs of processor time for each junk datagram", flush=True)
            with env.case("the readers lost nothing, and a new one plays"):
                with RTSPReaders("rtsp late reader", server.rtsp("load")) as late:
                    late.wait_for("playing", 10)
                figures = readers.figures()
                check(all(one["open"] and one["lost"] == 0 for one in figures), f"{figures}")
                check(server.is_running, "the server ended")


@test("rtsp readers of a camera with long groups of pictures start fast")
def fast_start(env):
    """A camera cannot be asked for a keyframe: who comes between two gets what came since the last one."""
    with env.server() as server, publisher(server, "camera", group=250):
        time.sleep(4)
        starts = []
        for number in range(6):
            begin = time.monotonic()
            with RTSPReaders(f"rtsp reader {number}", server.rtsp("camera")) as reader:
                reader.wait_for("playing", 10)
                starts.append(1000 * (time.monotonic() - begin))
                figures = reader.figures()[0]
                check(figures["lost"] == 0, f"{figures}")
            time.sleep(0.7)
        median = statistics.median(starts)
        print(f"      first packet of a reader, with its process: median {median:.0f} ms, worst {max(starts):.0f} ms", flush=True)
        env.budget("first packet of a reader, median", median, 1000, 5000, "ms")
