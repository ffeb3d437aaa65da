"""Sound and picture stay together between WebRTC and RTSP (RTSP-27)."""

import contextlib
import subprocess

from cases.rtsp import H264, OPUS, publishing, require
from harness import sync
from harness.runner import check, test

SECONDS = 9
LIMIT_MILLISECONDS = 40


def ffmpeg_recorder(url, file, transport):
    return ["ffmpeg", "-v", "error", "-rtsp_transport", transport, "-i", url, "-t", str(SECONDS), "-c", "copy", "-y",
            str(file)]


def mpv_recorder(url, file, transport):
    return ["mpv", "--no-config", "--really-quiet", f"--rtsp-transport={transport}", f"--length={SECONDS}",
            f"--o={file}", "--of=matroska", "--ovc=libx264", "--ovcopts=preset=ultrafast", "--oac=pcm_s16le", url]


def gstreamer_recorder(url, file, transport):
    return ["timeout", "-s", "INT", str(SECONDS), "gst-launch-1.0", "-q", "-e", "rtspsrc", f"location={url}",
            f"protocols={transport}", "name=s", "matroskamux", "name=m", "!", "filesink", f"location={file}",
            "s.", "!", "application/x-rtp,media=video", "!", "decodebin", "!", "videoconvert", "!",
            "video/x-raw,format=I420", "!", "queue", "!", "m.",
            "s.", "!", "application/x-rtp,media=audio", "!", "decodebin", "!", "audioconvert", "!",
            "audio/x-raw,format=S16LE", "!", "queue", "!", "m."]


RECORDERS = [("FFmpeg", "ffmpeg", ffmpeg_recorder), ("mpv", "mpv", mpv_recorder),
             ("GStreamer", "gst-launch-1.0", gstreamer_recorder)]


def recorded(env, server, room, who, transport):
    """How far apart flash and beep are in what each player shows, one after the other: GStreamer follows the times of
    arrival, which players beside it would disturb."""
    for name, program, command in RECORDERS:
        with env.case(f"{who} in {name} over {transport}"):
            require(program)
            file = env.directory / f"{room}-{name}-{transport}.mkv"
            process = subprocess.Popen(command(server.rtsp(room), file, transport), stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                _, complaint = process.communicate(timeout=SECONDS + 30)
            except subprocess.TimeoutExpired:
                process.kill()
                _, complaint = process.communicate()
            check(file.exists(), f"{name} recorded nothing: {complaint[-300:]}")
            offset = sync.in_file(file)
            print(f"      flash {offset:+.0f} ms after the beep", flush=True)
            env.budget(f"{who} in {name} over {transport}, flash and beep apart", abs(offset), LIMIT_MILLISECONDS, 120, "ms")


@contextlib.contextmanager
def flashing_page(env, server, room):
    with env.browser.page(f"{server.origin}/rooms") as page:
        page.page.evaluate(sync.PUBLISHER_SCRIPT, server.whip(room))
        server.wait_for_room(room)
        yield page


@test("rtsp keeps sound and picture together from webrtc")
def from_webrtc(env):
    with env.server() as server, flashing_page(env, server, "flash"):
        for transport in ("tcp", "udp"):
            recorded(env, server, "flash", "Chromium", transport)


@test("rtsp keeps sound and picture together from rtsp")
def from_rtsp(env):
    require("ffmpeg")
    with env.server() as server:
        command = ["ffmpeg", "-v", "error", "-re", *sync.FLASH, "-re", *sync.BEEP, *H264, *OPUS, "-f", "rtsp",
                   "-rtsp_transport", "tcp", server.rtsp("flash")]
        with publishing(server, "flash", command):
            recorded(env, server, "flash", "FFmpeg", "tcp")
