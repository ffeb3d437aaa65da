"""Publishes flash and beep over RTSP in packets that are built here: sound as FFmpeg and GStreamer encode it, but do not
send it, or do not send it as badly as others do."""

import random
import select
import struct
import subprocess
import threading
import time

import av

from harness import sync
from harness.rtsp_peer import Connection
from harness.runner import check

SENDER_REPORT = 200
# From 1900 to 1970.
EPOCH = 2_208_988_800
VIDEO_OPTIONS = ["-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-g", "30", "-bsf:v", "dump_extra"]


class Sound:
    """What is published beside the picture. One frame in each packet."""

    def __init__(self, options, name, rate=48_000, channels=2, parameters=""):
        """`options`: FFmpeg's for the sound; `name`: the encoding name of RTP; `parameters`: what stands in fmtp."""
        self.options, self.name, self.rate = options, name, rate
        self.lines = ["m=audio 0 RTP/AVP 97", f"a=rtpmap:97 {name}/{rate}" + (f"/{channels}" if channels > 1 else "")]
        if parameters:
            self.lines.append(f"a=fmtp:97 {parameters}")

    def payload(self, frame, time):
        """Of the frame at `time`, in seconds; None leaves it out, and a list is sent in as many packets."""
        return frame


class GenericAAC(Sound):
    """RFC 3640, mode AAC-hbr. `damaged` is given each frame with its time and gives what is sent in its place."""

    def __init__(self, damaged=lambda frame, time: frame):
        super().__init__(["-c:a", "aac", "-b:a", "128k"], "MPEG4-GENERIC", parameters=(
            "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3;config=1190"))
        self._damaged = damaged

    def payload(self, frame, time):
        frame = self._damaged(frame, time)
        return struct.pack(">HH", 16, len(frame) << 3) + frame


class ADTS(Sound):
    """AAC LC at 48 kHz with two channels, whose frames have ADTS headers, as some cameras send them. `parameters`: what
    stands in fmtp; `is_bare`: the frames lie in the packets without the units of RFC 3640; `cut`: bytes of a packet, those
    that are longer go over several."""

    LAYOUT = "streamtype=5;profile-level-id=1;mode=AAC-hbr;sizelength=13;indexlength=3;indexdeltalength=3"

    def __init__(self, parameters=LAYOUT, is_bare=False, cut=None):
        super().__init__(["-c:a", "aac", "-b:a", "128k"], "MPEG4-GENERIC", parameters=parameters)
        self._is_bare, self._cut = is_bare, cut

    def payload(self, frame, time):
        size = len(frame) + 7
        # MPEG-4, no checksum; AAC LC, 48 kHz, two channels; the size; a buffer of any fullness; one block.
        frame = bytes([0xFF, 0xF1, 0x4C, 0x80 | size >> 11, size >> 3 & 0xFF, (size & 7) << 5 | 0x1F, 0xFC]) + frame
        unit = b"" if self._is_bare else struct.pack(">HH", 16, size << 3)
        step = self._cut or size
        return [unit + frame[place:place + step] for place in range(0, size, step)]


class EnhancedAC3(Sound):
    """RFC 4598: a whole frame in each packet."""

    def __init__(self):
        super().__init__(["-c:a", "eac3", "-b:a", "192k"], "EAC3")

    def payload(self, frame, time):
        return b"\0\1" + frame


class InBandLATM(Sound):
    """AAC in LATM that says its configuration in the stream alone (RFC 6416, cpresent=1): in every tenth element."""

    INTERVAL = 10

    def __init__(self, channels=2):
        super().__init__(["-c:a", "aac", "-b:a", "128k", "-ac", str(channels)], "MP4A-LATM", parameters="profile-level-id=41")
        self.channels = channels
        self._count = 0

    def payload(self, frame, time):
        self._count += 1
        text = "1"
        if self._count % self.INTERVAL == 0:
            # StreamMuxConfig: one program, one layer, one frame; AAC LC at 48 kHz; frames of variable length.
            text = "0" + "01" + "0" * 13 + "00010" + "0011" + format(self.channels, "04b") + "000" + "000" + "1" * 8 + "00"
        sizes = bytes([255]) * (len(frame) // 255) + bytes([len(frame) % 255])
        text += bin(int.from_bytes(b"\1" + sizes + frame, "big"))[3:]
        text += "0" * (-len(text) % 8)
        return int(text, 2).to_bytes(len(text) // 8, "big")


class _Medium:
    def __init__(self, number, stream_rate, payload_type):
        self.channel, self.rate, self.payload_type = 2 * number, stream_rate, payload_type
        self.ssrc, self.number, self.base = (random.getrandbits(32) for _ in range(3))
        self.packets = self.octets = 0
        self.reported = None

    def packet(self, payload, time, marker):
        self.number += 1
        self.packets += 1
        self.octets += len(payload)
        return struct.pack(
            ">BBHII", 0x80, self.payload_type | (0x80 if marker else 0), self.number & 0xFFFF,
            self.timestamp(time), self.ssrc) + payload

    def timestamp(self, time):
        return (self.base + round(time * self.rate)) & 0xFFFFFFFF

    def report(self, time, wall_clock):
        ntp = int((wall_clock + EPOCH) * (1 << 32))
        return struct.pack(
            ">BBHIQIII", 0x80, SENDER_REPORT, 6, self.ssrc, ntp, self.timestamp(time), self.packets & 0xFFFFFFFF,
            self.octets & 0xFFFFFFFF)


def _nal_units(data):
    """Of Annex B."""
    for part in data.split(b"\0\0\1"):
        unit = part.rstrip(b"\0")
        if unit:
            yield unit


class BuiltPublisher(Connection):
    """Use as a context manager. `sounds`: one, or several to go over from one to the next every `turn` seconds, of one
    format in the description. `sent` has (time in the stream, when it was sent) of every packet of sound."""

    def __init__(self, env, server, path, *sounds, seconds=40, turn=6):
        self.sounds, self.turn = sounds, turn
        self.sent = []
        self._end = threading.Event()
        self._file = env.directory / f"{path.replace('/', '-')}.nut"
        outputs = [option for sound in sounds for option in ("-map", "1:a")]
        codecs = [option for number, sound in enumerate(sounds) for option in _numbered(sound.options, number)]
        subprocess.run(
            ["ffmpeg", "-v", "error", "-y", *sync.FLASH, *sync.BEEP, "-map", "0:v", *outputs, *VIDEO_OPTIONS, *codecs, "-t",
             str(seconds), str(self._file)], check=True, stdin=subprocess.DEVNULL)
        super().__init__(server, path)
        media = [["m=video 0 RTP/AVP 96", "a=rtpmap:96 H264/90000", "a=fmtp:96 packetization-mode=1"], sounds[0].lines]
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "t=0 0"]
        for number, medium in enumerate(media):
            lines += [*medium, f"a=control:streamid={number}"]
        body = "".join(f"{line}\r\n" for line in lines).encode()
        self.ask("ANNOUNCE", headers=["Content-Type: application/sdp"], body=body)
        for number in range(len(media)):
            self.ask("SETUP", f"{self.url}/streamid={number}", [
                f"Transport: RTP/AVP/TCP;unicast;interleaved={2 * number}-{2 * number + 1};mode=record"])
        self.ask("RECORD", headers=["Range: npt=0-"])
        self._video, self._audio = _Medium(0, 90_000, 96), _Medium(1, sounds[0].rate, 97)
        self._thread = threading.Thread(target=self._run)
        self._is_over = False

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, kind, *_):
        is_over = self._is_over
        self._end.set()
        self._thread.join()
        self.close()
        if kind is None:
            check(not is_over, "the publisher ended by itself")

    def _packets(self):
        """(due, is sound, time, bytes) in the order in which an encoder in real time would have them."""
        found = []
        with av.open(str(self._file)) as container:
            for packet in container.demux():
                if not packet.size:
                    continue
                begin = float(packet.pts * packet.time_base)
                number = packet.stream.index - 1
                if number < 0:
                    found.append((begin, False, begin, bytes(packet)))
                elif int(max(0, begin) / self.turn) % len(self.sounds) == number:
                    end = begin + float(packet.duration * packet.time_base)
                    found.append((end, True, begin, self.sounds[number].payload(bytes(packet), begin)))
        return sorted(found, key=lambda entry: entry[0])

    def _run(self):
        packets = self._packets()
        start, wall_clock = time.monotonic() + 0.2, time.time() + 0.2
        for due, is_sound, begin, data in packets:
            if self._end.wait(max(0, start + due - time.monotonic())):
                return
            self._read()
            medium = self._audio if is_sound else self._video
            if medium.reported is None or due - medium.reported >= 1:
                medium.reported = due
                self._send(medium.channel + 1, medium.report(begin, wall_clock + begin))
            if is_sound:
                parts = data if isinstance(data, list) else [data] if data is not None else []
                for number, part in enumerate(parts):
                    self._send(medium.channel, medium.packet(part, begin, number == len(parts) - 1))
                if parts:
                    self.sent.append((begin, time.monotonic()))
                continue
            units = list(_nal_units(data))
            for number, unit in enumerate(units):
                self._send(medium.channel, medium.packet(unit, begin, number == len(units) - 1))
        self._is_over = True

    def _send(self, channel, packet):
        self.socket.sendall(struct.pack(">BBH", 0x24, channel, len(packet)) + packet)

    def _read(self):
        """Reports of the server are read and passed over."""
        while select.select([self.socket], [], [], 0)[0] and self.socket.recv(65536):
            pass


def _numbered(options, number):
    """The options for one of several outputs of sound."""
    return [f"{option}:{number}" if option in ("-ac", "-ar") else option.replace(":a", f":a:{number}")
            for option in options]
