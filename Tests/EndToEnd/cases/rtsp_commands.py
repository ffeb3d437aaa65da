"""The commands of docs/rtsp.md as they stand there (R22): how each client connects is left to it."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from cases.rtsp import publishing, read_by_all, require, run
from cases.rtsp_transports import ffmpeg_reads, gstreamer_reads, mpv_reads, network_server, secure_server
from harness.processes import CLIENTS
from harness.runner import check, test

DOCUMENT = Path(__file__).parents[3] / "docs" / "rtsp.md"
URL = "rtsp://HOST:8554/cam1"


def documented(command):
    """A command, once it is certain that people are told it."""
    check(command in DOCUMENT.read_text(), f"docs/rtsp.md does not have: {command}")
    return command


def film(env):
    """What the commands call film.mp4."""
    path = env.directory / "film.mp4"
    run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=640x360:r=25", "-f", "lavfi",
         "-i", "sine=frequency=440:sample_rate=48000", "-t", "90", "-c:v", "libx264", "-preset", "ultrafast", "-tune",
         "zerolatency", "-g", "25", "-c:a", "aac", str(path)])
    return path


def ffplay(url, *options):
    """Plays without a screen or loudspeakers until two seconds of pictures were shown; it does not end by itself."""
    require("ffplay")
    environment = {**os.environ, "SDL_VIDEODRIVER": "dummy", "SDL_AUDIODRIVER": "dummy"}
    process = subprocess.Popen(
        ["ffplay", "-hide_banner", "-nostats", "-vf", "showinfo", *options, url], stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=environment)
    timer = threading.Timer(60, process.kill)
    timer.start()
    shown, said = 0, ""
    try:
        for line in process.stderr:
            shown += "showinfo" in line and "s:640x360" in line
            if shown == 50:
                break
            said = (said + line)[-400:]
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stderr.close()
    check(shown == 50, f"ffplay showed {shown} pictures: {said}")


def opencv(url, options=None):
    environment = {**os.environ, "OPENCV_FFMPEG_CAPTURE_OPTIONS": options} if options else None
    result = subprocess.run([sys.executable, str(CLIENTS / "opencv_reader.py"), url], capture_output=True, text=True,
                            timeout=60, env=environment)
    check(result.returncode == 0, result.stderr[-300:])
    seen = json.loads(result.stdout.splitlines()[-1])
    check(seen["frames"] == 50 and seen["size"] == [640, 360], f"{seen} {result.stderr[-300:]}")


@test("rtsp published by the documented commands")
def publish(env):
    path = film(env)
    with env.server() as server:
        for room, command in (
                ("film", documented(f"ffmpeg -re -i film.mp4 -c copy -f rtsp {URL}")),
                ("film-tcp", documented(f"ffmpeg -re -i film.mp4 -c copy -f rtsp -rtsp_transport tcp {URL}")),
                ("gstreamer", documented(f"gst-launch-1.0 rtspclientsink name=s location={URL} videotestsrc is-live=true ! "
                                         "x264enc tune=zerolatency ! s."))):
            words = command.replace(URL, server.rtsp(room)).replace("film.mp4", str(path)).split()
            require(words[0])
            # Two processes of FFmpeg fill the pipe of one that talks about every frame.
            quiet = ["-hide_banner", "-loglevel", "error"] if words[0] == "ffmpeg" else ["-q"]
            with env.case(command.split()[0] + " to " + room), publishing(server, room, [words[0], *quiet, *words[1:]]):
                if room == "film":
                    read_by_all(env, server, room, "the film")
                else:
                    ffmpeg_reads(server.rtsp(room), "tcp")


@test("rtsp read by the documented commands")
def read(env):
    env.require_namespace("a multicast group")
    path = film(env)

    def source(server, room):
        return publishing(server, room, ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", "-stream_loop", "-1", "-i",
                                         str(path), "-c", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", server.rtsp(room)])

    with network_server(env) as server, source(server, "cam1"):
        url = server.rtsp("cam1")
        for option in ((), ("-rtsp_transport", "tcp"), ("-rtsp_transport", "udp_multicast"), ("-rtsp_transport", "http")):
            with env.case(f"ffplay {' '.join(option)}"):
                documented(" ".join(option) or f"ffplay {URL}")
                ffplay(url, *option)
        for option in ((), ("protocols=tcp",), ("protocols=udp-mcast",)):
            with env.case(f"rtspsrc {' '.join(option)}"):
                documented(" ".join(option) or f"rtspsrc location={URL}")
                gstreamer_reads(url, *option)
        with env.case("rtspsrc through http"):
            documented("rtsph://")
            gstreamer_reads(url.replace("rtsp://", "rtsph://"))
        for option in ((), ("--rtsp-transport=tcp",), ("--rtsp-transport=udp_multicast",), ("--rtsp-transport=http",)):
            with env.case(f"mpv {' '.join(option)}"):
                documented(" ".join(option) or f"mpv {URL}")
                mpv_reads(url, *option)
        for options in (None, documented("rtsp_transport;tcp")):
            with env.case(f"OpenCV {options or ''}"):
                documented(f'cv2.VideoCapture("{URL}")')
                opencv(url, options)
    with secure_server(env) as server, source(server, "cam1"):
        url = server.rtsps("cam1")
        documented("`rtsps://HOST:8322/cam1`")
        with env.case("ffplay over TLS"):
            ffplay(url)
        with env.case("rtspsrc over TLS"):
            gstreamer_reads(url, "tls-validation-flags=0")
        with env.case("mpv over TLS"):
            mpv_reads(url)
