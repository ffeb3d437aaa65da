"""HE-AAC without an encoder for it: FFmpeg's AAC LC at half the rate, with SBR and parametric stereo written behind every
frame (ISO/IEC 14496-3, 4.4.2.8 and 8.4.2). What they say is the least that is valid: one quiet band, both channels alike.
"""

import subprocess
import sys

import av

from harness import sync

CORE_RATE = 24_000
# What goes by in decoders before the first sample of the encoder: its own priming, and SBR's filters in samples of the core.
PRIMING, FILTERS = 1024, 481
EXTENSION_SBR, EXTENSION_PS = 13, 2
FILL, END = 6, 7


class Bits(list):
    """(value, width) pairs."""

    def __str__(self):
        return "".join(format(value, f"0{width}b") for value, width in self)


def _packed(text):
    text += "0" * (-len(text) % 8)
    return int(text, 2).to_bytes(len(text) // 8, "big")


def _replication(has_stereo):
    """sbr_extension_data for a single channel, its header in every frame."""
    bits = Bits([(1, 1)])
    # sbr_header: band edges from the lowest start and stop, the crossover over all bands but one, a linear scale.
    bits += [(0, 1), (0, 4), (0, 4), (7, 3), (0, 2), (1, 1), (0, 1), (0, 2), (1, 1), (0, 2)]
    # No reserved bits; the grid: one fixed envelope in low resolution.
    bits += [(0, 1), (0, 2), (0, 2), (0, 1)]
    # Directions of envelope and noise, inverse filtering, the only band's envelope, its noise, no sinusoids.
    bits += [(0, 1), (0, 1), (0, 2), (0, 7), (30, 5), (0, 1)]
    if has_stereo:
        # ps_data: a header that switches everything off, and no envelopes. Two bytes.
        bits += [(1, 1), (2, 4), (EXTENSION_PS, 2), (1, 1), (0, 1), (0, 1), (0, 1), (0, 1), (0, 2), (0, 7)]
    else:
        bits += [(0, 1)]
    return str(bits)


def extended(frame, has_stereo):
    """An LC frame with SBR."""
    text = bin(int.from_bytes(b"\1" + frame, "big"))[3:].rstrip("0")
    assert text.endswith(format(END, "b")), "the frame ends with its end"
    payload = format(EXTENSION_SBR, "04b") + _replication(has_stereo)
    payload += "0" * (-len(payload) % 8)
    count = len(payload) // 8
    assert count < 15
    return _packed(text[:-3] + format(FILL, "03b") + format(count, "04b") + payload + format(END, "03b"))


def configuration(is_explicit, has_stereo):
    """AudioSpecificConfig: of the core alone, or with what follows the core announced."""
    core = Bits([(2, 5), (6, 4), (1, 4)])
    tail = Bits([(0, 3)])
    if is_explicit:
        core = Bits([(29 if has_stereo else 5, 5), (6, 4), (1, 4), (3, 4), (2, 5)])
    return _packed(str(core) + str(tail))


def _tag(milliseconds, payload):
    """Of FLV: one of sound, in AAC."""
    time = (milliseconds & 0xFFFFFF).to_bytes(3, "big") + bytes([milliseconds >> 24])
    tag = bytes([8]) + len(payload).to_bytes(3, "big") + time + bytes(3) + payload
    return tag + len(tag).to_bytes(4, "big")


def write(path, seconds, is_explicit, has_stereo):
    """An FLV, whose configuration is taken over as it is, with the beeps of sync.BEEP: they come out of a decoder at the
    times of its packets."""
    early = (PRIMING + FILTERS) / CORE_RATE
    core = path.with_suffix(".core.nut")
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i",
         f"aevalsrc='0.5*sin(2*PI*1000*(t+{early}))*lt(mod(t+{early},{sync.PERIOD}),{sync.LENGTH})':s={CORE_RATE}:c=mono",
         "-t", str(seconds), "-c:a", "aac", "-b:a", "48k", str(core)], check=True, stdin=subprocess.DEVNULL)
    with av.open(str(core)) as source, path.open("wb") as out:
        out.write(b"FLV\1\4" + (9).to_bytes(4, "big") + bytes(4))
        out.write(_tag(0, b"\xAF\0" + configuration(is_explicit, has_stereo)))
        for number, packet in enumerate(packet for packet in source.demux(audio=0) if packet.size):
            time = round(number * 1024 * 1000 / CORE_RATE)
            out.write(_tag(time, b"\xAF\1" + extended(bytes(packet), has_stereo)))


def extend_adts(data, has_stereo):
    """A stream with ADTS headers of 7 bytes, its frames with SBR."""
    while data:
        size = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        frame = extended(data[7:size], has_stereo)
        made = 7 + len(frame)
        yield data[:3] + bytes([data[3] & 0xFC | made >> 11, made >> 3 & 0xFF, made << 5 & 0xE0 | data[5] & 31]) + data[6:7]
        yield frame
        data = data[size:]


if __name__ == "__main__":
    # For the vectors of the unit tests: AAC LC in ADTS to HE-AAC, or with "stereo" to HE-AAC v2, by pipes.
    sys.stdout.buffer.write(b"".join(extend_adts(sys.stdin.buffer.read(), "stereo" in sys.argv)))
