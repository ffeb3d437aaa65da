#!/usr/bin/env python3
"""Makes the vectors of this folder: the beginnings of what encoders wrote, beside the times that they gave it.

    python3 make.py

Needs ffmpeg and ffprobe with libx264 and libx265. Each file has a line for each access unit in decoding order:

    PTS DTS HEX,HEX,...     times at 90 kHz; NAL units without start codes, parameter sets whole, slices as far as 28 bytes
"""
import json
import pathlib
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent
SOURCE = "testsrc2=s=64x48:r=25:d=1.2"
X264, X265 = "-c:v libx264 -x264-params", "-c:v libx265 -x265-params log-level=error:"
FORMATS = {
    "h264-bf0": f"{X264} bframes=0:keyint=12",
    "h264-bf1": f"{X264} bframes=1:keyint=12:slices=3:b-adapt=0",
    "h264-bf2": f"{X264} bframes=2:b-pyramid=none:keyint=12:b-adapt=0",
    "h264-bf3-pyramid": f"{X264} bframes=3:b-pyramid=normal:keyint=14:b-adapt=0",
    "h264-bf4-strict": f"{X264} bframes=4:b-pyramid=strict:keyint=250:b-adapt=2",
    "h264-open-gop": f"{X264} bframes=3:open-gop=1:keyint=10:b-adapt=0",
    "h264-interlaced": f"{X264} bframes=2:tff=1:keyint=12:b-adapt=0",
    "h264-baseline": f"{X264} keyint=12 -profile:v baseline",
    "h264-intra-refresh": f"{X264} bframes=2:intra-refresh=1:keyint=10:b-adapt=0",
    "h265-bf0": f"{X265}bframes=0:keyint=12",
    "h265-bf2": f"{X265}bframes=2:b-pyramid=0:keyint=12:b-adapt=0",
    "h265-bf4-pyramid": f"{X265}bframes=4:b-pyramid=1:keyint=14:b-adapt=0",
    "h265-open-gop": f"{X265}bframes=3:open-gop=1:keyint=10:b-adapt=0",
    "h265-closed-gop": f"{X265}bframes=3:open-gop=0:keyint=10:b-adapt=0:radl=2:slices=2",
}


def is_kept(codec, unit):
    kind = unit[0] & 0x1F if codec == "h264" else unit[0] >> 1 & 0x3F
    sets = (7, 8) if codec == "h264" else (32, 33, 34)
    slices = (1, 5) if codec == "h264" else range(32)
    return unit if kind in sets else unit[:28] if kind in slices else None


def make(name, directory):
    codec = name.split("-")[0]
    file, raw = directory / f"{name}.mp4", directory / f"{name}.raw"
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", SOURCE, *FORMATS[name].split(), "-threads", "1",
                    "-pix_fmt", "yuv420p", "-video_track_timescale", "90000", str(file)], check=True)
    subprocess.run(["ffmpeg", "-v", "error", "-y", "-i", str(file), "-c", "copy", "-f", "hevc" if codec == "h265" else codec,
                    str(raw)], check=True)
    probe = json.loads(subprocess.run(["ffprobe", "-v", "error", "-show_packets", "-of", "json", str(file)], check=True,
                                      capture_output=True).stdout)
    whole, content = file.read_bytes(), raw.read_bytes()
    sets = []
    for unit in content.replace(b"\0\0\0\1", b"\0\0\1").split(b"\0\0\1")[1:8]:
        short = is_kept(codec, unit)
        if short == unit and len(unit) > 0 and short not in sets and is_set(codec, unit):
            sets.append(unit)
    lines = []
    for packet in probe["packets"]:
        start, end = int(packet["pos"]), int(packet["pos"]) + int(packet["size"])
        units = list(sets) if not lines else []
        while start < end:
            size = int.from_bytes(whole[start:start + 4], "big")
            kept = is_kept(codec, whole[start + 4:start + 4 + size])
            units += [kept] if kept else []
            start += 4 + size
        lines.append(f"{packet['pts']} {packet['dts']} {','.join(unit.hex() for unit in units)}\n")
    (HERE / f"{name}.txt").write_text("".join(lines))


def is_set(codec, unit):
    return (unit[0] & 0x1F in (7, 8)) if codec == "h264" else (unit[0] >> 1 & 0x3F in (32, 33, 34))


with tempfile.TemporaryDirectory() as directory:
    for name in FORMATS:
        make(name, pathlib.Path(directory))
