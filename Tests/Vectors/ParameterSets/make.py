#!/usr/bin/env python3
"""Makes sizes.txt: SPS of x264 and x265 in many shapes, with the size that ffprobe reads from the same stream.

    python3 make.py        needs ffmpeg and ffprobe

Each line: codec, width, height, the SPS NAL unit.
"""
import pathlib
import re
import subprocess
import tempfile

SIZES = [(16, 16), (18, 34), (50, 50), (96, 64), (130, 98), (160, 120), (176, 144), (320, 180), (352, 288), (366, 206),
         (400, 300), (426, 240), (640, 360), (704, 576), (720, 480), (768, 432), (854, 480), (960, 540), (1024, 600),
         (1366, 768), (1440, 1080), (1600, 902), (1920, 1080), (2304, 1296), (2560, 1440)]
SHAPES = {
    "h264": ["-c:v libx264 -profile:v baseline", "-c:v libx264 -bf 2", "-c:v libx264 -flags +ildct+ilme",
             "-c:v libx264 -pix_fmt yuv422p", "-c:v libx264 -pix_fmt yuv444p", "-c:v libx264 -pix_fmt yuv420p10le",
             "-c:v libx264 -x264-params nal-hrd=cbr:vbv-bufsize=1000:vbv-maxrate=1000 -b:v 1000k"],
    "hevc": ["-c:v libx265", "-c:v libx265 -pix_fmt yuv422p", "-c:v libx265 -pix_fmt yuv444p10le",
             "-c:v libx265 -x265-params temporal-layers=2", "-c:v libx265 -x265-params hrd=1:vbv-bufsize=900:vbv-maxrate=900"],
}
lines = []
with tempfile.TemporaryDirectory() as folder:
    for codec, shapes in SHAPES.items():
        for index, (width, height) in enumerate(SIZES + SIZES[::2]):
            shape = shapes[index % len(shapes)]
            if codec == "hevc":
                width, height = max(width, 64), max(height, 64)
            file = pathlib.Path(folder) / f"s.{codec}"
            source = f"color=s={width}x{height}:d=0.04"
            made = subprocess.run(["ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", source, *shape.split(), "-f",
                                   codec, str(file)], capture_output=True, text=True)
            if made.returncode or not file.stat().st_size:
                continue
            probed = subprocess.run(["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0",
                                     str(file)], capture_output=True, text=True).stdout.strip().split(",")
            units = filter(None, (unit.rstrip(b"\0") for unit in re.split(b"\0\0\1", file.read_bytes())))
            sets = [unit for unit in units if (unit[0] & 31 == 7 if codec == "h264" else unit[0] >> 1 == 33)]
            lines.append(f"{codec} {probed[0]} {probed[1]} {sets[0].hex()}")
pathlib.Path(__file__).with_name("sizes.txt").write_text("\n".join(lines) + "\n")
print(len(lines))
