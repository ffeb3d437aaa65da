// A WHIP and WHEP client without a page around it: every step can be asked for by itself. Evaluated into a page of the
// server's origin; what it can do is in window.peer.
window.peer = (() => {
    let connection, session, etag, lastAnswer, video;
    const FRAGMENT = "application/trickle-ice-sdpfrag";

    const credentials = (text) => ({
        ufrag: /^a=ice-ufrag:(\S+)/m.exec(text)[1],
        pwd: /^a=ice-pwd:(\S+)/m.exec(text)[1],
    });

    // What a browser needs of an answer after a restart: the same, with the fragment's credentials and candidates.
    function restarted(answer, fragment) {
        const { ufrag, pwd } = credentials(fragment);
        const candidates = fragment.split(/\r?\n/).filter((line) => line.startsWith("a=candidate:"));
        let first = true;
        return answer.split(/\r?\n/).flatMap((line) => {
            if (line.startsWith("a=ice-ufrag:")) return [`a=ice-ufrag:${ufrag}`];
            if (line.startsWith("a=ice-pwd:")) return [`a=ice-pwd:${pwd}`];
            if (!line.startsWith("a=candidate:")) return [line];
            const all = first ? candidates : [];
            first = false;
            return all;
        }).join("\r\n");
    }

    async function start({ url, mode, codec, onlyTCP }) {
        connection = new RTCPeerConnection();
        if (mode === "publish") {
            const stream = await navigator.mediaDevices.getUserMedia({ video: { width: 640, height: 360 }, audio: true });
            for (const track of stream.getTracks()) {
                connection.addTransceiver(track, { direction: "sendonly", streams: [stream] });
            }
        } else {
            connection.addTransceiver("video", { direction: "recvonly" });
            connection.addTransceiver("audio", { direction: "recvonly" });
            video = document.createElement("video");
            video.muted = true;
            video.autoplay = true;
            document.body.append(video);
            const stream = new MediaStream();
            connection.ontrack = (event) => {
                stream.addTrack(event.track);
                video.srcObject = stream;
                video.play();
            };
        }
        if (codec) {
            const own = connection.getTransceivers().find((one) => (one.sender.track ?? one.receiver.track).kind === "video");
            own.setCodecPreferences(RTCRtpReceiver.getCapabilities("video").codecs
                .filter((one) => one.mimeType.toLowerCase() === `video/${codec.toLowerCase()}`));
        }
        await connection.setLocalDescription(await connection.createOffer());
        const response = await fetch(url, {
            method: "POST", headers: { "Content-Type": "application/sdp" }, body: connection.localDescription.sdp,
        });
        if (response.status !== 201) throw new Error(`POST: ${response.status} ${await response.text()}`);
        session = response.headers.get("Location");
        etag = response.headers.get("ETag");
        lastAnswer = await response.text();
        if (onlyTCP) {
            lastAnswer = lastAnswer.split(/\r?\n/).filter((line) => !/^a=candidate:\S+ \d+ udp /i.test(line)).join("\r\n");
        }
        await connection.setRemoteDescription({ type: "answer", sdp: lastAnswer });
        return lastAnswer;
    }

    async function restart() {
        connection.restartIce();
        await connection.setLocalDescription(await connection.createOffer());
        const { ufrag, pwd } = credentials(connection.localDescription.sdp);
        const response = await fetch(session, {
            method: "PATCH", headers: { "Content-Type": FRAGMENT, "If-Match": etag },
            body: `a=ice-ufrag:${ufrag}\r\na=ice-pwd:${pwd}\r\n`,
        });
        const fragment = await response.text();
        if (response.status !== 200) throw new Error(`PATCH: ${response.status} ${fragment}`);
        etag = response.headers.get("ETag");
        lastAnswer = restarted(lastAnswer, fragment);
        await connection.setRemoteDescription({ type: "answer", sdp: lastAnswer });
        return { etag, ...credentials(fragment) };
    }

    async function stats() {
        const figures = { state: connection.connectionState, ice: connection.iceConnectionState };
        const all = new Map();
        (await connection.getStats()).forEach((one) => all.set(one.id, one));
        for (const one of all.values()) {
            if (one.type === "inbound-rtp" && one.kind === "video") {
                Object.assign(figures, {
                    framesDecoded: one.framesDecoded ?? 0, freezeCount: one.freezeCount ?? 0,
                    freezeSeconds: one.totalFreezesDuration ?? 0, packetsLost: one.packetsLost,
                });
            }
            if (one.type === "outbound-rtp" && one.kind === "video") figures.framesSent = one.framesSent ?? 0;
            if (one.type === "transport" && one.selectedCandidatePairId) {
                const pair = all.get(one.selectedCandidatePairId);
                const local = all.get(pair.localCandidateId), remote = all.get(pair.remoteCandidateId);
                Object.assign(figures, {
                    localPort: local.port, localUfrag: local.usernameFragment, protocol: local.protocol,
                    tcpType: local.tcpType, remoteAddress: remote.address, remotePort: remote.port,
                });
            }
        }
        return figures;
    }

    async function leave() {
        connection.close();
        return (await fetch(session, { method: "DELETE" })).status;
    }

    return { start, restart, stats, leave };
})();
