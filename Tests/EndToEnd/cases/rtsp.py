"""RTSP publishers and readers: FFmpeg, GStreamer and mpv, against each other and against WebRTC."""

import contextlib
import json
import shutil
import socket
import subprocess
import time

from harness import processes
from harness.browser import wait_until_playing, watch_page
from harness.runner import Skip, check, test, until
from harness.server import free_port

VIDEO = ["-f", "lavfi", "-i", "testsrc2=s=640x360:r=25"]
AUDIO = ["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000"]
H264 = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-bsf:v", "dump_extra"]
OPUS = ["-c:a", "libopus", "-b:a", "64k"]
READ_DEADLINE = 90


def require(program):
    if shutil.which(program) is None:
        raise Skip(f"{program} is not installed")


@contextlib.contextmanager
def publishing(server, room, command):
    """Runs a publisher that has to last as long as it is looked at."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        server.wait_for_room(room)
        yield
        check(process.poll() is None, "the publisher ended by itself")
    finally:
        process.terminate()
        process.communicate()


@contextlib.contextmanager
def ffmpeg_publisher(server, room, transport, codecs=(*H264, *OPUS)):
    require("ffmpeg")
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", *VIDEO, *AUDIO, *codecs,
               "-f", "rtsp", "-rtsp_transport", transport, server.rtsp(room)]
    with publishing(server, room, command):
        yield


@contextlib.contextmanager
def gstreamer_publisher(server, room, transport):
    require("gst-launch-1.0")
    command = (
        "gst-launch-1.0 -q videotestsrc is-live=true ! video/x-raw,width=640,height=360,framerate=25/1 ! videoconvert "
        "! x264enc tune=zerolatency speed-preset=ultrafast key-int-max=25 ! h264parse config-interval=-1 ! sink. "
        "audiotestsrc is-live=true ! audioconvert ! audioresample ! opusenc ! sink. "
        f"rtspclientsink name=sink protocols={transport} location={server.rtsp(room)}")
    with publishing(server, room, command.split()):
        yield


@contextlib.contextmanager
def aiortc_publisher(server, room, codec):
    with processes.aiortc_client("publish", server.whip(room), codec=codec):
        server.wait_for_room(room)
        yield


def run(command, deadline=READ_DEADLINE):
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline)
    check(result.returncode == 0, f"{command[0]} ended with {result.returncode}: {result.stderr[-400:]}")
    return result


def run_gstreamer(command, deadline=READ_DEADLINE):
    """Runs a pipeline to its end. GStreamer 1.22 interrupts its own last PAUSE over TLS now and then and calls that an
    end of file, although the TEARDOWN behind it is answered; it pauses only once all sinks have had their share."""
    require("gst-launch-1.0")
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline)
    check(result.returncode == 0 or "gst_rtspsrc_pause" in result.stderr,
          f"{command[0]} ended with {result.returncode}: {result.stderr[-400:]}")


def ffprobe(server, room, transport):
    """Packets of each kind that three seconds bring."""
    result = run(["ffprobe", "-v", "error", "-rtsp_transport", transport, "-read_intervals", "%+3", "-show_entries",
                  "packet=codec_type:stream=codec_name,codec_type", "-of", "json", server.rtsp(room)])
    found = json.loads(result.stdout)
    kinds = [packet["codec_type"] for packet in found["packets"]]
    counts = {kind: kinds.count(kind) for kind in ("video", "audio")}
    check(counts["video"] >= 40 and counts["audio"] >= 80, f"ffprobe got {counts}")
    return counts


def ffmpeg_reader(server, room, transport):
    """Decodes three seconds; an error of the decoder ends it."""
    run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-rtsp_transport", transport, "-i",
         server.rtsp(room), "-t", "3", "-f", "null", "-"])
    return {}


def gstreamer_reader(server, room, transport):
    require("gst-launch-1.0")
    run(["gst-launch-1.0", "-q", "rtspsrc", f"location={server.rtsp(room)}", f"protocols={transport}", "name=s",
         "s.", "!", "application/x-rtp,media=video", "!", "decodebin", "!", "fakesink", "num-buffers=50", "sync=false",
         "s.", "!", "application/x-rtp,media=audio", "!", "decodebin", "!", "fakesink", "num-buffers=50", "sync=false"])
    return {}


def mpv(server, room, transport):
    require("mpv")
    result = run(["mpv", "--no-config", "--vo=null", "--ao=null", "--length=3", f"--rtsp-transport={transport}",
                  server.rtsp(room)])
    check("640x360" in result.stdout, f"mpv showed no picture: {result.stdout[-300:]}")
    return {}


READERS = [("ffprobe", ffprobe), ("FFmpeg", ffmpeg_reader), ("GStreamer", gstreamer_reader), ("mpv", mpv)]


def read_by_all(env, server, room, who):
    for transport in ("tcp", "udp"):
        for name, read in READERS:
            with env.case(f"{who} read by {name} over {transport}"):
                read(server, room, transport)


@test("rtsp published and read")
def published_and_read(env):
    with env.server() as server:
        for transport in ("tcp", "udp"):
            room = f"rtsp-{transport}"
            with ffmpeg_publisher(server, room, transport):
                read_by_all(env, server, room, f"FFmpeg {transport}")
        with gstreamer_publisher(server, "rtsp-gst", "tcp"):
            with env.case("GStreamer tcp read by FFmpeg over tcp"):
                ffmpeg_reader(server, "rtsp-gst", "tcp")


@test("rtsp published and seen over webrtc")
def published_and_seen(env):
    with env.server() as server:
        for transport in ("tcp", "udp"):
            room = f"seen-{transport}"
            with ffmpeg_publisher(server, room, transport):
                with env.case(f"FFmpeg {transport} seen by aiortc"):
                    with processes.aiortc_client("watch", server.whep(room)) as client:
                        client.wait_for("playing", 30)
                with env.case(f"FFmpeg {transport} seen by Chromium"):
                    with watch_page(env, server, room) as page:
                        wait_until_playing(page)


@test("webrtc published and read over rtsp")
def whip_read(env):
    with env.server() as server:
        for codec in ("H264", "VP8"):
            room = f"whip-{codec.lower()}"
            with aiortc_publisher(server, room, codec):
                read_by_all(env, server, room, f"aiortc {codec}")


def ask(connection, text):
    connection.sendall(text.encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        more = connection.recv(4096)
        check(more, "the server closed the connection")
        answer += more
    return answer.decode(errors="replace")


@test("rtsp spoofed datagrams and strangers are not heard")
def spoofed(env):
    """RTSP-31, RTSP-34: packets count only from the address that was set up, and go nowhere else."""
    description = ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=audio 0 RTP/AVP 0\r\n"
                   "a=control:streamid=0\r\n")
    with env.server() as server:
        url = server.rtsp("spoof")
        with socket.create_connection(("127.0.0.1", server.rtsp_port)) as control, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as stranger:
            own.bind(("127.0.0.1", 0))
            stranger.bind(("127.0.0.1", 0))
            port = own.getsockname()[1]
            ask(control, f"ANNOUNCE {url} RTSP/1.0\r\nCSeq: 1\r\nContent-Type: application/sdp\r\n"
                         f"Content-Length: {len(description)}\r\n\r\n{description}")
            refused = ask(control, f"SETUP {url}/streamid=0 RTSP/1.0\r\nCSeq: 2\r\nTransport: RTP/AVP;unicast;"
                                   f"destination=192.0.2.9;client_port={port}-{port + 1};mode=record\r\n\r\n")
            check(refused.startswith("RTSP/1.0 461"), refused)
            answer = ask(control, f"SETUP {url}/streamid=0 RTSP/1.0\r\nCSeq: 3\r\nTransport: RTP/AVP;unicast;"
                                  f"client_port={port}-{port + 1};mode=record\r\n\r\n")
            check(answer.startswith("RTSP/1.0 200"), answer)
            target = ("127.0.0.1", int(answer.split("server_port=")[1].split("-")[0]))
            answer = ask(control, f"RECORD {url} RTSP/1.0\r\nCSeq: 4\r\n\r\n")
            check(answer.startswith("RTSP/1.0 200"), answer)

            def heard():
                body = "packets_received\r\n"
                text = ask(control, f"GET_PARAMETER {url} RTSP/1.0\r\nCSeq: 5\r\nContent-Length: {len(body)}\r\n\r\n"
                                    f"{body}")
                return int(text.split("packets_received: ")[1].split()[0])

            for number in range(50):
                packet = bytes([0x80, 0, 0, number]) + number.to_bytes(4, "big") + b"\0\0\0\1" + bytes(160)
                stranger.sendto(packet, target)
                if number < 10:
                    own.sendto(packet, target)
                time.sleep(0.005)
            until(lambda: heard() == 10, 5, "exactly the packets of the address that was set up are heard")


PASSED_THROUGH = [
    # name, encoder of video, encoder of audio, what ffprobe calls them
    ("H265 and AAC", ["-c:v", "libx265", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "25", "-x265-params",
                      "log-level=error"], ["-c:a", "aac", "-b:a", "96k"], {"hevc", "aac"}),
    ("VP8 and G711", ["-c:v", "libvpx", "-deadline", "realtime", "-cpu-used", "8", "-g", "25"],
     ["-c:a", "pcm_mulaw", "-ar", "8000"], {"vp8", "pcm_mulaw"}),
    ("VP9 and MP3", ["-c:v", "libvpx-vp9", "-deadline", "realtime", "-cpu-used", "8", "-g", "25", "-strict",
                     "experimental"], ["-c:a", "libmp3lame"], {"vp9", "mp3"}),
    ("MJPEG and L16", ["-c:v", "mjpeg", "-q:v", "8", "-pix_fmt", "yuvj420p", "-huffman", "default"],
     ["-c:a", "pcm_s16be", "-ar", "44100", "-ac", "2"], {"mjpeg", "pcm_s16be"}),
    ("MPEG-4 and G722", ["-c:v", "mpeg4", "-g", "25"], ["-c:a", "g722", "-ar", "16000"], {"mpeg4", "adpcm_g722"}),
]


@test("rtsp codecs pass through")
def pass_through(env):
    with env.server() as server:
        for name, video, audio, expected in PASSED_THROUGH:
            room = "pass-" + "".join(character for character in name.lower() if character.isalnum())
            with env.case(name):
                with ffmpeg_publisher(server, room, "tcp", (*video, *audio)):
                    for transport in ("tcp", "udp"):
                        result = run(["ffprobe", "-v", "error", "-rtsp_transport", transport, "-show_entries",
                                      "stream=codec_name", "-of", "json", server.rtsp(room)])
                        found = {stream["codec_name"] for stream in json.loads(result.stdout)["streams"]}
                        check(found == expected, f"ffprobe saw {found} over {transport}")
                        ffmpeg_reader(server, room, transport)


@test("rtsp pulled from another server, always and on demand")
def pulled(env):
    with env.server() as origin:
        sources = {
            "always": {"source": origin.rtsp("origin")},
            "demand": {"source": origin.rtsp("origin"), "sourceOnDemand": True, "sourceOnDemandCloseAfter": "1s"},
            "nowhere": {"source": origin.rtsp("absent"), "sourceOnDemand": True, "sourceOnDemandStartTimeout": "2s"},
        }
        with ffmpeg_publisher(origin, "origin", "tcp"), env.server(paths=sources) as server:
            with env.case("always on"):
                server.wait_for_room("always")
                ffprobe(server, "always", "tcp")
            with env.case("on demand, one connection for all readers, closed after the last"):
                check(server.room("demand") is None, "the source on demand plays without a viewer")
                before = origin.room("origin")["viewer_count"]
                readers = [subprocess.Popen(
                    ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", server.rtsp("demand"), "-t", "4", "-f",
                     "null", "-"], stdin=subprocess.DEVNULL) for _ in range(3)]
                until(lambda: (server.room("demand") or {}).get("viewer_count") == 3, 15, "three readers are in the room")
                check(origin.room("origin")["viewer_count"] == before + 1, "each reader has a connection of its own upstream")
                for reader in readers:
                    check(reader.wait(READ_DEADLINE) == 0, "a reader failed")
                until(lambda: server.room("demand") is None, 15, "the source on demand ends")
            with env.case("on demand, seen by aiortc"):
                with processes.aiortc_client("watch", server.whep("demand")) as client:
                    client.wait_for("playing", 30)
            with env.case("a source that does not play is told"):
                result = subprocess.run(["ffprobe", "-v", "error", "-rtsp_transport", "tcp", server.rtsp("nowhere")],
                                        capture_output=True, text=True, timeout=READ_DEADLINE)
                check("404" in result.stderr, f"ffprobe was told {result.stderr[-200:]}")


@test("rtsp source that dies comes back and readers stay")
def source_comes_back(env):
    with env.server() as origin:
        with env.server(paths={"cam": {"source": origin.rtsp("origin")}}) as server:
            with ffmpeg_publisher(origin, "origin", "tcp"):
                server.wait_for_room("cam")
                command = ["ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", server.rtsp("cam"), "-f", "null", "-"]
                reader = subprocess.Popen(command, stdin=subprocess.DEVNULL)
                until(lambda: server.room("cam")["viewer_count"] == 1, 15, "the reader is in the room")
            for _ in range(3):
                with ffmpeg_publisher(origin, "origin", "tcp"):
                    until(lambda: origin.room("origin")["viewer_count"] == 1, 45, "the source pulls again")
                    server.wait_for_room("cam")
            check(reader.poll() is None, "the reader left")
            reader.terminate()
            reader.wait()


@test("rtsp over tls")
def over_tls(env):
    require("openssl")
    key, certificate = env.directory / "rtsp-key.pem", env.directory / "rtsp-cert.pem"
    run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
         str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=127.0.0.1"])
    port = free_port()
    settings = {"rtspEncryption": "optional", "rtspsAddress": f"127.0.0.1:{port}", "rtspServerKey": str(key),
                "rtspServerCert": str(certificate)}
    with env.server(settings=settings) as server:
        with ffmpeg_publisher(server, "tls", "tcp"):
            url = f"rtsps://127.0.0.1:{port}/tls"
            with env.case("read by FFmpeg"):
                run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-rtsp_transport", "tcp", "-i", url,
                     "-t", "3", "-f", "null", "-"])
            with env.case("read by GStreamer"):
                run_gstreamer(
                    ["gst-launch-1.0", "-q", "rtspsrc", f"location={url}", "protocols=tcp", "tls-validation-flags=0",
                     "name=s", "s.", "!", "application/x-rtp,media=video", "!", "decodebin", "!", "fakesink",
                     "num-buffers=50", "sync=false"])
            with env.case("published by FFmpeg, read in the clear"):
                command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", *VIDEO, *AUDIO, *H264, *OPUS, "-f",
                           "rtsp", "-rtsp_transport", "tcp", f"rtsps://127.0.0.1:{port}/tls2"]
                publisher = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                try:
                    server.wait_for_room("tls2")
                    ffmpeg_reader(server, "tls2", "tcp")
                finally:
                    publisher.terminate()
                    publisher.wait()
    with env.case("alone"), env.server(settings=settings | {"rtspEncryption": "strict"}) as server:
        with socket.socket() as plain:
            check(plain.connect_ex(("127.0.0.1", server.rtsp_port)) != 0, "the plain port is open")
        with socket.create_connection(("127.0.0.1", port), 10) as secure:
            secure.sendall(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
            secure.settimeout(10)
            check(not secure.recv(1000).startswith(b"RTSP"), "the port for TLS answers in the clear")
        command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", *VIDEO, *H264, "-f", "rtsp", "-rtsp_transport",
                   "tcp", f"rtsps://127.0.0.1:{port}/tls"]
        publisher = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            server.wait_for_room("tls")
            run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-rtsp_transport", "tcp", "-i",
                 f"rtsps://127.0.0.1:{port}/tls", "-t", "1", "-f", "null", "-"])
        finally:
            publisher.terminate()
            publisher.wait()
