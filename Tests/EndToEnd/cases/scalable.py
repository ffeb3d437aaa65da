"""Chromium publishing several layers in one stream (SVC) to Chromium."""

from harness.browser import wait_until_playing, watch_page
from harness.runner import test, until

PUBLISH = """
    async ({ url, codec, mode }) => {
        const stream = await navigator.mediaDevices.getUserMedia({
            audio: true, video: { width: 960, height: 540, frameRate: 15 } });
        const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const [audio] = stream.getAudioTracks(), [video] = stream.getVideoTracks();
        connection.addTransceiver(audio, { direction: "sendonly", streams: [stream] });
        const transceiver = connection.addTransceiver(video, {
            direction: "sendonly", streams: [stream], sendEncodings: [
                { scalabilityMode: mode, maxBitrate: 1500000 }] });
        const codecs = RTCRtpSender.getCapabilities("video").codecs;
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === "video/" + codec));
        await connection.setLocalDescription();
        const response = await fetch(url, {
            method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription.sdp });
        if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
        const answer = await response.text();
        await connection.setRemoteDescription({ type: "answer", sdp: answer });
        window.scalable = { connection, sender: transceiver.sender };
        return answer;
    }
"""
MODE = """
    async () => {
        for (const entry of (await window.scalable.connection.getStats()).values())
            if (entry.type === "outbound-rtp" && entry.kind === "video" && entry.framesEncoded > 5)
                return entry.scalabilityMode ?? "";
        return "";
    }
"""


@test("Chromium SVC: layers inside one stream play to the top")
def scalable(env):
    with env.server() as server:
        for codec, mode in (("VP9", "L3T3_KEY"), ("VP9", "L3T3"), ("AV1", "L1T3"), ("VP8", "L1T3")):
            room = f"scalable-{codec.lower()}-{mode.lower().replace('_', '-')}"
            with env.case(f"{codec} {mode}"), env.browser.page(f"{server.origin}/", cameras=True) as publisher:
                publisher.page.evaluate(PUBLISH, {"url": server.whip(room), "codec": codec, "mode": mode})
                publisher.until(lambda: publisher.page.evaluate(f"({MODE})()") == mode, 20, f"it encodes {mode}")
                with watch_page(env, server, room) as viewer:
                    wait_until_playing(viewer)
                    viewer.until(lambda: viewer.stats()["width"] == 960, 15, "the highest spatial layer")
                    before = viewer.stats()["framesDecoded"]
                    viewer.until(lambda: viewer.stats()["framesDecoded"] > before + 30, 10, "it moves")
                    viewer.check_is_quiet()
                publisher.evaluate("window.scalable.connection.close()")
                until(lambda: server.room(room) is None, 2, "the room is gone with its publisher")
