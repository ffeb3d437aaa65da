"""How clients of others' making show the token of a room (RTSP-20)."""

import base64
import contextlib
import hashlib
import subprocess

from cases.rtsp import AUDIO, H264, OPUS, VIDEO, require, run, run_gstreamer
from harness.runner import check, test, until

TOKEN = "toe-of-frog"
HASHED = "sha256:" + base64.b64encode(hashlib.sha256(TOKEN.encode()).digest()).decode()


@contextlib.contextmanager
def publishing(server, command):
    """Runs a publisher into a room that no list shows."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        until(lambda: server.metrics()[0]["martlet_publishers"] == 1, 20, "somebody publishes")
        yield
        check(process.poll() is None, "the publisher ended by itself")
    finally:
        process.terminate()
        process.communicate()


@test("rtsp logins with a token")
def logins(env):
    """Clients prefer Digest wherever they see it; nobody can check it against a hash."""
    for name, token, settings in (
            ("a token", TOKEN, {}), ("a hashed token", HASHED, {}),
            ("a token and digests alone", TOKEN, {"rtspAuthMethods": ["digest"]})):
        paths = {"locked": {"publishToken": token, "readToken": token}}
        with env.server(settings=settings, paths=paths) as server:
            url = server.rtsp("locked").replace("rtsp://", f"rtsp://any:{TOKEN}@")
            push = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-re", *VIDEO, *AUDIO, *H264, *OPUS, "-f", "rtsp",
                    "-rtsp_transport", "tcp", url]
            with publishing(server, push):
                with env.case(f"{name}: FFmpeg publishes and reads"):
                    run(["ffmpeg", "-hide_banner", "-loglevel", "error", "-xerror", "-rtsp_transport", "tcp", "-i", url,
                         "-t", "2", "-f", "null", "-"])
                with env.case(f"{name}: GStreamer reads"):
                    run_gstreamer(
                        ["gst-launch-1.0", "-q", "rtspsrc", f"location={server.rtsp('locked')}", "user-id=any",
                         f"user-pw={TOKEN}", "protocols=tcp", "name=s", "s.", "!", "application/x-rtp,media=video", "!",
                         "decodebin", "!", "fakesink", "num-buffers=50", "sync=false"])
                with env.case(f"{name}: mpv reads"):
                    require("mpv")
                    shown = run(["mpv", "--no-config", "--vo=null", "--ao=null", "--length=2", "--rtsp-transport=tcp", url])
                    check("640x360" in shown.stdout, f"mpv showed no picture: {shown.stdout[-300:]}")
