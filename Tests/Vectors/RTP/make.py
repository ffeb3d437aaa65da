#!/usr/bin/env python3
"""Makes the vectors of this folder: what FFmpeg's packetizers send, beside the frames that went into them.

    python3 make.py FFMPEG

FFMPEG is version 8 or later (the wheel `imageio-ffmpeg` has one), for AV1. Needs PyAV, to read frames by another way
than RTP. Each file has lines of three kinds:

    parameter NAME VALUE      of the description's a=fmtp line, and clock
    packet HEX                a whole RTP packet
    unit PTS HEX              an access unit as the file that was sent has it, times in ticks of the RTP clock from 0
"""
import pathlib
import re
import socket
import struct
import subprocess
import sys
import tempfile
import threading

import av

HERE = pathlib.Path(__file__).parent
VIDEO = "testsrc2=s=96x64:r=25:d=0.4"
SOUND = "sine=f=440:r={}:d=0.4"
FORMATS = {
    # name: (lavfi source, encoder, container, options of the RTP muxer)
    "h264": (VIDEO, "-c:v libx264 -bf 2 -g 5 -x264-params slices=2:aud=1 -b:v 300k", "mp4", ""),
    "h265": (VIDEO, "-c:v libx265 -g 5 -x265-params log-level=error -b:v 300k", "mp4", ""),
    "vp8": (VIDEO, "-c:v libvpx -g 5 -b:v 300k", "webm", ""),
    "vp9": (VIDEO, "-c:v libvpx-vp9 -g 5 -b:v 300k", "webm", ""),
    "av1": (VIDEO, "-c:v libaom-av1 -cpu-used 8 -g 5 -lag-in-frames 0 -b:v 200k", "mp4", ""),
    "mjpeg": (VIDEO, "-c:v mjpeg -q:v 4 -pix_fmt yuvj420p -huffman default", "mov", ""),
    "mpeg4": (VIDEO, "-c:v mpeg4 -g 5", "mp4", ""),
    "mpeg2": (VIDEO, "-c:v mpeg2video -g 5", "mov", ""),
    "aac": (SOUND.format(48000), "-c:a aac -b:a 96k", "mp4", ""),
    "latm": (SOUND.format(48000), "-c:a aac -b:a 96k", "mp4", "-rtpflags latm"),
    "opus": (SOUND.format(48000), "-c:a libopus", "webm", ""),
    "mp3": (SOUND.format(44100), "-c:a libmp3lame -b:a 320k", "mov", ""),
    "g722": (SOUND.format(16000), "-c:a g722", "matroska", ""),
    "l16": (SOUND.format(44100).replace("0.4", "0.05"), "-c:a pcm_s16be", "mov", ""),
}


def make(ffmpeg, name, directory):
    source, encoder, container, options = FORMATS[name]
    file = directory / f"{name}.{container}"
    subprocess.run([ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", source, *encoder.split(), "-fflags", "+bitexact",
                    "-f", container, str(file)], check=True)
    packets = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        listener.settimeout(1.5)

        def listen():
            while True:
                try:
                    packets.append(listener.recv(65536))
                except TimeoutError:
                    if packets:
                        return

        thread = threading.Thread(target=listen)
        thread.start()
        description = directory / f"{name}.sdp"
        port = listener.getsockname()[1]
        subprocess.run([ffmpeg, "-v", "error", "-re", "-strict", "-2", "-i", str(file), "-c", "copy", "-strict", "-2", *options.split(), "-f", "rtp",
                        "-sdp_file", str(description), f"rtp://127.0.0.1:{port}?pkt_size=500"], check=True)
        thread.join()
    text = description.read_text()
    parameters = dict(re.findall(r"([\w-]+)=([^;\s]+)", (re.search(r"a=fmtp:\d+ (.*)", text) or [0, ""])[1]))
    rate = re.search(r"a=rtpmap:\d+ ([\w-]+)/(\d+)", text)
    static = {"mp3": ("MPA", 90000), "mpeg2": ("MPV", 90000), "mjpeg": ("JPEG", 90000), "g722": ("G722", 8000),
              "l16": ("L16", 44100)}
    encoding, clock = (rate[1], int(rate[2])) if rate else static[name]
    lines = [f"parameter {key} {value}" for key, value in {"encoding": encoding, "clock": clock, **parameters}.items()]
    lines += [f"packet {packet.hex()}" for packet in packets]
    with av.open(str(file)) as media:
        stream = media.streams[0]
        for packet in media.demux(stream):
            if packet.size:
                time = round((packet.pts or 0) * stream.time_base * clock)
                lines.append(f"unit {time} {bytes(packet).hex()}")
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(packets)} packets")


def make_adts(ffmpeg, name, directory):
    """What bad cameras send: FFmpeg's ADTS in the units of RFC 3640, without a configuration in the description."""
    clock = 44_100
    file = directory / f"{name}.aac"
    subprocess.run([ffmpeg, "-v", "error", "-y", "-f", "lavfi", "-i", SOUND.format(clock), "-ac", "2", "-c:a", "aac", "-b:a",
                    "96k", "-fflags", "+bitexact", "-f", "adts", str(file)], check=True)
    data, frames = file.read_bytes(), []
    while data:
        size = (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
        frames.append(data[:size])
        data = data[size:]
    parameters = {"encoding": "MPEG4-GENERIC", "clock": clock, "mode": "AAC-hbr", "sizelength": 13, "indexlength": 3,
                  "indexdeltalength": 3}
    lines = [f"parameter {key} {value}" for key, value in parameters.items()]
    for number, frame in enumerate(frames):
        header = struct.pack(">BBHII", 0x80, 0x80 | 97, number, 1024 * number, 0x351160C6)
        lines.append(f"packet {(header + struct.pack('>HH', 16, len(frame) << 3) + frame).hex()}")
    lines += [f"unit {1024 * number} {frame[7:].hex()}" for number, frame in enumerate(frames)]
    (HERE / f"{name}.txt").write_text("\n".join(lines) + "\n")
    print(f"{name}: {len(frames)} packets")


with tempfile.TemporaryDirectory() as folder:
    for name in sys.argv[2:] or [*FORMATS, "adts"]:
        (make_adts if name == "adts" else make)(sys.argv[1], name, pathlib.Path(folder))
