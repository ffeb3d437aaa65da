"""A bare WHEP viewer in Chromium that says how the picture moved, independent of the project's pages."""

import contextlib

from harness.runner import check

WATCH = """
    async ({ url }) => {
        const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const video = document.createElement("video");
        video.muted = true;
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
def viewer(environment, server, room, relay=None):
    """A viewer that has begun to connect, through the relay if there is one."""
    with environment.browser.page(f"{server.origin}/rooms") as page:
        if relay is not None:
            relay.attach(page.page)
        page.page.evaluate(WATCH, {"url": server.whep(room)})
        made = Viewer(page)
        yield made
        check(not page.complaints, f"the console has {page.complaints}")
