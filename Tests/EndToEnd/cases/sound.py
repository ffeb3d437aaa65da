"""Sound that browsers do not know, published over RTSP, is heard over WHEP (PAY-47, PAY-48)."""

import contextlib
import os
import pathlib
import signal
import time

from cases.rtsp import H264, publishing, require
from harness import sync
from harness.runner import Skip, check, test, until
from harness.sound import Listener
from harness.viewer import viewer

LIMIT_MILLISECONDS = 40
# Chromium brings together what it shows and what it plays a little each second, and leaves 30 ms as they are.
CHROMIUM_LIMIT_MILLISECONDS = 100
TONE, TOLERANCE = 1000, 15
SETTLE, SECONDS = 3, 8

FORMATS = [
    ("AAC stereo", ["-c:a", "aac", "-b:a", "128k"]),
    ("AAC mono 44.1 kHz", ["-c:a", "aac", "-ac", "1", "-ar", "44100"]),
    ("AAC 16 kHz", ["-c:a", "aac", "-ac", "1", "-ar", "16000"]),
    ("AAC as LATM", ["-c:a", "aac", "-b:a", "128k", "-rtpflags", "latm"]),
    ("MP3", ["-c:a", "libmp3lame", "-b:a", "128k"]),
    ("L16", ["-c:a", "pcm_s16be", "-ar", "44100"]),
    ("G.711 stereo", ["-c:a", "pcm_mulaw", "-ar", "8000", "-ac", "2"]),
    ("G.711 16 kHz", ["-c:a", "pcm_alaw", "-ar", "16000", "-ac", "1"]),
]
AAC = FORMATS[0][1]


def need_transcoder(env):
    if not (env.binary.parent / "martlet-transcoder").exists():
        raise Skip("martlet-transcoder is not beside the server")


def flashing(server, room, audio, transport="tcp"):
    """FFmpeg with a beep in every flash."""
    require("ffmpeg")
    return publishing(server, room, [
        "ffmpeg", "-v", "error", "-re", *sync.FLASH, "-re", *sync.BEEP, *H264, *audio, "-f", "rtsp",
        "-rtsp_transport", transport, server.rtsp(room)])


@contextlib.contextmanager
def listening(server, room):
    listener = Listener(server.whep(room))
    listener.start()
    try:
        yield listener
        listener.leave()
    finally:
        listener.stop()


def measured(listener, seconds=SECONDS):
    listener.forget()
    time.sleep(seconds)
    offset, pitch, lost = listener.figures()
    print(f"      flash {offset:+.0f} ms after the beep, {pitch:.1f} Hz, {lost} packets missing", flush=True)
    check(abs(pitch - TONE) <= TOLERANCE, f"the tone has {pitch:.0f} Hz")
    check(lost == 0, f"{lost} packets of the sound are missing")
    return offset


def transcoders(server):
    """Process ids of the server's children that convert sound."""
    found = []
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += (task / "children").read_text().split()
    return [int(pid) for pid in found
            if _name(pid) == "martlet-transcoder"[:15]]


def _name(pid):
    """The program's name as the kernel keeps it, cut; its file is hidden, as the program confines itself."""
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/comm").read_text().strip()


def in_step(env, what, offset):
    env.budget(f"{what}, flash and beep apart", abs(offset), LIMIT_MILLISECONDS, 150, "ms")


def heard_in_chromium(what, listener, is_steady=True):
    """Chromium plays the tone at its pitch, and shows with it what was captured with it. `is_steady`: sound comes frame by
    frame; where it comes in bursts of most of a second, as FFmpeg sends AAC that is mostly silence, Chromium takes minutes
    to bring them together."""
    listener.until_playing().until_heard()
    pitch = listener.pitch()
    check(abs(pitch - TONE) <= TOLERANCE, f"the tone has {pitch:.0f} Hz")
    print(f"      {what} in Chromium: {pitch:.1f} Hz", flush=True)
    if is_steady:
        apart = listener.lip_sync(CHROMIUM_LIMIT_MILLISECONDS)
        print(f"      what it shows is {apart:+.0f} ms after what it plays", flush=True)


@test("sound that browsers do not know is heard in step with the picture")
def formats(env):
    need_transcoder(env)
    with env.server() as server:
        for name, audio in FORMATS:
            for transport in ("tcp", "udp"):
                with env.case(f"{name} over {transport}"):
                    room = f"{name}-{transport}".lower().replace(" ", "-").replace(".", "-")
                    with flashing(server, room, audio, transport), listening(server, room) as listener:
                        time.sleep(SETTLE)
                        in_step(env, f"{name} over {transport}", measured(listener))
        until(lambda: not transcoders(server), 15, "transcoders end after the last listener")


@test("a transcoder that ends is replaced while the picture goes on")
def killed(env):
    need_transcoder(env)
    with env.server() as server, flashing(server, "cam", AAC), listening(server, "cam") as listener:
        until(lambda: listener.packets[111], 15, "sound comes")
        first, = transcoders(server)
        listener.forget()
        os.kill(first, signal.SIGKILL)
        second, = until(lambda: [pid for pid in transcoders(server) if pid != first], 5, "another transcoder runs")
        listener.forget()
        begun = time.monotonic()
        until(lambda: listener.packets[111], 5, "sound comes again")
        print(f"      sound {time.monotonic() - begun:.1f} s after it was started again", flush=True)
        time.sleep(SETTLE)
        in_step(env, "after the restart", measured(listener))
        pictures = {timestamp for _, timestamp, _ in listener.packets[96]}
        check(len(pictures) >= 15 * SECONDS, f"{len(pictures)} pictures in {SECONDS} s")
        check(server.metrics()[0]["martlet_sound_restarts_total"] == 1, "one restart is counted")


@test("viewers share one transcoder and stay through a publisher's restart with another format")
def restarts(env):
    need_transcoder(env)
    with env.server() as server:
        with contextlib.ExitStack() as viewers:
            with flashing(server, "cam", AAC):
                listeners = [viewers.enter_context(listening(server, "cam")) for _ in range(3)]
                for listener in listeners:
                    until(lambda: listener.packets[111], 15, "sound comes")
                check(len(transcoders(server)) == 1, f"{len(transcoders(server))} transcoders")
            for name, audio in (("MP3", ["-c:a", "libmp3lame"]), ("Opus", ["-c:a", "libopus"]), ("AAC again", AAC)):
                with env.case(name), flashing(server, "cam", audio):
                    for listener in listeners:
                        listener.forget()
                    for listener in listeners:
                        until(lambda: listener.packets[111], 15, "sound comes again")
                    time.sleep(SETTLE)
                    in_step(env, name, measured(listeners[0]))


@test("without a transcoder the picture comes alone and the log says what to do")
def missing(env):
    with env.server(settings={"transcoder": "/nonexistent/martlet-transcoder"}) as server:
        with flashing(server, "cam", AAC), listening(server, "cam") as listener:
            until(lambda: listener.packets[96], 15, "pictures come")
            check("m=audio" not in listener.response.text or "a=inactive" in listener.response.text,
                  f"sound was answered: {listener.response.text}")
            text = server.log_file.read_text(errors="replace")
            check("viewers get no sound" in text and "install martlet-transcoder" in text, "the log says what to do")


@test("chromium hears converted sound")
def chromium(env):
    need_transcoder(env)
    with env.server() as server, flashing(server, "cam", AAC), viewer(env, server, "cam", is_muted=False) as listener:
        heard_in_chromium("AAC", listener, is_steady=False)

