"""Encoded test media and its packets, made once: H.264 (RFC 6184) and Opus (RFC 7587)."""

import fractions
import functools
import struct

import av
import numpy

FRAME_RATE = 30
MAXIMUM_PAYLOAD = 1150


def pattern(width, height, number):
    """A grey picture with a bar that moves, as yuv420p."""
    luma = numpy.full((height, width), 90, numpy.uint8)
    left = (number * 4) % (width - 24)
    luma[height // 3: 2 * height // 3, left:left + 24] = 220
    chroma = numpy.full((height // 2, width), 128, numpy.uint8)
    chroma[:, : width // 2] = 90 + number % 60
    return av.VideoFrame.from_ndarray(numpy.vstack([luma, chroma]), format="yuv420p")


@functools.lru_cache
def h264(width=640, height=360, seconds=10, profile="high", bitrate=600_000):
    """One group of pictures as a list of access units, each a list of NAL units; it starts with SPS, PPS, IDR."""
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuv420p"
    encoder.bit_rate = bitrate
    encoder.time_base = fractions.Fraction(1, FRAME_RATE)
    encoder.framerate = fractions.Fraction(FRAME_RATE, 1)
    frames = seconds * FRAME_RATE
    encoder.options = {
        "preset": "ultrafast", "tune": "zerolatency", "profile": profile, "g": str(frames),
        "x264-params": "scenecut=0:repeat-headers=1:annexb=1:slices=1",
    }
    packets = []
    for number in range(frames):
        frame = pattern(width, height, number)
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    return [nal_units(bytes(packet)) for packet in packets]


def filled(pictures, bitrate, keyframe_factor=1):
    """The access units with user data (SEI), which unlike filler data reaches browsers, so that they take so many bits per
    second. The first, a keyframe, takes `keyframe_factor` times as many as the others."""
    wanted = bitrate // 8 // FRAME_RATE
    # Unregistered user data (H.264, D.1.7): type 5, 1,100 bytes.
    unit = bytes([6, 5, 255, 255, 255, 255, 80]) + b"\xaa" * 1100 + b"\x80"

    def full(units, size):
        # Before the picture, as the standard has it (H.264, 7.4.1.2.3).
        return units[:-1] + [unit] * (max(0, size - sum(map(len, units))) // len(unit)) + units[-1:]

    return [full(units, wanted * (1 if number else keyframe_factor)) for number, units in enumerate(pictures)]


def nal_units(stream):
    """The NAL units of an Annex B byte stream, without access unit delimiters and SEI."""
    units, start = [], stream.find(b"\0\0\1")
    while start >= 0:
        start += 3
        end = stream.find(b"\0\0\1", start)
        unit = (stream[start:] if end < 0 else stream[start:end]).rstrip(b"\0")
        if unit and unit[0] & 31 not in (6, 9):
            units.append(unit)
        start = end
    return units


def h264_payloads(units):
    """The RTP payloads of one access unit, packetization mode 1: single NAL units and FU-A."""
    for unit in units:
        if len(unit) <= MAXIMUM_PAYLOAD:
            yield unit
            continue
        indicator = unit[0] & 0xE0 | 28
        rest = unit[1:]
        for offset in range(0, len(rest), MAXIMUM_PAYLOAD):
            part = rest[offset:offset + MAXIMUM_PAYLOAD]
            start = 0x80 if offset == 0 else 0
            end = 0x40 if offset + MAXIMUM_PAYLOAD >= len(rest) else 0
            yield bytes([indicator, start | end | unit[0] & 31]) + part


@functools.lru_cache
def opus(seconds=2):
    """A 440 Hz tone in packets of 20 ms."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.layout, encoder.format = 48000, "stereo", "s16"
    encoder.bit_rate = 64_000
    encoder.time_base = fractions.Fraction(1, 48000)
    packets = []
    for number in range(seconds * 50):
        times = (numpy.arange(960) + number * 960) / 48000
        tone = (8000 * numpy.sin(2 * numpy.pi * 440 * times)).astype(numpy.int16)
        frame = av.AudioFrame.from_ndarray(numpy.repeat(tone, 2).reshape(1, -1), format="s16", layout="stereo")
        frame.sample_rate, frame.pts = 48000, number * 960
        packets += [bytes(packet) for packet in encoder.encode(frame)]
    return packets


def rtp(payload_type, sequence, timestamp, ssrc, payload, marker=False, extension=b""):
    """One RTP packet; `extension` is the content of a one-byte header extension block (RFC 8285)."""
    first = 0x90 if extension else 0x80
    head = struct.pack(
        ">BBHII", first, payload_type | (0x80 if marker else 0), sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc)
    if extension:
        extension += bytes(-len(extension) % 4)
        head += struct.pack(">HH", 0xBEDE, len(extension) // 4) + extension
    return head + payload


def extension_element(identifier, value):
    return bytes([identifier << 4 | len(value) - 1]) + value
