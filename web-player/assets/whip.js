// A WHIP publisher (RFC 9725): sends one MediaStream into one room.

import { Session } from "./session.js";

const START_KILOBITS = 1500;
/** Three sizes of one picture, smallest first, as browsers want them; shares of the bitrate chosen for the largest. */
const LAYERS = [
    { rid: "q", scaleResolutionDownBy: 4, share: 0.1, least: 100_000 },
    { rid: "h", scaleResolutionDownBy: 2, share: 0.3, least: 250_000 },
    { rid: "f", scaleResolutionDownBy: 1, share: 1, least: 0 },
];

export class WHIPPublisher extends Session {
    #senders = {};

    /** `codec` is a video codec's name (H264, VP8, VP9, AV1) or empty for the browser's own order. */
    constructor(room, token, { stream, codec = "", maxBitrate = 2_500_000, simulcast = false }) {
        super(`/${room.path}/whip`, token);
        this.stream = stream;
        this.codec = codec;
        this.maxBitrate = maxBitrate;
        this.simulcast = simulcast;
    }

    prepare(connection) {
        const [audio] = this.stream.getAudioTracks();
        const [video] = this.stream.getVideoTracks();
        this.#senders = {};
        const init = { direction: "sendonly", streams: [this.stream] };
        if (audio) this.#senders.audio = connection.addTransceiver(audio, init).sender;
        if (video) {
            const transceiver = connection.addTransceiver(video, { ...init, sendEncodings: this.#encodings() });
            const preferred = preferredCodecs(this.codec);
            if (preferred.length > 0) transceiver.setCodecPreferences(preferred);
            this.#senders.video = transceiver.sender;
        }
    }

    /** Sends another stream in place of the present one; with a kind of media that was not there, in a new session. */
    async replace(stream) {
        this.stream = stream;
        const tracks = { audio: stream.getAudioTracks()[0], video: stream.getVideoTracks()[0] };
        const isNew = Object.entries(tracks).some(([kind, track]) => track && !this.#senders[kind]);
        if (isNew) return this.renew("Sending picture and sound anew.");
        for (const [kind, sender] of Object.entries(this.#senders)) await sender.replaceTrack(tracks[kind] ?? null);
    }

    async setMaxBitrate(bits) {
        this.maxBitrate = bits;
        const sender = this.#senders.video;
        if (!sender) return;
        const parameters = sender.getParameters();
        const encodings = this.#encodings();
        parameters.encodings.forEach((encoding, index) => (encoding.maxBitrate = encodings[index].maxBitrate));
        await sender.setParameters(parameters);
    }

    #encodings() {
        if (!this.simulcast) return [{ maxBitrate: this.maxBitrate }];
        // VP9 and AV1 make one stream of several layers unless each is told to be a stream of its own.
        const mode = ["VP9", "AV1"].includes(this.codec) ? { scalabilityMode: "L1T1" } : {};
        return LAYERS.map(({ rid, scaleResolutionDownBy, share, least }) => ({
            rid,
            scaleResolutionDownBy,
            maxBitrate: Math.min(this.maxBitrate, Math.max(least, Math.round(this.maxBitrate * share))),
            ...mode,
        }));
    }

    /** Chromium begins with 300 kbit/s and a small picture, and takes its time to leave it; this begins higher. */
    adapt(answer) {
        const total = this.#encodings().reduce((sum, encoding) => sum + encoding.maxBitrate, 0);
        const start = Math.round(this.simulcast ? total / 1000 : Math.min(total / 1000, START_KILOBITS));
        let inVideo = false;
        const types = new Set();
        const lines = answer.split("\r\n").map((line) => {
            if (line.startsWith("m=")) inVideo = line.startsWith("m=video ");
            const match = inVideo && /^a=fmtp:(\d+) /.exec(line);
            if (!match) return line;
            types.add(match[1]);
            return `${line};x-google-start-bitrate=${start}`;
        });
        return lines
            .flatMap((line) => {
                const match = /^a=rtpmap:(\d+) (H264|VP8|VP9|AV1)\//i.exec(line);
                if (!match || types.has(match[1])) return [line];
                return [line, `a=fmtp:${match[1]} x-google-start-bitrate=${start}`];
            })
            .join("\r\n");
    }

    /** Two pages that both come back by themselves would take the room from each other for ever. */
    obstacle(reason) {
        return reason === "replaced" ? "Somebody else has taken over this room." : "";
    }

    problem(status, detail) {
        if (status === 409) {
            // After a loss it is this page's own session that the server still keeps, until it notices.
            if (this.hasBeenLive) return { message: "The room is still held by the connection that was lost." };
            return { message: `Somebody is already publishing in this room. ${detail}`.trim(), permanent: true };
        }
        if (status === 503) return { message: `The server is full. ${detail}`.trim() };
        if ([406, 415, 422].includes(status)) {
            return { message: detail || "The server cannot take this.", permanent: true };
        }
        return null;
    }
}

/** The codecs of that name, and retransmission; empty when the browser has none or no choice was made. */
function preferredCodecs(name) {
    const codecs = RTCRtpSender.getCapabilities?.("video")?.codecs ?? [];
    const chosen = codecs.filter((codec) => codec.mimeType.toLowerCase() === "video/" + name.toLowerCase());
    if (chosen.length === 0) return [];
    return [...chosen, ...codecs.filter((codec) => codec.mimeType.toLowerCase() === "video/rtx")];
}

/** The names of the video codecs this browser can send, of those a room takes. */
export function sendableCodecs() {
    const codecs = RTCRtpSender.getCapabilities?.("video")?.codecs ?? [];
    const names = new Set(codecs.map((codec) => codec.mimeType.slice("video/".length).toUpperCase()));
    return ["H264", "VP8", "VP9", "AV1"].filter((name) => names.has(name));
}
