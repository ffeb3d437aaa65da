"""Flash and beep at once: who publishes them, and how far apart they are where they come out."""

import statistics

import av
import numpy

PERIOD, LENGTH = 1.0, 0.1

# FFmpeg's own: a white picture and a tone during the first tenth of every second.
FLASH = ["-f", "lavfi", "-i",
         f"color=black:s=320x180:r=30,drawbox=c=white:t=fill:enable='lt(mod(t,{PERIOD}),{LENGTH})'"]
BEEP = ["-f", "lavfi", "-i",
        f"aevalsrc='0.5*sin(2*PI*1000*t)*lt(mod(t,{PERIOD}),{LENGTH})':s=48000:c=stereo"]

# A page that publishes them over WHIP. The tone begins when the picture is drawn, to the next block of 128 samples.
PUBLISHER_SCRIPT = """
async (url) => {
  const context = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' });
  await context.resume();
  const tone = context.createOscillator();
  const gain = context.createGain();
  const destination = context.createMediaStreamDestination();
  tone.frequency.value = 1000;
  gain.gain.value = 0;
  tone.connect(gain).connect(destination);
  tone.start();
  const canvas = document.createElement('canvas');
  Object.assign(canvas, { width: 320, height: 180 });
  const picture = canvas.getContext('2d');
  const video = canvas.captureStream(0).getVideoTracks()[0];
  let number = 0;
  setInterval(() => {
    const isOn = number % 30 < 3;
    if (number % 30 === 0) gain.gain.setValueAtTime(0.5, context.currentTime);
    if (number % 30 === 3) gain.gain.setValueAtTime(0, context.currentTime);
    picture.fillStyle = isOn ? 'white' : 'black';
    picture.fillRect(0, 0, 320, 180);
    // Something that changes, or frames are left out.
    picture.fillStyle = `hsl(${number * 7 % 360} 80% 50%)`;
    picture.fillRect(number * 3 % 60, 20, 30, 30);
    video.requestFrame();
    number += 1;
  }, 1000 / 30);
  const connection = new RTCPeerConnection();
  const transceiver = connection.addTransceiver(video, { direction: 'sendonly' });
  const codecs = RTCRtpSender.getCapabilities('video').codecs;
  transceiver.setCodecPreferences(codecs.filter((codec) => codec.mimeType === 'video/H264'));
  connection.addTransceiver(destination.stream.getAudioTracks()[0], { direction: 'sendonly' });
  await connection.setLocalDescription(await connection.createOffer());
  const response = await fetch(url, {
    method: 'POST', headers: { 'Content-Type': 'application/sdp' }, body: connection.localDescription.sdp });
  if (response.status !== 201) throw new Error(`WHIP answered ${response.status}`);
  await connection.setRemoteDescription({ type: 'answer', sdp: await response.text() });
  window.flashAndBeep = connection;
}
"""


class Meter:
    """Finds where flashes and beeps begin, in seconds of whatever clock it is told."""

    def __init__(self):
        self.flashes, self.beeps = [], []
        self._is_lit = self._is_loud = True
        self._quiet_since = None

    def picture(self, time, luma):
        """`luma`: the picture's brightness, rows by columns."""
        height, width = luma.shape
        is_lit = luma[height * 3 // 4:, width * 3 // 4:].mean() > 128
        if is_lit and not self._is_lit:
            self.flashes.append(time)
        self._is_lit = is_lit

    def sound(self, time, samples, rate):
        """`samples`: one channel, from -1 to 1."""
        loud = numpy.flatnonzero(numpy.abs(samples) > 0.1)
        if len(loud) == 0:
            if self._is_loud:
                self._is_loud, self._quiet_since = False, time
            return
        if not self._is_loud and time - self._quiet_since > PERIOD / 4:
            self.beeps.append(time + loud[0] / rate)
        self._is_loud = True

    def offsets(self):
        """How many milliseconds each flash comes after its beep."""
        pairs = [min((flash - beep for beep in self.beeps), key=abs) for flash in self.flashes if self.beeps]
        return [1000 * pair for pair in pairs if abs(pair) < PERIOD / 2]

    def median(self):
        offsets = self.offsets()
        if len(offsets) < 3:
            raise AssertionError(f"{len(self.flashes)} flashes and {len(self.beeps)} beeps")
        return statistics.median(offsets)


def in_file(path, skip=2.0):
    """The median offset in a recording, without its first seconds."""
    meter = Meter()
    with av.open(str(path)) as container:
        begin = None
        for frame in container.decode(container.streams.video[0], container.streams.audio[0]):
            if frame.pts is None:
                continue
            time = float(frame.pts * frame.time_base)
            begin = time if begin is None else begin
            if time < begin + skip:
                continue
            if isinstance(frame, av.VideoFrame):
                meter.picture(time, frame.reformat(format="gray8").to_ndarray())
            else:
                samples = frame.to_ndarray()
                channels = 1 if frame.format.is_planar else len(frame.layout.channels)
                scale = 32768 if samples.dtype == numpy.int16 else 1
                meter.sound(time, samples[0][::channels] / scale, frame.sample_rate)
    return meter.median()
