"""Clients that run as processes of their own and report in lines of JSON."""

import json
import os
import pathlib
import queue
import re
import subprocess
import sys
import threading
import time

from harness.runner import ARTIFACTS, Skip, check, patient

CLIENTS = pathlib.Path(__file__).resolve().parent.parent / "clients"
STOP_DEADLINE = 10


class Client:
    """A running client. Its lines of JSON, each with an "event", arrive in order through wait_for()."""

    def __init__(self, name, command, environment=None):
        self.name = name
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.log_file = ARTIFACTS / f"client-{re.sub(r'[^a-z0-9]+', '-', name.lower())}.log"
        self._log = open(self.log_file, "wb")
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log,
            env={**os.environ, **(environment or {})})
        self._events = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "event" in event:
                self._events.put(event)
        self._events.put({"event": "end"})

    def wait_for(self, name, deadline):
        end = time.monotonic() + patient(deadline)
        while True:
            try:
                event = self._events.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{self.name}: no {name} within {deadline} s: {self.tail()}") from None
            if event["event"] == name:
                return event
            check(event["event"] not in ("end", "failed"), f"{self.name} gave up: {event} {self.tail()}")

    def latest(self, name):
        """The last event of this name that has come, without waiting; None when there is none."""
        found = None
        while not self._events.empty():
            event = self._events.get()
            check(event["event"] not in ("end", "failed"), f"{self.name} gave up: {event} {self.tail()}")
            if event["event"] == name:
                found = event
        return found

    def tail(self, lines=4):
        self._log.flush()
        return " | ".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])[-600:]

    def stop(self):
        """Closing its standard input tells a client to leave in good order."""
        try:
            self.process.stdin.close()
        except BrokenPipeError:
            pass
        try:
            self.process.wait(STOP_DEADLINE)
        except subprocess.TimeoutExpired:
            self.process.terminate()
            try:
                self.process.wait(2)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self._log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def aiortc_client(mode, url, **options):
    return _script(sys.executable, "aiortc_client.py", mode, url, options)


class RTSPReaders(Client):
    """Many readers of one room over RTSP, in one process."""

    def __init__(self, name, url, count=1, receive_buffer=0):
        super().__init__(name, [sys.executable, str(CLIENTS / "rtsp_readers.py"), url, "--count", str(count),
                                "--receive-buffer", str(receive_buffer)])

    def figures(self, deadline=20):
        """What each of them has got so far."""
        self.process.stdin.write(b"\n")
        self.process.stdin.flush()
        return self.wait_for("figures", deadline)["readers"]


def gstreamer_client(mode, url, **options):
    python = "/usr/bin/python3"
    probe = subprocess.run(
        [python, "-c", "import gi; gi.require_version('GstWebRTC', '1.0'); from gi.repository import GstWebRTC"],
        capture_output=True)
    if probe.returncode != 0:
        raise Skip("GStreamer with its Python bindings is not installed")
    return _script(python, "gstreamer_client.py", mode, url, options)


def firefox_client(mode, url, **options):
    if not pathlib.Path("/usr/bin/firefox-esr").exists():
        raise Skip("Firefox is not installed")
    return _script(sys.executable, "firefox_client.py", mode, url, options)


def ffmpeg_publisher(url, token=None, seconds=600, group=60):
    """FFmpeg's own WHIP muxer; there is nothing to report but that it runs."""
    import imageio_ffmpeg

    program = imageio_ffmpeg.get_ffmpeg_exe()
    muxers = subprocess.run([program, "-hide_banner", "-muxers"], capture_output=True, text=True).stdout
    if not re.search(r"\bwhip\b", muxers):
        raise Skip("this FFmpeg has no WHIP muxer")
    command = [
        program, "-hide_banner", "-loglevel", "warning", "-nostats", "-re",
        "-f", "lavfi", "-i", "testsrc2=size=640x360:rate=30",
        "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
        "-t", str(seconds), "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline",
        "-pix_fmt", "yuv420p", "-g", str(group), "-b:v", "800k", "-c:a", "libopus", "-ac", "2", "-b:a", "64k",
        "-f", "whip",
    ]
    if token:
        command += ["-authorization", token]
    return FFmpeg("ffmpeg publisher", command + [url])


class FFmpeg(Client):
    def stop(self):
        # FFmpeg leaves in good order (and sends its DELETE) on the letter q.
        try:
            self.process.stdin.write(b"q")
            self.process.stdin.flush()
        except BrokenPipeError:
            pass
        super().stop()


def _script(python, script, mode, url, options):
    command = [python, str(CLIENTS / script), mode, url]
    for name, value in options.items():
        if value is not None:
            command += [f"--{name.replace('_', '-')}", str(value)]
    name = f"{script.removesuffix('.py').replace('_', ' ')} {mode} {options.get('codec') or ''} {url.split('/')[-2]}"
    return Client(name, command)
