"""A bare WHEP viewer in Chromium that says how the picture moved, independent of the project's pages."""

import contextlib
import statistics

from harness.runner import check

WATCH = """
    async ({ url, isMuted }) => {
        const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const video = document.createElement("video");
        video.muted = isMuted;
        video.autoplay = true;
        video.srcObject = new MediaStream();
        connection.ontrack = ({ track }) => video.srcObject.addTrack(track);
        document.body.replaceChildren(video);
        for (const kind of ["audio", "video"]) connection.addTransceiver(kind, { direction: "recvonly" });
        await connection.setLocalDescription();
        const response = await fetch(url, {
            method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription.sdp });
        if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
        await connection.setRemoteDescription({ type: "answer", sdp: await response.text() });
        const viewer = window.viewer = { connection, longestGap: 0, lastFrame: 0 };
        const shown = (now) => {
            if (viewer.lastFrame) viewer.longestGap = Math.max(viewer.longestGap, now - viewer.lastFrame);
            viewer.lastFrame = now;
            video.requestVideoFrameCallback(shown);
        };
        video.requestVideoFrameCallback(shown);
    }
"""
# The pitch of what is loud, by its zero crossings, as it comes out of the decoder: three values that agree.
PITCH = """
    async ({ seconds }) => {
        const { track } = window.viewer.connection.getReceivers().find(({ track }) => track.kind === "audio");
        const context = new AudioContext({ sampleRate: 48000 });
        await context.resume();
        const analyser = context.createAnalyser();
        analyser.fftSize = 2048;
        context.createMediaStreamSource(new MediaStream([track])).connect(analyser);
        const samples = new Float32Array(analyser.fftSize), found = [];
        const end = performance.now() + 1000 * seconds;
        while (performance.now() < end && found.length < 9) {
            await new Promise((resolve) => setTimeout(resolve, 10));
            analyser.getFloatTimeDomainData(samples);
            // The tone fills the whole window.
            const isLoud = [0, 512, 1024, 1536].every((start) =>
                Math.hypot(...samples.subarray(start, start + 512)) / Math.sqrt(512) > 0.1);
            if (!isLoud) continue;
            const crossings = [];
            for (let index = 1; index < samples.length; index += 1)
                if (samples[index - 1] < 0 && samples[index] >= 0)
                    crossings.push(index - samples[index] / (samples[index] - samples[index - 1]));
            found.push(48000 * (crossings.length - 1) / (crossings.at(-1) - crossings[0]));
        }
        await context.close();
        return found.sort((one, other) => one - other);
    }
"""
STATS = """
    async () => {
        const { connection, longestGap, lastFrame } = window.viewer;
        const stats = { state: connection.connectionState, longestGap: longestGap / 1000,
                        sinceFrame: lastFrame ? (performance.now() - lastFrame) / 1000 : null };
        for (const entry of (await connection.getStats()).values()) {
            if (entry.type === "inbound-rtp") stats[entry.kind] = entry;
            if (entry.type === "candidate-pair" && entry.nominated) stats.roundTrip = entry.currentRoundTripTime;
        }
        return stats;
    }
"""
COUNTERS = ("framesDecoded", "framesDropped", "freezeCount", "totalFreezesDuration", "pliCount", "nackCount",
            "packetsReceived", "packetsLost", "retransmittedPacketsReceived", "jitterBufferDelay",
            "jitterBufferEmittedCount", "keyFramesDecoded")
AUDIO_COUNTERS = ("concealedSamples", "totalSamplesReceived", "packetsReceived", "packetsLost")


class Viewer:
    """Figures are counted from forget() on."""

    def __init__(self, page):
        self.page = page
        self._before = None

    def stats(self):
        return self.page.page.evaluate(f"({STATS})()")

    def until_playing(self, deadline=20):
        try:
            self.page.until(lambda: self.stats().get("video", {}).get("framesDecoded", 0) > 20, deadline, "20 frames")
        except AssertionError as error:
            raise AssertionError(f"{error}: {self.stats()}") from None
        return self

    def until_heard(self, deadline=20):
        """Sound counts as heard on an element that is not muted only."""
        self.page.until(lambda: self.stats().get("audio", {}).get("totalAudioEnergy", 0) > 0.05, deadline, "beeps")
        return self

    def pitch(self, seconds=15):
        """The median frequency of beeps, in Hz."""
        found = self.page.page.evaluate(PITCH, {"seconds": seconds})
        check(len(found) >= 3, f"beeps heard: {found}")
        return statistics.median(found)

    def lip_sync(self, limit, deadline=40):
        """Waits until picture and sound are no more than `limit` milliseconds apart, by Chromium's own account; how many
        the picture that is shown was captured after the sound that is heard."""
        apart = None

        def is_close():
            nonlocal apart
            stats = self.stats()
            playout = [stats.get(kind, {}).get("estimatedPlayoutTimestamp") for kind in ("video", "audio")]
            apart = playout[0] - playout[1] if all(playout) else None
            return apart is not None and abs(apart) <= limit

        try:
            self.page.until(is_close, deadline, "picture and sound together")
        except AssertionError as error:
            raise AssertionError(f"{error}: {apart} ms apart") from None
        return apart

    def forget(self):
        self.page.evaluate("window.viewer.longestGap = 0")
        self._before = self.stats()

    def figures(self):
        now, before = self.stats(), self._before
        seconds = (now["video"]["timestamp"] - before["video"]["timestamp"]) / 1000

        def since(kind, name):
            return now.get(kind, {}).get(name, 0) - before.get(kind, {}).get(name, 0)

        figures = {name: since("video", name) for name in COUNTERS}
        figures["audio"] = {name: since("audio", name) for name in AUDIO_COUNTERS}
        figures["seconds"] = seconds
        figures["freezeRatio"] = figures["totalFreezesDuration"] / seconds
        figures["longestGap"] = max(now["longestGap"], now["sinceFrame"] or 0)
        figures["bufferDelay"] = figures["jitterBufferDelay"] / max(1, figures["jitterBufferEmittedCount"])
        figures["concealed"] = figures["audio"]["concealedSamples"] / max(1, figures["audio"]["totalSamplesReceived"])
        figures["roundTrip"] = now.get("roundTrip")
        figures["state"] = now["state"]
        return figures

    def close(self):
        self.page.evaluate("window.viewer.connection.close()")


@contextlib.contextmanager
def viewer(environment, server, room, relay=None, is_muted=True):
    """A viewer that has begun to connect, through the relay if there is one."""
    with environment.browser.page(f"{server.origin}/rooms") as page:
        if relay is not None:
            relay.attach(page.page)
        page.page.evaluate(WATCH, {"url": server.whep(room), "isMuted": is_muted})
        made = Viewer(page)
        yield made
        check(not page.complaints, f"the console has {page.complaints}")
