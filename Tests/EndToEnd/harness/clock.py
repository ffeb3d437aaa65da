"""Pictures that show the time they were made, and FFmpeg publishing them over WHIP.

The top third of the picture is a grid of 40 by 4 cells: row 0 holds Unix time in milliseconds modulo 2^32, most
significant bit first, in cells 4 to 35; row 1 its inverse. Whoever decodes a picture knows how old it is.
"""

import subprocess
import threading
import time

import imageio_ffmpeg
import numpy

from harness.runner import ARTIFACTS

COLUMNS, ROWS, FIRST, BITS = 40, 4, 4, 32


def draw(luma, milliseconds):
    height, width = luma.shape
    cell_width, cell_height = width // COLUMNS, height // 12
    luma[: ROWS * cell_height] = 16
    for bit in range(BITS):
        value = milliseconds >> (BITS - 1 - bit) & 1
        for row, shown in ((0, value), (1, 1 - value)):
            left, top = (FIRST + bit) * cell_width, row * cell_height
            luma[top:top + cell_height, left:left + cell_width] = 235 if shown else 16


def read(luma):
    """When a picture was made, in milliseconds modulo 2^32; None when it does not show it, as a damaged one may not."""
    height, width = luma.shape
    cell_width, cell_height = width // COLUMNS, height // 12
    cells = luma[cell_height // 2:ROWS * cell_height:cell_height, cell_width // 2::cell_width] > 125
    value, inverse = cells[0, FIRST:FIRST + BITS], cells[1, FIRST:FIRST + BITS]
    if (value == inverse).any():
        return None
    return int("".join("1" if bit else "0" for bit in value), 2)


class ClockPublisher:
    """FFmpeg sending a clock over noise with a keyframe every `gop_seconds`: over WHIP, without PLI, or over RTSP, as a
    camera would."""

    def __init__(self, url, gop_seconds=10, width=640, height=360, frame_rate=30, kilobits=1500):
        way = ["-f", "rtsp", "-rtsp_transport", "tcp"] if url.startswith("rtsp") else ["-f", "whip"]
        group = str(gop_seconds * frame_rate)
        self.size, self.frame_rate = (width, height), frame_rate
        self.log = open(ARTIFACTS / "ffmpeg-whip.log", "ab")
        self.first_frame = None
        self.frames = 0
        self.process = subprocess.Popen(
            [
                imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-loglevel", "warning", "-nostats",
                "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", f"{width}x{height}", "-r", str(frame_rate),
                "-probesize", "32", "-analyzeduration", "0", "-i", "-",
                "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000",
                "-c:v", "libx264", "-preset", "ultrafast", "-tune", "zerolatency", "-profile:v", "baseline",
                "-bf", "0", "-g", group, "-keyint_min", group, "-sc_threshold", "0", "-b:v", f"{kilobits}k",
                "-pix_fmt", "yuv420p", "-c:a", "libopus", "-b:a", "64k", "-ac", "2", *way, url,
            ],
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=self.log)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stopping.set()
        self._thread.join(5)
        self.process.terminate()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def _run(self):
        width, height = self.size
        noise = numpy.random.default_rng(1)
        strips = [noise.integers(60, 190, (height // 6, width), dtype=numpy.uint8) for _ in range(8)]
        chroma = numpy.full((height // 2, width), 128, numpy.uint8).tobytes()
        luma = numpy.full((height, width), 90, numpy.uint8)
        begin = self.first_frame = time.time()
        try:
            while not self._stopping.is_set():
                delay = begin + self.frames / self.frame_rate - time.time()
                if delay > 0:
                    time.sleep(delay)
                luma[height // 2:height // 2 + height // 6] = strips[self.frames % len(strips)]
                draw(luma, int(time.time() * 1000) & 0xFFFFFFFF)
                self.process.stdin.write(luma.tobytes() + chroma)
                self.process.stdin.flush()
                self.frames += 1
            self.process.stdin.close()
        except (BrokenPipeError, ValueError):
            pass


# Joins over WHEP in a page and reads the clock of every picture shown. Times are in milliseconds from the moment the
# viewer asked for the stream; `figures(seconds)` gives them, with the jitter buffer's delay in the last second.
VIEWER_SCRIPT = """
(() => { window.clockViewer = async (url) => {
  const begun = performance.now();
  const connection = new RTCPeerConnection();
  for (const kind of ['video', 'audio']) connection.addTransceiver(kind, { direction: 'recvonly' });
  const video = document.createElement('video');
  Object.assign(video, { muted: true, autoplay: true, playsInline: true, width: 320, height: 180 });
  document.body.append(video);
  const stream = new MediaStream();
  const ages = [];
  const canvas = new OffscreenCanvas(COLUMNS, ROWS);
  const context = canvas.getContext('2d', { willReadFrequently: true });
  context.imageSmoothingEnabled = false;
  const shown = () => {
    video.requestVideoFrameCallback(shown);
    const at = performance.now();
    context.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 3, 0, 0, COLUMNS, ROWS);
    const pixels = context.getImageData(0, 0, COLUMNS, ROWS).data;
    const bit = (column, row) => pixels[4 * (row * COLUMNS + column)] > 125;
    let time = 0;
    for (let index = 0; index < BITS; index += 1) {
      if (bit(FIRST + index, 0) === bit(FIRST + index, 1)) return;
      time = time * 2 + (bit(FIRST + index, 0) ? 1 : 0);
    }
    const now = Math.round(performance.timeOrigin + at) % 2 ** 32;
    ages.push([at - begun, now - time]);
  };
  video.requestVideoFrameCallback(shown);
  connection.ontrack = ({ track }) => {
    stream.addTrack(track);
    video.srcObject = stream;
  };
  await connection.setLocalDescription(await connection.createOffer());
  const response = await fetch(url, {
    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: connection.localDescription.sdp });
  if (response.status !== 201) throw new Error(`WHEP answered ${response.status}`);
  const resource = new URL(response.headers.get('Location'), url);
  await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  const answered = performance.now() - begun;
  let decoded = null;
  let figures = null;
  const inbound = async (kind) => {
    for (const report of (await connection.getStats()).values()) {
      if (report.type === 'inbound-rtp' && report.kind === kind) return report;
    }
    return null;
  };
  const sleep = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));
  while (decoded === null && performance.now() - begun < 20000) {
    figures = await inbound('video');
    if (figures?.framesDecoded > 0) decoded = performance.now() - begun;
    else await sleep(5);
  }
  const averageDelay = async (kind) => {
    const before = await inbound(kind);
    await sleep(1000);
    const after = await inbound(kind);
    const count = after.jitterBufferEmittedCount - before.jitterBufferEmittedCount;
    return count > 0 ? (after.jitterBufferDelay - before.jitterBufferDelay) / count * 1000 : null;
  };
  await sleep(Math.max(0, 3000 - (performance.now() - begun)));
  const delays = await Promise.all(['video', 'audio'].map(averageDelay));
  figures = await inbound('video');
  await fetch(resource, { method: 'DELETE' });
  connection.close();
  video.remove();
  // At the live edge from the first picture on after which none is old.
  let edge = null;
  for (const [at, age] of ages) {
    if (age > EDGE) edge = null;
    else if (edge === null) edge = at;
  }
  return {
    answered, decoded, shown: ages[0]?.[0] ?? null, edge, videoDelay: delays[0], audioDelay: delays[1],
    age: ages.at(-1)?.[1] ?? null, frames: figures.framesDecoded, dropped: figures.framesDropped,
    freezes: figures.freezeCount, lost: figures.packetsLost, requests: figures.pliCount, nacks: figures.nackCount,
  };
}; })();
""".replace("COLUMNS", str(COLUMNS)).replace("ROWS", str(ROWS)).replace("FIRST", str(FIRST)).replace("BITS", str(BITS))


def viewer_script(edge_milliseconds):
    """`edge_milliseconds`: the age up to which a picture counts as live."""
    return VIEWER_SCRIPT.replace("EDGE", str(edge_milliseconds))
