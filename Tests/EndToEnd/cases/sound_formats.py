"""Sound of publishers who are rarer, and sound that is damaged: LATM with its configuration in the stream (PAY-42), HE-AAC
(PAY-43), ADTS where it does not belong (PAY-41), AC-3 (PAY-46), what conversion adds (PAY-47), and pictures that go on
whatever becomes of the sound (PAY-48)."""

import contextlib
import random
import statistics
import subprocess
import time

import numpy

from cases.rtsp import H264, publishing, require
from cases.sound import SECONDS, SETTLE, TOLERANCE, TONE, heard_in_chromium, in_step, listening, measured, need_transcoder
from harness import high_efficiency, sync
from harness.built_publisher import ADTS, VIDEO_OPTIONS, BuiltPublisher, EnhancedAC3, GenericAAC, InBandLATM
from harness.rtsp_peer import Connection
from harness.runner import check, test, until
from harness.sound import AUDIO, VIDEO
from harness.viewer import viewer

LENGTH = 90
ADDED_LIMIT_MILLISECONDS = 60
DAMAGE_BEGINS, DAMAGE_ENDS = 6, 12


def settled(env, what, listener):
    until(lambda: listener.packets[AUDIO], 20, "sound comes")
    time.sleep(SETTLE)
    in_step(env, what, measured(listener))


def in_chromium(env, server, room, what, is_steady=True):
    with viewer(env, server, room, is_muted=False) as listener:
        heard_in_chromium(what, listener, is_steady)


@test("latm that tells its configuration in the stream alone is heard")
def in_band(env):
    need_transcoder(env)
    require("ffmpeg")
    with env.server() as server:
        with env.case("as it is"), BuiltPublisher(env, server, "cam", InBandLATM(), seconds=LENGTH):
            with listening(server, "cam") as listener:
                settled(env, "LATM in band", listener)
            in_chromium(env, server, "cam", "LATM in band")
        with env.case("from two channels to one and back"):
            with BuiltPublisher(env, server, "turn", InBandLATM(2), InBandLATM(1), seconds=LENGTH, turn=4):
                with listening(server, "turn") as listener:
                    settled(env, "LATM that changes", listener)
                check(server.metrics()[0]["martlet_sound_restarts_total"] == 0, "the transcoder follows")


@test("he-aac is heard at its pitch and in step with the picture")
def he_aac(env):
    """The encoder's own frames with SBR and parametric stereo put behind them; see harness/high_efficiency.py."""
    need_transcoder(env)
    require("ffmpeg")
    with env.server() as server:
        for version, has_stereo in (("HE-AAC", False), ("HE-AAC v2", True)):
            for signalling, is_explicit in (("implicit", False), ("explicit", True)):
                with env.case(f"{version}, {signalling}"):
                    room = f"{version}-{signalling}".lower().replace(" ", "-")
                    file = env.directory / f"{room}.flv"
                    high_efficiency.write(file, LENGTH, is_explicit, has_stereo)
                    command = ["ffmpeg", "-v", "error", "-re", *sync.FLASH, "-re", "-i", str(file), "-map", "0:v", "-map", "1:a",
                               *H264, "-c:a", "copy", "-f", "rtsp", "-rtsp_transport", "tcp", server.rtsp(room)]
                    with publishing(server, room, command):
                        with listening(server, room) as listener:
                            settled(env, f"{version}, {signalling}", listener)
                        in_chromium(env, server, room, f"{version}, {signalling}", is_steady=False)


def heard_by_reader(env, what, command):
    """A reader that writes samples of 48 kHz, two channels, to its standard output has the tone in its beeps."""
    output = env.directory / f"{what}.pcm".replace(" ", "-")
    with output.open("wb") as file:
        # Readers of live rooms may end by the signal of the time that they are given.
        subprocess.run(["timeout", "-s", "INT", "-k", "5", "8", *command], stdin=subprocess.DEVNULL, stdout=file,
                       stderr=subprocess.DEVNULL, check=False)
    samples = numpy.frombuffer(output.read_bytes()[: output.stat().st_size // 4 * 4], dtype="<i2").reshape(-1, 2)[:, 0] / 32768
    check(len(samples) >= 96_000, f"{what} wrote {len(samples) / 48_000:.1f} s")
    spectrum = numpy.abs(numpy.fft.rfft(samples * numpy.hanning(len(samples))))
    pitch = spectrum.argmax() * 48_000 / len(samples)
    print(f"      {what}: {pitch:.1f} Hz in {len(samples) / 48_000:.1f} s", flush=True)
    check(abs(pitch - TONE) <= TOLERANCE, f"the tone has {pitch:.0f} Hz for {what}")
    check(numpy.abs(samples).max() > 0.2, f"{what} hears nothing")


ADTS_FORMS = [
    ("in units, without config", ADTS()),
    ("in units, with a config of one channel at 16 kHz", ADTS(ADTS.LAYOUT + ";config=1408")),
    ("in units over several packets", ADTS(cut=100)),
    ("in place of units", ADTS(is_bare=True)),
    ("in place of units, over several packets", ADTS(is_bare=True, cut=100)),
    ("in place of units, without parameters", ADTS("", is_bare=True)),
]


@test("aac whose frames have adts headers is heard by browsers and rtsp readers")
def adts(env):
    """PAY-41."""
    need_transcoder(env)
    require("ffmpeg")
    require("gst-launch-1.0")
    with env.server() as server:
        for number, (name, sound) in enumerate(ADTS_FORMS):
            with env.case(name):
                room = f"adts{number}"
                with BuiltPublisher(env, server, room, sound, seconds=LENGTH):
                    with listening(server, room) as listener:
                        settled(env, f"ADTS {name}", listener)
                    heard_by_reader(env, "FFmpeg", [
                        "ffmpeg", "-v", "error", "-rtsp_transport", "tcp", "-i", server.rtsp(room), "-vn", "-t", "4", "-f",
                        "s16le", "-ar", "48000", "-ac", "2", "-"])
                    for decoder in ("avdec_aac", "faad"):
                        heard_by_reader(env, f"GStreamer with {decoder}", [
                            "gst-launch-1.0", "-q", "rtspsrc", f"location={server.rtsp(room)}", "protocols=tcp", "!",
                            "application/x-rtp,media=audio", "!", "rtpmp4gdepay", "!", "aacparse", "!", decoder, "!",
                            "audioconvert", "!", "audioresample", "!", "audio/x-raw,format=S16LE,rate=48000,channels=2", "!",
                            "fdsink", "fd=1", "sync=false"])
                    description = Connection(server, room)
                    _, text = description.ask("DESCRIBE", headers=["Accept: application/sdp"])
                    description.close()
                    check("config=1190" in text and "sizelength=13" in text, text)


@contextlib.contextmanager
def gstreamer_with_ac3(env, server, room):
    require("gst-launch-1.0")
    file = env.directory / "ac3.mkv"
    subprocess.run(
        ["ffmpeg", "-v", "error", "-y", *sync.FLASH, *sync.BEEP, *VIDEO_OPTIONS, "-c:a", "ac3", "-b:a", "192k", "-t",
         str(LENGTH), str(file)], check=True, stdin=subprocess.DEVNULL)
    command = (f"gst-launch-1.0 -q filesrc location={file} ! matroskademux name=d d.video_0 ! queue ! h264parse config-interval=-1 "
               "! sink. d.audio_0 ! queue ! ac3parse ! sink. "
               f"rtspclientsink name=sink protocols=tcp location={server.rtsp(room)}")
    with publishing(server, room, command.split()):
        yield


@test("ac-3 and e-ac-3 are heard at their pitch and in step with the picture")
def ac3(env):
    need_transcoder(env)
    require("ffmpeg")
    with env.server() as server:
        with env.case("AC-3"), gstreamer_with_ac3(env, server, "ac-3"):
            with listening(server, "ac-3") as listener:
                settled(env, "AC-3", listener)
            in_chromium(env, server, "ac-3", "AC-3")
        with env.case("E-AC-3"), BuiltPublisher(env, server, "e-ac-3", EnhancedAC3(), seconds=LENGTH):
            with listening(server, "e-ac-3") as listener:
                settled(env, "E-AC-3", listener)
            in_chromium(env, server, "e-ac-3", "E-AC-3")


@test("conversion adds no more than it may")
def delay(env):
    """From the moment at which the frame with the beginning of a beep is sent to that at which its Opus has come."""
    need_transcoder(env)
    require("ffmpeg")
    with env.server() as server, BuiltPublisher(env, server, "cam", GenericAAC(), seconds=LENGTH) as publisher:
        with listening(server, "cam") as listener:
            until(lambda: listener.packets[AUDIO], 20, "sound comes")
            time.sleep(SETTLE)
            listener.forget()
            time.sleep(SECONDS)
            heard = listener.onsets()
            # The frame that was sent last before a whole second of the stream's time has its beginning in it.
            sent = {round(begin): at for begin, at in publisher.sent if begin <= round(begin) < begin + 1024 / 48_000}
            added = [1000 * (arrival - max(at for at in sent.values() if at <= arrival)) for arrival in heard]
            check(len(added) >= 3, f"{len(added)} beeps")
            value = statistics.median(added)
            print(f"      {value:.0f} ms from sending to receiving ({min(added):.0f} to {max(added):.0f})", flush=True)
            env.budget("from AAC to Opus", value, ADDED_LIMIT_MILLISECONDS, 250, "ms")


def check_pictures(listener, begun, seconds):
    """Pictures come steadily from `begun` on."""
    arrivals = sorted(arrival for (kind, _), arrival in listener.arrivals.items() if kind == VIDEO)
    gaps = [(later - earlier, earlier - begun) for earlier, later in zip(arrivals, arrivals[1:])]
    longest, place = max(gaps)
    timestamps = {timestamp for _, timestamp, _ in listener.packets[VIDEO]}
    print(f"      {len(timestamps)} pictures in {seconds} s, the longest gap {longest:.2f} s", flush=True)
    check(len(timestamps) >= 25 * seconds, f"{len(timestamps)} pictures in {seconds} s")
    check(longest < 1, f"no picture for {longest:.2f} s, {place:.1f} s after the beginning")


def noise(frame, seed):
    return random.Random(seed).randbytes(len(frame))


DAMAGES = [
    ("noise in place of frames", noise),
    ("frames cut off", lambda frame, seed: frame[:max(1, random.Random(seed).randrange(len(frame)))]),
    ("frames with single bits turned over", lambda frame, seed: bytes(
        byte ^ (1 << random.Random(seed + place).randrange(8) if place % 29 == seed % 29 else 0)
        for place, byte in enumerate(frame))),
]


@test("damaged sound holds no picture up and comes back when it is whole")
def damaged(env):
    need_transcoder(env)
    require("ffmpeg")
    with env.server() as server:
        for name, damage in DAMAGES:
            with env.case(name):
                room = name.replace(" ", "-")

                def damaged(frame, time):
                    is_damaged = DAMAGE_BEGINS <= time < DAMAGE_ENDS
                    return damage(frame, round(time * 1000)) if is_damaged else frame

                before = server.metrics()[0]["martlet_sound_damaged_frames_total"]
                with BuiltPublisher(env, server, room, GenericAAC(damaged), seconds=LENGTH) as publisher:
                    with listening(server, room) as listener:
                        until(lambda: listener.packets[VIDEO], 20, "pictures come")
                        listener.forget()
                        begun = time.monotonic()
                        until(lambda: publisher.sent and publisher.sent[-1][0] > DAMAGE_ENDS, 40, "the damage is over")
                        check_pictures(listener, begun, time.monotonic() - begun)
                        settled(env, f"after {name}", listener)
                count = server.metrics()[0]["martlet_sound_damaged_frames_total"] - before
                print(f"      {count:.0f} frames could not be decoded", flush=True)
                check(count > 0, "nothing was damaged")


@test("ffmpeg that damages its own sound holds no picture up")
def damaged_by_ffmpeg(env):
    need_transcoder(env)
    require("ffmpeg")
    with env.server() as server:
        command = ["ffmpeg", "-v", "error", "-re", *sync.FLASH, "-re", *sync.BEEP, *H264, "-c:a", "aac", "-bsf:a", "noise=amount=20",
                   "-f", "rtsp", "-rtsp_transport", "tcp", server.rtsp("cam")]
        with publishing(server, "cam", command), listening(server, "cam") as listener:
            until(lambda: listener.packets[VIDEO], 20, "pictures come")
            listener.forget()
            begun = time.monotonic()
            time.sleep(SECONDS)
            check_pictures(listener, begun, SECONDS)
