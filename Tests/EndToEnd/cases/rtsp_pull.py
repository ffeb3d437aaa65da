"""Martlet as an RTSP client: what it pulls from other servers, and what it pushes to them."""

import contextlib
import hashlib
import pathlib
import re
import signal
import socket
import ssl
import statistics
import subprocess
import threading
import time

from cases.rtsp import ffmpeg_publisher, ffmpeg_reader, ffprobe, require
from cases.rtsp import run as run_program
from cases.rtsp_transports import network_server
from harness import processes
from harness.camera import Camera
from harness.runner import LONG, Skip, check, test, until
from harness.server import free_port
from harness.viewer import viewer

ROUNDS = 20 if LONG else 4


@contextlib.contextmanager
def gstreamer_server(address="127.0.0.1", port=None, **options):
    """GStreamer's RTSP server; yields its client and the URL."""
    python = "/usr/bin/python3"
    probe = subprocess.run(
        [python, "-c", "import gi; gi.require_version('GstRtspServer', '1.0'); from gi.repository import GstRtspServer"],
        capture_output=True)
    if probe.returncode != 0:
        raise Skip("GStreamer's RTSP server with its Python bindings is not installed")
    port = port or free_port()
    command = [python, str(processes.CLIENTS / "gstreamer_rtsp_server.py"), address, str(port)]
    for name, value in options.items():
        command += [f"--{name}", value]
    with processes.Client(f"gstreamer rtsp server {port}", command) as server:
        server.wait_for("listening", 20)
        yield server, f"rtsp://{address}:{port}/cam"


class Reader:
    """Somebody who watches, and how many frames have come so far."""

    @property
    def frames(self):
        raise NotImplementedError

    def wait_for(self, count, deadline):
        until(lambda: self.frames >= count, deadline, f"frame {count}, after {self.frames}")

    def wait_for_more(self, count, deadline):
        self.wait_for(self.frames + count, deadline)


class FFmpegReader(Reader):
    """FFmpeg reading over RTSP."""

    def __init__(self, url, transport="tcp"):
        require("ffmpeg")
        self._frames = 0
        self.process = subprocess.Popen(
            ["ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, "-map", "0:v", "-f", "null", "-progress",
             "pipe:1", "-stats_period", "0.2", "-"],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        threading.Thread(target=self._count, daemon=True).start()

    def _count(self):
        for line in self.process.stdout:
            if line.startswith("frame="):
                self._frames = int(line[6:])

    @property
    def frames(self):
        check(self.process.poll() is None, "a reader left")
        return self._frames

    def __enter__(self):
        return self

    def __exit__(self, *_):
        # It would wait for a packet before it heeds anything milder.
        self.process.kill()
        self.process.wait()


class ChromiumReader(Reader):
    """Chromium watching over WHEP. aiortc would leave at the BYE that tells of a publisher's end."""

    def __init__(self, viewer):
        self.viewer = viewer

    @property
    def frames(self):
        return self.viewer.stats().get("video", {}).get("framesDecoded", 0)


class WHEPReader(Reader):
    """aiortc watching over WHEP."""

    def __init__(self, url):
        self._frames = 0
        self._client = processes.aiortc_client("watch", url, progress="yes")

    @property
    def frames(self):
        event = self._client.latest("progress")
        if event:
            self._frames = event["frames"]
        return self._frames

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._client.stop()


def metric(server, name):
    return server.metrics()[0].get(f"martlet_rtsp_{name}", 0)


@test("rtsp sources of GStreamer's server")
def gstreamer_source(env):
    with gstreamer_server() as (_, url):
        transports = ("automatic", "udp", "tcp")
        paths = {name: {"source": url, "sourceOnDemand": True, "rtspTransport": name} for name in transports}
        with env.server(paths=paths) as server:
            for name in transports:
                with env.case(f"{name}, read by FFmpeg"):
                    ffprobe(server, name, "tcp")
            with env.case("seen by aiortc"):
                with processes.aiortc_client("watch", server.whep("automatic")) as client:
                    client.wait_for("playing", 30)
            check(metric(server, "pull_fallbacks_total") == 0, "a source went over to TCP without need")
    with gstreamer_server(transport="tcp") as (_, url):
        with env.server(paths={"cam": {"source": url}}) as server:
            with env.case("a server without UDP"):
                ffmpeg_reader(server, "cam", "tcp")
                check(metric(server, "pull_fallbacks_total") == 1, "UDP was not tried first")
    with gstreamer_server(user="u", password="p:w") as (_, url):
        guarded = url.replace("rtsp://", "rtsp://u:p%3Aw@")
        wrong = url.replace("rtsp://", "rtsp://u:x@")
        with env.server(paths={"right": {"source": guarded, "sourceOnDemand": True}, "wrong": {
                "source": wrong, "sourceOnDemand": True, "sourceOnDemandStartTimeout": "3s"}}) as server:
            with env.case("a server that asks for a digest"):
                ffmpeg_reader(server, "right", "tcp")
            with env.case("a wrong password is told, and not repeated in the log"):
                refused(server, "wrong")
                log = server.log_file.read_text(errors="replace")
                check("does not take the user and password" in log, "the log does not say why")
                check("p:w" not in log and "p%3Aw" not in log, "the password is in the log")


def refused(server, room):
    result = subprocess.run(["ffprobe", "-v", "error", "-rtsp_transport", "tcp", server.rtsp(room)],
                            capture_output=True, text=True, timeout=30)
    check("404" in result.stderr, f"ffprobe was told {result.stderr[-200:]}")


@test("rtsp source sent by multicast")
def multicast_source(env):
    """RTSP-49"""
    env.require_namespace("a multicast group")
    with network_server(env) as origin, ffmpeg_publisher(origin, "cam", "tcp"):
        settings = {"source": origin.rtsp("cam"), "rtspTransport": "multicast"}
        with env.server(paths={"cam": settings}) as server:
            ffmpeg_reader(server, "cam", "tcp")
            check(metric(server, "sources_playing") == 1, "the source does not play")
            check(metric(origin, "multicast_groups") > 0, "the origin sends to no group")


@test("rtsp source: one connection for all readers")
def one_connection(env):
    with gstreamer_server() as (origin, url):
        settings = {"source": url, "sourceOnDemand": True, "sourceOnDemandCloseAfter": "1s"}
        with env.server(paths={"cam": settings}) as server:
            check(metric(server, "pull_attempts_total") == 0, "the source is pulled without a viewer")
            with contextlib.ExitStack() as stack:
                readers = [stack.enter_context(FFmpegReader(server.rtsp("cam"), transport))
                           for transport in ("tcp", "tcp", "udp", "udp")]
                readers.append(stack.enter_context(WHEPReader(server.whep("cam"))))
                for reader in readers:
                    reader.wait_for(25, 30)
                check(server.room("cam")["viewer_count"] == 5, "not all readers are in the room")
                check(metric(server, "pull_attempts_total") == 1, "the source was connected to more than once")
                check(origin.latest("clients")["count"] == 1, "the origin has other clients")
            # A reader over UDP that leaves without a word is one until its session times out.
            until(lambda: server.room("cam") is None, 90, "the source on demand ends after its last reader")
            check(origin.wait_for("clients", 5)["count"] == 0, "the connection to the origin stayed")


@test("rtsp source killed again and again, readers stay")
def killed(env):
    """RTSP-44: every time it comes back, and nobody has to open the stream again."""
    port = free_port()
    with env.server(paths={"cam": {"source": f"rtsp://127.0.0.1:{port}/cam"}}) as server, \
            contextlib.ExitStack() as stack:
        with gstreamer_server(port=port) as (origin, _):
            server.wait_for_room("cam")
            readers = [stack.enter_context(FFmpegReader(server.rtsp("cam"), "tcp")),
                       stack.enter_context(FFmpegReader(server.rtsp("cam"), "udp")),
                       ChromiumReader(stack.enter_context(viewer(env, server, "cam")))]
            for reader in readers:
                reader.wait_for(25, 30)
            origin.process.kill()
        times = []
        for round in range(ROUNDS):
            until(lambda: metric(server, "sources_playing") == 0, 20, "the source is missed")
            with gstreamer_server(port=port) as (origin, _):
                start = time.monotonic()
                wanted = [reader.frames + 15 for reader in readers]
                for reader, count in zip(readers, wanted):
                    reader.wait_for(count, 45)
                times.append(time.monotonic() - start)
                origin.process.kill()
        check(server.room("cam") is None or server.room("cam")["viewer_count"] == 3, "a reader left")
        check(all(reader.frames for reader in readers), "a reader left")
        times.sort()
        print(f"      {ROUNDS} times: back within {times[0]:.1f} s at best, {statistics.median(times):.1f} s in the "
              f"middle, {times[-1]:.1f} s at worst", flush=True)


@test("rtsp source on demand, killed while readers watch, is found again and they stay")
def killed_on_demand(env):
    """By one connection for all of them each time, and it ends with the last reader."""
    port = free_port()
    settings = {"source": f"rtsp://127.0.0.1:{port}/cam", "sourceOnDemand": True, "sourceOnDemandCloseAfter": "1s"}
    with env.server(paths={"cam": settings}) as server:
        with contextlib.ExitStack() as stack:
            with gstreamer_server(port=port) as (origin, _):
                check(metric(server, "pull_attempts_total") == 0, "the source is pulled without a viewer")
                readers = [stack.enter_context(FFmpegReader(server.rtsp("cam"), "tcp")),
                           stack.enter_context(FFmpegReader(server.rtsp("cam"), "tcp")),
                           ChromiumReader(stack.enter_context(viewer(env, server, "cam")))]
                for reader in readers:
                    reader.wait_for(25, 30)
                check(origin.latest("clients")["count"] == 1, "the origin has other clients")
                origin.process.kill()
            for is_last in (False, True):
                until(lambda: metric(server, "sources_playing") == 0, 20, "the source is missed")
                with gstreamer_server(port=port) as (origin, _):
                    begun = time.monotonic()
                    wanted = [reader.frames + 25 for reader in readers]
                    for reader, count in zip(readers, wanted):
                        reader.wait_for(count, 45)
                    print(f"      media goes on {time.monotonic() - begun:.1f} s after the source is back", flush=True)
                    check(origin.latest("clients")["count"] == 1, "the origin has other clients")
                    check(server.room("cam")["viewer_count"] == 3, "a reader left")
                    if not is_last:
                        origin.process.kill()
                        continue
                    stack.close()
                    until(lambda: server.room("cam") is None, 30, "the source on demand ends after its last reader")
                    check(origin.wait_for("clients", 5)["count"] == 0, "the connection to the origin stayed")


@test("rtsp source that stops sending")
def stalled(env):
    """RTSP-51: a server that stands still is given up, and found again when it goes on."""
    with gstreamer_server() as (origin, url):
        settings = {"readTimeout": "3s"}
        with env.server(settings=settings, paths={"cam": {"source": url, "rtspTransport": "tcp"}}) as server, \
                FFmpegReader(server.rtsp("cam")) as reader:
            reader.wait_for(25, 30)
            origin.process.send_signal(signal.SIGSTOP)
            try:
                until(lambda: metric(server, "sources_playing") == 0, 10, "the standstill is noticed")
            finally:
                origin.process.send_signal(signal.SIGCONT)
            reader.wait_for_more(25, 45)


@test("rtsp source: what a camera hears of its client")
def camera(env):
    with Camera() as heard, Camera() as inside, Camera(names_ports=False) as silent, \
            Camera(sends_from_named=False) as elsewhere, Camera(sends_from_named=False) as anywhere:
        paths = {
            "udp": {"source": heard.url}, "tcp": {"source": inside.url, "rtspTransport": "tcp"},
            "silent": {"source": silent.url}, "elsewhere": {"source": elsewhere.url},
            "anywhere": {"source": anywhere.url, "rtspAnyPort": True},
        }
        with env.server(paths=paths) as server:
            for room in paths:
                server.wait_for_room(room)
            with env.case("the way is opened before PLAY, and kept open (RTSP-41)"):
                opened = heard.times("rtp datagram")
                check(opened and opened[0] < heard.times("PLAY")[0], f"PLAY came first: {heard.events}")
                check(heard.times("rtcp datagram"), "nothing came to the port for RTCP")
                until(lambda: len(heard.times("rtp datagram")) > 1, 8, "the way is opened again")
            with env.case("reports over UDP and TCP (RTSP-43)"):
                for one in (heard, inside):
                    until(lambda: len(one.times("report")) > 1, 14, "reports come")
            with env.case("signs of life at four fifths of the timeout (RTSP-42)"):
                signs = until(lambda: heard.times("OPTIONS")[2:] and heard.times("OPTIONS"), 12, "signs of life come")
                for begin, end in ((heard.times("PLAY")[0], signs[1]), (signs[1], signs[2])):
                    check(end - begin > 3.5, f"at {signs}")
                    env.budget("the next sign of life", end - begin, 5, 8)
            with env.case("ports that are not named are learnt (RTSP-46)"):
                check(len(silent.times("SETUP")) == 1, f"UDP did not do: {silent.events}")
            with env.case("other ports than those named are not heard, unless any will do (RTSP-48)"):
                check(len(elsewhere.times("SETUP")) == 2, f"it did not go over to TCP: {elsewhere.events}")
                check(elsewhere.times("TEARDOWN"), "the session over UDP was left behind")
                check(len(anywhere.times("SETUP")) == 1, f"UDP did not do: {anywhere.events}")
        with env.case("goodbye at the end (RTSP-52)"):
            for one in (heard, inside, silent, anywhere):
                check(one.times("TEARDOWN"), f"no TEARDOWN: {one.events}")


class Detour:
    """A TCP relay to a server from another address: what the server sends by UDP comes from where nobody expects it, as
    if a firewall kept it out."""

    def __init__(self, target):
        self.target = target
        self.listener = socket.create_server(("127.0.0.2", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server = socket.create_connection(("127.0.0.1", self.target))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass, args=(source, sink), daemon=True).start()

    @staticmethod
    def _pass(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()


@test("rtsp source whose datagrams do not arrive")
def blocked(env):
    """RTSP-40, RTSP-48: what comes from elsewhere is not heard, and after a few seconds TCP is tried and remembered."""
    with env.server() as origin, ffmpeg_publisher(origin, "cam", "tcp"):
        with contextlib.closing(Detour(origin.rtsp_port)) as detour:
            url = f"rtsp://127.0.0.2:{detour.port}/cam"
            paths = {"cam": {"source": url, "sourceOnDemand": True, "sourceOnDemandCloseAfter": "0s"}}
            with env.server(paths=paths) as server:
                start = time.monotonic()
                ffmpeg_reader(server, "cam", "tcp")
                check(metric(server, "pull_fallbacks_total") == 1, "the source did not go over to TCP")
                check(metric(server, "pull_foreign_datagrams_total") > 0, "no datagrams came from elsewhere")
                print(f"      three seconds read after {time.monotonic() - start:.1f} s", flush=True)
                until(lambda: server.room("cam") is None, 15, "the source on demand ends")
                ffmpeg_reader(server, "cam", "tcp")
                check(metric(server, "pull_attempts_total") == 3, "TCP was not remembered")


@contextlib.contextmanager
def secure_server(env):
    """A server that serves RTSP over TLS too; yields it, the port, the certificate's file and its fingerprint."""
    require("openssl")
    key, certificate = env.directory / "pull-key.pem", env.directory / "pull-cert.pem"
    run_program(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=localhost", "-addext",
                 "subjectAltName=DNS:localhost,IP:127.0.0.1"])
    der = ssl.PEM_cert_to_DER_cert(pathlib.Path(certificate).read_text())
    port = free_port()
    settings = {"rtspEncryption": "optional", "rtspsAddress": f"127.0.0.1:{port}", "rtspServerKey": str(key),
                "rtspServerCert": str(certificate)}
    with env.server(settings=settings) as server:
        yield server, port, str(certificate), hashlib.sha256(der).hexdigest()


@test("rtsps source: whom it trusts")
def over_tls(env):
    """RTSP-53"""
    with secure_server(env) as (origin, port, certificate, fingerprint), ffmpeg_publisher(origin, "cam", "tcp"):
        source = {"source": f"rtsps://127.0.0.1:{port}/cam", "sourceOnDemand": True, "sourceOnDemandStartTimeout": "3s"}
        paths = {
            "pinned": {**source, "sourceFingerprint": fingerprint},
            "colons": {**source, "sourceFingerprint": ":".join(re.findall("..", fingerprint.upper()))},
            "wrong": {**source, "sourceFingerprint": "00" * 32},
            "unknown": source,
        }
        with env.server(paths=paths) as server:
            for room in ("pinned", "colons"):
                with env.case(f"the right fingerprint ({room})"):
                    ffmpeg_reader(server, room, "tcp")
            for room, reason in (("wrong", "another fingerprint"), ("unknown", "not trusted")):
                with env.case(f"refused: {reason}"):
                    refused(server, room)
                    check(reason in server.log_file.read_text(errors="replace"), "the log does not say why")
        with env.case("signed by an authority of the system"):
            with env.server(paths={"known": source}, variables={"SSL_CERT_FILE": certificate}) as server:
                ffmpeg_reader(server, "known", "tcp")


@test("rtsp forward to other servers")
def forwarded(env):
    with secure_server(env) as (target, port, _, fingerprint):
        forward = [
            target.rtsp("plain/$MTX_PATH"), {"url": target.rtsp("datagrams"), "transport": "udp"},
            {"url": f"rtsps://127.0.0.1:{port}/secure", "fingerprint": fingerprint},
            {"url": f"rtsps://127.0.0.1:{port}/stranger", "fingerprint": "00" * 32},
        ]
        with env.server(paths={"cam": {"forward": forward}}) as server:
            with ffmpeg_publisher(server, "cam", "tcp"):
                for room in ("plain/cam", "datagrams", "secure"):
                    with env.case(f"to {room}"):
                        target.wait_for_room(room)
                        ffprobe(target, room, "tcp")
                with env.case("not to a certificate that was not asked for"):
                    check(target.room("stranger") is None, "the stranger was pushed to")
                    check(metric(server, "forwards_sending") == 3, "not three targets are sent to")
                    check(server.metrics()[0]["forward_dests"] == 4, "the metrics do not show all targets")
                with env.case("a forward is no viewer"):
                    check(server.room("cam")["viewer_count"] == 0, "a forward counts as a viewer")
            with env.case("ends with the publication"):
                until(lambda: not [room for room in target.rooms() if room["tracks"]], 10, "the target's rooms end")
                check(metric(server, "forwards_sending") == 0, "something is still sent")
            with env.case("what a browser's protocol brings is pushed too"):
                with processes.aiortc_client("publish", server.whip("cam"), codec="H264"):
                    target.wait_for_room("plain/cam")
                    ffmpeg_reader(target, "plain/cam", "tcp")


@test("rtsp forward to a listener that goes and comes")
def forwarded_to_listener(env):
    """FFmpeg listens; it is pushed to, ends, listens again, and is found again (RTSP-44)."""
    require("ffmpeg")
    port = free_port()
    url = f"rtsp://127.0.0.1:{port}/in"
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-rtsp_flags", "listen", "-i", url, "-t", "3", "-f",
               "null", "-"]
    with env.server(paths={"cam": {"forward": [url]}}) as server, ffmpeg_publisher(server, "cam", "tcp"):
        for _ in range(2):
            start = time.monotonic()
            run_program(command, deadline=60)
            print(f"      three seconds taken in {time.monotonic() - start:.1f} s", flush=True)
        until(lambda: metric(server, "forwards_sending") == 0, 20, "the listener's end is noticed")
