"""Sound and picture stay together between WebRTC and RTSP (RTSP-27)."""

import contextlib
import struct
import subprocess
import time

import av

from cases.rtsp import H264, OPUS, publishing, require
from harness import sync
from harness.raw_peer import RawViewer, rtcp_packets
from harness.rtsp_decoder import H264Units
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


class FlashViewer(RawViewer):
    """A WHEP viewer that keeps what it gets, and says by the sender reports how far apart flash and beep are."""

    def __init__(self, url):
        super().__init__(url)
        self.packets, self.reports = [], {}

    def received_rtp(self, packet):
        super().received_rtp(packet)
        self.packets.append(packet)

    def received_rtcp(self, compound):
        for kind, _, body in rtcp_packets(compound):
            if kind == 200:
                ssrc, ntp, timestamp = struct.unpack_from(">IQI", body)
                self.reports[ssrc] = (ntp / (1 << 32), timestamp)

    def _time(self, ssrc, timestamp, rate):
        ntp, reported = self.reports[ssrc]
        return ntp + ((timestamp - reported + (1 << 31)) % (1 << 32) - (1 << 31)) / rate

    def offset(self, skip=2.0):
        """In milliseconds, without the first seconds."""
        meter, units = sync.Meter(), H264Units()
        video, audio = av.CodecContext.create("h264", "r"), av.CodecContext.create("libopus", "r")
        video.thread_count = 1
        begin, first = None, {}
        for packet in self.packets:
            first.setdefault(packet[8:12], int.from_bytes(packet[2:4], "big"))

        def place(packet):
            number = int.from_bytes(packet[2:4], "big")
            return packet[8:12], (number - first[packet[8:12]] + 1000) & 0xFFFF

        for packet in sorted(self.packets, key=place):
            kind, _, timestamp, ssrc = struct.unpack_from(">xBHII", packet)
            if ssrc not in self.reports:
                continue
            start = 12 + 4 * (packet[0] & 15)
            if packet[0] & 0x10:
                start += 4 + 4 * int.from_bytes(packet[start + 2:start + 4], "big")
            time = self._time(ssrc, timestamp, 48000 if kind & 127 == 111 else 90000)
            if kind & 127 == 111:
                begin = time if begin is None else begin
                for frame in audio.decode(av.Packet(packet[start:])):
                    if time > begin + skip:
                        samples = frame.to_ndarray()
                        channels = 1 if frame.format.is_planar else len(frame.layout.channels)
                        scale = 32768 if samples.dtype.kind == "i" else 1
                        meter.sound(time, samples[0][::channels] / scale, frame.sample_rate)
                continue
            unit = units.push(packet[start:], kind & 0x80)
            for frame in video.decode(av.Packet(unit)) if unit else []:
                meter.picture(time, frame.to_ndarray(format="gray8"))
        return meter.median()


@test("rtsp to webrtc keeps sound and picture together")
def to_webrtc(env):
    """By RTP times and sender reports, as browsers synchronise; Opus is passed through, so nothing but times can differ."""
    require("ffmpeg")
    for transport in ("tcp", "udp"):
        with env.server() as server, env.case(f"FFmpeg over {transport}, seen by WHEP"):
            command = ["ffmpeg", "-v", "error", "-re", *sync.FLASH, "-re", *sync.BEEP, *H264, *OPUS, "-f", "rtsp",
                       "-rtsp_transport", transport, server.rtsp("flash")]
            with publishing(server, "flash", command):
                viewer = FlashViewer(server.whep("flash")).start()
                time.sleep(SECONDS)
                viewer.leave()
                offset = viewer.offset()
            print(f"      flash {offset:+.0f} ms after the beep", flush=True)
            env.budget(f"FFmpeg over {transport}, seen by WHEP, flash and beep apart", abs(offset), LIMIT_MILLISECONDS, 120, "ms")
