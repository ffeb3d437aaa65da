"""Chromium publishing three encodings of one picture: viewers get the highest, and another one when it stops."""

from harness.browser import wait_until_playing, watch_page
from harness.runner import check, test, until

PUBLISH = """
    async ({ url, codec }) => {
        const stream = await navigator.mediaDevices.getUserMedia({
            audio: true, video: { width: 960, height: 540, frameRate: 15 } });
        const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const [audio] = stream.getAudioTracks(), [video] = stream.getVideoTracks();
        connection.addTransceiver(audio, { direction: "sendonly", streams: [stream] });
        const transceiver = connection.addTransceiver(video, {
            direction: "sendonly", streams: [stream], sendEncodings: [
                { rid: "q", scaleResolutionDownBy: 4, maxBitrate: 150000 },
                { rid: "h", scaleResolutionDownBy: 2, maxBitrate: 400000 },
                { rid: "f", maxBitrate: 1200000 }] });
        const codecs = RTCRtpSender.getCapabilities("video").codecs;
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === "video/" + codec));
        await connection.setLocalDescription();
        const response = await fetch(url, {
            method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription.sdp });
        if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
        const answer = await response.text();
        await connection.setRemoteDescription({ type: "answer", sdp: answer });
        window.simulcast = { connection, sender: transceiver.sender };
        return answer;
    }
"""
LAYERS = """
    async () => {
        const layers = {};
        for (const entry of (await window.simulcast.connection.getStats()).values())
            if (entry.type === "outbound-rtp" && entry.kind === "video") layers[entry.rid] = entry.framesEncoded;
        return layers;
    }
"""
SWITCH = """
    async (active) => {
        const parameters = window.simulcast.sender.getParameters();
        for (const encoding of parameters.encodings)
            if (encoding.rid === "f") encoding.active = active;
        await window.simulcast.sender.setParameters(parameters);
    }
"""


def layers_flow(page):
    layers = page.evaluate(f"({LAYERS})()")
    return len(layers) == 3 and all(frames > 5 for frames in layers.values())


@test("Chromium simulcast: the highest layer is seen, and another one when it stops")
def simulcast(env):
    with env.server() as server:
        for codec in ("VP8", "H264"):
            room = f"simulcast-{codec.lower()}"
            with env.case(codec), env.browser.page(f"{server.origin}/", cameras=True) as publisher:
                answer = publisher.page.evaluate(PUBLISH, {"url": server.whip(room), "codec": codec})
                check("a=simulcast:recv q;h;f" in answer, "the answer takes three layers")
                publisher.until(lambda: layers_flow(publisher), 20, "three layers are encoded")
                with watch_page(env, server, room) as viewer:
                    wait_until_playing(viewer)
                    viewer.until(lambda: viewer.stats()["width"] == 960, 10, "the highest layer")
                    publisher.page.evaluate(SWITCH, False)
                    viewer.until(lambda: viewer.stats()["width"] == 480, 10, "the middle layer when the highest stops")
                    before = viewer.stats()["framesDecoded"]
                    viewer.until(lambda: viewer.stats()["framesDecoded"] > before + 20, 5, "it moves")
                    publisher.page.evaluate(SWITCH, True)
                    viewer.until(lambda: viewer.stats()["width"] == 960, 10, "the highest layer again")
                    viewer.screenshot(f"simulcast {codec}")
                    viewer.check_is_quiet()
                publisher.evaluate("window.simulcast.connection.close()")
                # No DELETE: the DTLS close_notify alone ends the session.
                until(lambda: server.room(room) is None, 2, "the room is gone with its publisher")
