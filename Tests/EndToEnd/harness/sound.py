"""A viewer that listens and looks: what its packets hold, and when it happened by the server's sender reports."""

import statistics
import struct
import time

import av
import numpy

from harness import sync
from harness.raw_peer import RawPeer, rtcp_packets
from harness.runner import check
from harness.sdp import viewer_offer

SENDER_REPORT = 200
AUDIO, VIDEO = 111, 96
RATES = {AUDIO: 48_000, VIDEO: 90_000}
START_CODE = b"\0\0\0\1"


def _nal_units(payload, fragments):
    """The NAL units that an H.264 payload ends."""
    kind = payload[0] & 31
    if kind == 24:
        rest = payload[1:]
        while len(rest) > 2:
            size = int.from_bytes(rest[:2], "big")
            yield rest[2:2 + size]
            rest = rest[2 + size:]
    elif kind == 28:
        if payload[1] & 0x80:
            fragments[:] = [bytes([payload[0] & 0xE0 | payload[1] & 31])]
        fragments.append(payload[2:])
        if payload[1] & 0x40:
            yield b"".join(fragments)
    else:
        yield payload


class Listener(RawPeer):
    """Takes Opus and H.264 over WHEP. Its figures are about what it got since forget()."""

    def __init__(self, url):
        super().__init__(url, viewer_offer)
        self.forget()
        self.kinds = {}
        self.reports = {AUDIO: [], VIDEO: []}
        self.highest = {}

    def forget(self):
        self.packets = {AUDIO: [], VIDEO: []}
        # By kind and sequence number, when the packet came for the first time.
        self.arrivals = {}

    def received_rtp(self, packet):
        kind, number, timestamp, ssrc = packet[1] & 127, *struct.unpack_from(">HII", packet, 2)
        if kind not in self.packets:
            return
        self.kinds[ssrc] = kind
        start = 12 + 4 * (packet[0] & 15)
        if packet[0] & 16:
            start += 4 + 4 * struct.unpack_from(">H", packet, start + 2)[0]
        end = len(packet) - (packet[-1] if packet[0] & 32 else 0)
        if end > start:
            self.arrivals.setdefault((kind, number), time.monotonic())
            self.packets[kind].append((number, self._unwrapped(kind, timestamp), packet[start:end]))

    def _unwrapped(self, kind, timestamp):
        highest = self.highest.get(kind, timestamp)
        value = highest + ((timestamp - highest + (1 << 31)) % (1 << 32)) - (1 << 31)
        self.highest[kind] = max(highest, value)
        return value

    def received_rtcp(self, packet):
        for kind, _, body in rtcp_packets(packet):
            if kind != SENDER_REPORT:
                continue
            ssrc, seconds, fraction, timestamp = struct.unpack_from(">IIII", body, 0)
            media = self.kinds.get(ssrc)
            if media:
                self.reports[media].append((seconds + fraction / (1 << 32), self._unwrapped(media, timestamp)))

    def _time(self, kind, timestamp):
        """When it happened by the nearest report, in seconds of the server's clock."""
        ntp, reported = min(self.reports[kind], key=lambda report: abs(report[1] - timestamp))
        return ntp + (timestamp - reported) / RATES[kind]

    # What it got

    def _decoded(self):
        """(number, timestamp, samples of the first channel) of every packet of sound."""
        decoder = av.CodecContext.create("opus", "r")
        decoder.sample_rate, decoder.layout = 48_000, "stereo"
        for number, timestamp, payload in sorted(self.packets[AUDIO], key=lambda packet: packet[1]):
            for frame in decoder.decode(av.Packet(payload)):
                samples = frame.to_ndarray()
                channels = 1 if frame.format.is_planar else len(frame.layout.channels)
                scale = 32768 if samples.dtype == numpy.int16 else 1
                yield number, timestamp, samples[0][::channels] / scale

    def sound(self):
        """(time, samples of the first channel) of every packet, decoded."""
        for _, timestamp, samples in self._decoded():
            yield self._time(AUDIO, timestamp), samples

    def onsets(self):
        """When the packets came in which beeps begin."""
        meter, found = sync.Meter(), []
        for number, timestamp, samples in self._decoded():
            count = len(meter.beeps)
            meter.sound(timestamp / RATES[AUDIO], samples, RATES[AUDIO])
            if len(meter.beeps) > count:
                found.append(self.arrivals[AUDIO, number])
        return found

    def pictures(self):
        """(time, brightness) of every picture, decoded."""
        decoder = av.CodecContext.create("h264", "r")
        decoder.thread_count = 1
        units, fragments, begun = {}, [], False
        for _, timestamp, payload in sorted(self.packets[VIDEO], key=lambda packet: packet[1]):
            for unit in _nal_units(payload, fragments):
                units.setdefault(timestamp, []).append(unit)
        for timestamp, parts in sorted(units.items()):
            begun |= any(part[0] & 31 == 7 for part in parts)
            if not begun:
                continue
            packet = av.Packet(b"".join(START_CODE + part for part in parts))
            packet.pts = timestamp
            try:
                frames = decoder.decode(packet)
            except av.error.InvalidDataError:
                continue
            for frame in frames:
                yield self._time(VIDEO, frame.pts), frame.reformat(format="gray8").to_ndarray()

    def figures(self):
        """Median of flash after beep in milliseconds, the beeps' frequency in Hz, and packets lost of the sound."""
        check(self.reports[AUDIO] and self.reports[VIDEO], f"sender reports: {self.reports}")
        meter, pitches = sync.Meter(), []
        for when, samples in self.sound():
            meter.sound(when, samples, 48_000)
            pitch = _pitch(samples)
            if pitch:
                pitches.append(pitch)
        for when, luma in self.pictures():
            meter.picture(when, luma)
        numbers = {number for number, _, _ in self.packets[AUDIO]}
        check(numbers, "no sound came")
        spread = (max(self.packets[AUDIO], key=lambda packet: packet[1])[0] - min(
            self.packets[AUDIO], key=lambda packet: packet[1])[0]) % 65_536 + 1
        check(len(pitches) >= 3, f"{len(pitches)} packets with a tone")
        return meter.median(), statistics.median(pitches), spread - len(numbers)


def _pitch(samples):
    """The frequency of a loud tone that fills the packet, by its zero crossings; None without one."""
    if len(samples) < 480 or numpy.sqrt((samples ** 2).mean()) < 0.2:
        return None
    signs = numpy.signbit(samples)
    places = numpy.flatnonzero(signs[1:] != signs[:-1])
    if len(places) < 4:
        return None
    # Where the line between the two samples crosses zero.
    before, after = samples[places], samples[places + 1]
    exact = places + before / (before - after)
    return 48_000 * (len(exact) - 1) / 2 / (exact[-1] - exact[0])
