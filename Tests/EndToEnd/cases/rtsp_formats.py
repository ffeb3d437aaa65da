"""Every format passes over RTSP bit for bit; what is too large or odd is made fit for those who cannot take it."""

import base64
import contextlib

from cases.rtsp import run
from harness import processes
from harness.browser import wait_until_playing, watch_page
from harness.rtsp_peer import Publisher, Reader, rtp
from harness.runner import REPOSITORY, check, test, until

VECTORS = REPOSITORY / "Tests" / "Vectors" / "RTP"
RECORDED = ["h264", "h265", "vp8", "vp9", "av1", "mjpeg", "mpeg4", "mpeg2", "aac", "latm", "opus", "mp3", "g722", "l16"]
VIDEO = {"H264", "H265", "VP8", "VP9", "AV1", "JPEG", "MP4V-ES", "MPV"}
LARGEST_PACKET = 1_450


class Recorded:
    """A file of Tests/Vectors/RTP."""

    def __init__(self, name):
        self.packets, parameters = [], {}
        for line in (VECTORS / f"{name}.txt").read_text().splitlines():
            kind, *words = line.split()
            if kind == "parameter":
                parameters[words[0]] = words[1]
            elif kind == "packet":
                self.packets.append(bytes.fromhex(words[0]))
        self.encoding, self.clock = parameters.pop("encoding"), int(parameters.pop("clock"))
        kind = "video" if self.encoding in VIDEO else "audio"
        channels = {"opus": "/2", "OPUS": "/2"}.get(self.encoding, "")
        self.medium = [f"m={kind} 0 RTP/AVP 96", f"a=rtpmap:96 {self.encoding}/{self.clock}{channels}"]
        if parameters:
            self.medium.append("a=fmtp:96 " + "; ".join(f"{name}={value}" for name, value in parameters.items()))

    def rounds(self):
        """The packets over and over, numbers and times going on."""
        number, base = 0, 0
        first = int.from_bytes(self.packets[0][4:8], "big")
        while True:
            group = []
            for packet in self.packets:
                time = (int.from_bytes(packet[4:8], "big") - first) & 0xFFFFFFFF
                group.append(rtp(96, number, base + time, packet[12:], packet[1] & 0x80 != 0))
                number += 1
            base += time + self.clock // 10
            yield group


def synthetic(encoding, clock, sizes, kind="audio", channels=1):
    """A format of which nothing is recorded: payloads of any bytes."""
    recorded = Recorded.__new__(Recorded)
    recorded.encoding, recorded.clock = encoding, clock
    recorded.medium = [f"m={kind} 0 RTP/AVP 96", f"a=rtpmap:96 {encoding}/{clock}" + (f"/{channels}" if channels > 1 else "")]
    recorded.packets = [
        rtp(96, number, number * 160, bytes((number * 7 + place) & 0xFF for place in range(size)), True)
        for number, size in enumerate(sizes)]
    return recorded


FORMATS = [(name, lambda name=name: Recorded(name)) for name in RECORDED] + [
    ("PCMU", lambda: synthetic("PCMU", 8000, [160] * 20)),
    ("PCMA", lambda: synthetic("PCMA", 8000, [160] * 20)),
    ("G.722 of two channels", lambda: synthetic("G722", 8000, [320] * 20, channels=2)),
    ("G.711 of two channels", lambda: synthetic("PCMU", 8000, [320] * 20, channels=2)),
    ("AC-3", lambda: synthetic("ac3", 48000, [2 + 768] * 10)),
    ("an unknown format", lambda: synthetic("X-MARTLET", 90000, [1, 900, 33, 1200], "video")),
]


@test("rtsp formats pass bit for bit")
def formats(env):
    """What a reader gets are the payloads, markers and steps of time that were published."""
    with env.server() as server:
        for name, make in FORMATS:
            for transport in ("tcp", "udp"):
                with env.case(f"{name} over {transport}"):
                    recorded = make()
                    room = "".join(letter for letter in f"{name}{transport}".lower() if letter.isalnum())
                    publisher = Publisher(server, room, recorded.medium)
                    reader = Reader(server, room, transport)
                    mapping = recorded.medium[1].split(" ", 1)[1].lower()
                    check(f" {mapping}\r\n" in reader.description.lower(), reader.description)
                    rounds = recorded.rounds()
                    sent = []
                    for _ in range(3):
                        for packet in next(rounds):
                            publisher.send(packet)
                            sent.append(packet)
                    got = reader.read(0.4)
                    # Before its first keyframe a reader gets nothing, and then the parameter sets of the description.
                    tail = sent[len(recorded.packets):]
                    got = got[-len(tail):]
                    check(len(got) == len(tail), f"{len(got)} of {len(tail)} packets came")
                    contents = [[content(recorded.encoding, packet) for packet in packets] for packets in (got, tail)]
                    check(contents[0] == contents[1], "other payloads came than went")
                    for place in range(1, len(tail)):
                        step = [int.from_bytes(packets[place][4:8], "big") - int.from_bytes(packets[place - 1][4:8], "big")
                                for packets in (got, tail)]
                        check((step[0] - step[1]) & 0xFFFFFFFF == 0, f"time went on by {step[0]} instead of {step[1]}")
                        numbers = [int.from_bytes(packet[2:4], "big") for packet in got[place - 1:place + 1]]
                        check((numbers[1] - numbers[0]) & 0xFFFF == 1, f"numbers {numbers}")
                    reader.close()
                    publisher.close()


def content(encoding, packet):
    """Marker and payload; of VP8 without the number of the picture, which goes on over changes of publisher."""
    payload = packet[12:]
    if encoding == "VP8" and payload[0] & 0x80 and payload[1] & 0x80:
        payload = payload[:2] + payload[4 if payload[2] & 0x80 else 3:]
    return packet[1] & 0x80, payload


class Camera:
    """H264 of x264 in the shapes in which cameras send it."""

    def __init__(self, env, bitrate="2M"):
        file = env.directory / "camera.h264"
        run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=1280x720:r=25:d=4", "-c:v", "libx264", "-preset",
             "ultrafast", "-tune", "zerolatency", "-g", "25", "-x264-params", "slices=1:sliced-threads=0", "-profile:v",
             "baseline", "-b:v", bitrate, "-y", str(file)])
        units = [unit for unit in file.read_bytes().replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1") if unit]
        self.sets = [next(unit for unit in units if unit[0] & 31 == kind) for kind in (7, 8)]
        self.frames = [unit for unit in units if unit[0] & 31 in (1, 5)]
        check(len(self.frames) == 100, f"{len(self.frames)} frames")

    def medium(self, told):
        parameters = "packetization-mode=1"
        if told:
            parameters += ";sprop-parameter-sets=" + ",".join(base64.b64encode(unit).decode() for unit in self.sets)
        return ["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", f"a=fmtp:96 {parameters}"]

    def groups(self, shape):
        """The packets of each picture, without an end."""
        number, picture = 0, 0
        while True:
            frame = self.frames[picture % len(self.frames)]
            units = [frame] if frame[0] & 31 == 1 or shape == "description" else [*self.sets, frame]
            if shape == "bytestream":
                units = [b"\0\0\0\1".join(units)]
            group = []
            for unit in units:
                size = 60_000 if shape == "oversized" else 1_200
                pieces = [unit] if len(unit) < size else fragments(unit, size)
                for place, piece in enumerate(pieces):
                    last = unit is units[-1] and place == len(pieces) - 1
                    marker = shape != "markerless" and (last or shape == "markers")
                    if shape == "markers" and unit is units[-1]:
                        marker = last
                    group.append(rtp(96, number, picture * 3600, piece, marker))
                    number += 1
            picture += 1
            yield group


def fragments(unit, size):
    body = unit[1:]
    starts = range(0, len(body), size)
    return [bytes([unit[0] & 0xE0 | 28, (0x80 if start == 0 else 0) | (0x40 if start == starts[-1] else 0) | unit[0] & 31])
            + body[start:start + size] for start in starts]


@contextlib.contextmanager
def camera_publishes(server, room, camera, shape):
    publisher = Publisher(server, room, camera.medium(shape == "description"))
    with publisher.sending(camera.groups(shape), 0.04):
        server.wait_for_room(room)
        yield
    publisher.close()


@test("rtsp packets that are too large reach udp readers and browsers")
def oversized(env):
    """RTSP-30: FFmpeg and others send NAL units of any size in one packet over TCP."""
    camera = Camera(env, "8M")
    check(max(map(len, camera.frames)) > 30_000, f"the largest frame is {max(map(len, camera.frames))} bytes")
    with env.server() as server, camera_publishes(server, "large", camera, "oversized"):
        with env.case("no datagram is too large"):
            reader = Reader(server, "large", "udp")
            sizes = []
            until(lambda: sizes.append(len(reader.datagrams.recv(65536))) or len(sizes) > 500, 20, "500 packets come",
                  interval=0)
            check(max(sizes) <= LARGEST_PACKET, f"a packet of {max(sizes)} bytes")
            reader.close()
        for transport in ("tcp", "udp"):
            with env.case(f"FFmpeg over {transport}"):
                run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-rtsp_transport", transport,
                     "-buffer_size", "4000000", "-i", server.rtsp("large"), "-t", "3", "-f", "null", "-"])
        with env.case("Chromium"), watch_page(env, server, "large") as page:
            wait_until_playing(page, sound=False)
        with env.case("they are counted"):
            values, _ = server.metrics()
            found = {name: value for name, value in values.items() if "oversized" in name}
            check(sum(found.values()) > 0, f"{found}")


SHAPES = [
    ("parameter sets in the description only", "description"), ("no markers", "markerless"),
    ("a marker on each parameter set", "markers"), ("byte stream format in a unit", "bytestream"),
]


@test("rtsp cameras' habits do not keep browsers from playing")
def cameras(env):
    """PAY-5, PAY-7, PAY-8."""
    camera = Camera(env)
    with env.server() as server:
        for name, shape in SHAPES:
            with env.case(f"{name}, in Chromium"):
                with camera_publishes(server, shape, camera, shape), watch_page(env, server, shape) as page:
                    wait_until_playing(page, sound=False)
            with env.case(f"{name}, in aiortc"):
                with camera_publishes(server, f"{shape}-a", camera, shape):
                    with processes.aiortc_client("watch", server.whep(f"{shape}-a"), audio=0) as client:
                        client.wait_for("playing", 30)
