"""A scripted OBS Studio: its offer, its packets and its habits.

It ignores PLI, answers NACK on the same SSRC, and reports on one simulcast layer only.
"""

import collections
import random
import struct
import time

from harness import media
from harness.raw_peer import RawPeer, rtcp_packets
from harness.sdp import obs_offer

AUDIO_TYPE, VIDEO_TYPE = 111, 96
HISTORY = 4000
NTP_OFFSET = 2208988800


class _Stream:
    def __init__(self, ssrc, clock_rate):
        self.ssrc = ssrc
        self.clock_rate = clock_rate
        self.sequence = random.randrange(1 << 15)
        self.first_timestamp = random.randrange(1 << 31)
        self.packets = self.bytes = 0
        self.timestamp = self.first_timestamp
        self.sent = collections.OrderedDict()


class OBSPublisher(RawPeer):
    """Publishes a looped group of pictures of `gop_seconds` in H.264 High behind an offer that says 42e01f.

    `layers` turns it into OBS's simulcast form. `loss` drops that share of video packets once, before they are sent;
    only a NACK brings them, and not even that for `unrepaired_layers`. Two things no OBS does: `answers_pli` begins the
    group anew at once, and `bitrate` fills the video up to so many bits per second.
    """

    def __init__(self, url, token=None, gop_seconds=10, layers=None, loss=0.0, unrepaired_layers=(), answers_pli=False,
                 bitrate=None, size=(640, 360), **arguments):
        base = random.randrange(1 << 20, 1 << 31)
        self.audio = _Stream(base, 48000)
        names = layers or [None]
        self.videos = [_Stream(base + 1 + index, 90000) for index in range(len(names))]
        super().__init__(
            url, lambda identity: obs_offer(identity, self.audio.ssrc, self.videos[0].ssrc, layers), token, **arguments)
        self.layers = names
        sizes = [size] if layers is None else [(160, 90), (320, 180), (640, 360)][: len(names)]
        self.pictures = [
            media.h264(width, height, gop_seconds, "high", width * height * 3) for width, height in sizes]
        if bitrate is not None:
            self.pictures = [media.filled(pictures, bitrate) for pictures in self.pictures]
        self.answers_pli = answers_pli
        self._group_begin = 0
        self._wants_keyframe = False
        self.sound = media.opus()
        self.loss = loss
        self.unrepaired_layers = unrepaired_layers
        self.keyframe_requests = []
        self.nacks = 0
        self.asked = collections.Counter()
        self.retransmitted = 0
        self.dropped = 0
        self._dice = random.Random(1)

    def start(self):
        super().start()
        return self

    def _run(self):
        begin = time.monotonic()
        frame = tone = 0
        next_report = begin
        while not self._stopping.is_set():
            now = time.monotonic()
            while begin + frame / media.FRAME_RATE <= now:
                if self._wants_keyframe:
                    self._wants_keyframe = False
                    self._group_begin = frame
                for index in range(len(self.videos)):
                    self._send_picture(index, frame)
                frame += 1
            while begin + tone / 50 <= now:
                self._send(self.audio, AUDIO_TYPE, tone * 960, self.sound[tone % len(self.sound)], True, b"")
                tone += 1
            if now >= next_report:
                next_report = now + 1
                # OBS's reports cover one layer only; the server has to do without the others.
                for stream in (self.audio, self.videos[0]):
                    self._send_report(stream)
            due = min(begin + frame / media.FRAME_RATE, begin + tone / 50)
            self.pump(max(0.0, due - time.monotonic()))

    def _send_picture(self, index, frame):
        pictures, stream = self.pictures[index], self.videos[index]
        extension = b""
        if self.layers[index] is not None:
            extension = media.extension_element(1, b"1") + media.extension_element(2, self.layers[index].encode())
        payloads = list(media.h264_payloads(pictures[(frame - self._group_begin) % len(pictures)]))
        for number, payload in enumerate(payloads):
            self._send(
                stream, VIDEO_TYPE, frame * 90000 // media.FRAME_RATE, payload, number == len(payloads) - 1, extension)

    def _send(self, stream, payload_type, ticks, payload, marker, extension):
        stream.timestamp = stream.first_timestamp + ticks
        packet = media.rtp(payload_type, stream.sequence, stream.timestamp, stream.ssrc, payload, marker, extension)
        protected = self.protect(packet)
        stream.sent[stream.sequence & 0xFFFF] = protected
        if len(stream.sent) > HISTORY:
            stream.sent.popitem(last=False)
        stream.sequence += 1
        stream.packets += 1
        stream.bytes += len(payload)
        if stream in self.videos and self.loss and self._dice.random() < self.loss:
            self.dropped += 1
            return
        self.send(protected)

    def _send_report(self, stream):
        now = time.time() + NTP_OFFSET
        report = struct.pack(
            ">BBHIIIIII", 0x80, 200, 6, stream.ssrc, int(now) & 0xFFFFFFFF, int(now % 1 * (1 << 32)),
            stream.timestamp & 0xFFFFFFFF, stream.packets & 0xFFFFFFFF, stream.bytes & 0xFFFFFFFF)
        name = b"obs-cname"
        items = bytes([1, len(name)]) + name + b"\0"
        chunk = struct.pack(">I", stream.ssrc) + items + bytes(-len(items) % 4)
        self.send_rtcp(report + struct.pack(">BBH", 0x81, 202, len(chunk) // 4) + chunk)

    def received_rtcp(self, compound):
        for kind, count, body in rtcp_packets(compound):
            if kind == 206 and count in (1, 4):
                self.keyframe_requests.append(time.monotonic())
                self._wants_keyframe = self.answers_pli
            elif kind == 205 and count == 1:
                self._retransmit(body)

    def _retransmit(self, body):
        self.nacks += 1
        source = struct.unpack_from(">I", body, 4)[0]
        stream = next((one for one in [self.audio, *self.videos] if one.ssrc == source), None)
        if stream is None:
            return
        for offset in range(8, len(body) - 3, 4):
            first, mask = struct.unpack_from(">HH", body, offset)
            for sequence in [first] + [first + 1 + bit for bit in range(16) if mask >> bit & 1]:
                self.asked[source, sequence & 0xFFFF] += 1
                if stream in self.videos and self.videos.index(stream) in self.unrepaired_layers:
                    continue
                protected = stream.sent.get(sequence & 0xFFFF)
                if protected:
                    self.retransmitted += 1
                    self.send(protected)
