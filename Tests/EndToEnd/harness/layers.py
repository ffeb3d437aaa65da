"""A bare page of Chromium as a publisher of several layers: encodings of one picture, or layers inside one."""

PUBLISH = """
    async ({ url, codec, encodings }) => {
        const stream = await navigator.mediaDevices.getUserMedia({
            audio: true, video: { width: 960, height: 540, frameRate: 15 } });
        const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        const [audio] = stream.getAudioTracks(), [video] = stream.getVideoTracks();
        connection.addTransceiver(audio, { direction: "sendonly", streams: [stream] });
        const transceiver = connection.addTransceiver(video, {
            direction: "sendonly", streams: [stream], sendEncodings: encodings });
        const codecs = RTCRtpSender.getCapabilities("video").codecs;
        transceiver.setCodecPreferences(codecs.filter(({ mimeType }) => mimeType === "video/" + codec));
        await connection.setLocalDescription();
        const response = await fetch(url, {
            method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription.sdp });
        if (response.status !== 201) throw new Error(`${response.status} ${await response.text()}`);
        const answer = await response.text();
        await connection.setRemoteDescription({ type: "answer", sdp: answer });
        window.published = { connection, sender: transceiver.sender };
        return answer;
    }
"""
LAYERS = """
    async () => {
        const layers = {};
        for (const entry of (await window.published.connection.getStats()).values())
            if (entry.type === "outbound-rtp" && entry.kind === "video") layers[entry.rid] = entry.framesEncoded;
        return layers;
    }
"""
# Three encodings of one picture (simulcast).
THREE_SIZES = [
    {"rid": "q", "scaleResolutionDownBy": 4, "maxBitrate": 150_000},
    {"rid": "h", "scaleResolutionDownBy": 2, "maxBitrate": 400_000},
    {"rid": "f", "maxBitrate": 1_200_000},
]


def publish_layers(page, url, codec, encodings):
    """Publishes from `page`, which leaves its connection in `window.published`; returns the answer."""
    return page.page.evaluate(PUBLISH, {"url": url, "codec": codec, "encodings": encodings})


def layers_flow(page):
    layers = page.evaluate(f"({LAYERS})()")
    return len(layers) == 3 and all(frames > 5 for frames in layers.values())
