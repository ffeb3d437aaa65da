// A WHIP publisher (RFC 9725): sends one MediaStream into one room.

import { Session } from "./session.js";

const START_KILOBITS = 1500;

export class WHIPPublisher extends Session {
    /** `codec` is a video codec's name (H264, VP8, VP9, AV1) or empty for the browser's own order. */
    constructor(endpoint, token, { stream, codec = "", maxBitrate = 2_500_000 }) {
        super(endpoint, token);
        this.stream = stream;
        this.codec = codec;
        this.maxBitrate = maxBitrate;
    }

    prepare(connection) {
        const [audio] = this.stream.getAudioTracks();
        const [video] = this.stream.getVideoTracks();
        if (audio) connection.addTransceiver(audio, { direction: "sendonly", streams: [this.stream] });
        if (video) {
            const transceiver = connection.addTransceiver(video, {
                direction: "sendonly",
                streams: [this.stream],
                sendEncodings: [{ maxBitrate: this.maxBitrate }],
            });
            const preferred = preferredCodecs(this.codec);
            if (preferred.length > 0) transceiver.setCodecPreferences(preferred);
        }
    }

    /** Chromium begins at 300 kbit/s and a small picture, and takes a quarter of a minute to leave it; this begins higher. */
    adapt(answer) {
        const start = Math.round(Math.min(this.maxBitrate / 1000, START_KILOBITS));
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

    problem(status) {
        if (status === 409) return { message: "Somebody is already publishing in this room.", permanent: true };
        if (status === 503) return { message: "The server is full." };
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
