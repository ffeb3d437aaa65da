// Turns getStats() reports into the few figures a person wants, with rates taken between two readings.

export class StatisticsReader {
    #last = null;

    /** Figures of the connection now, or null without one. Rates are null in the first reading. */
    async read(connection) {
        if (!connection) return null;
        const report = await connection.getStats();
        const all = [...report.values()];
        const media = (type, kind) => all.find((one) => one.type === type && one.kind === kind);
        const codec = (stream) => report.get(stream?.codecId)?.mimeType?.split("/")[1] ?? null;
        const pair = selectedPair(report, all);

        const figures = {
            at: performance.now(),
            roundTripMilliseconds: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
            inbound: {
                video: media("inbound-rtp", "video"),
                audio: media("inbound-rtp", "audio"),
            },
            outbound: {
                video: media("outbound-rtp", "video"),
                audio: media("outbound-rtp", "audio"),
            },
        };
        figures.videoCodec = codec(figures.inbound.video ?? figures.outbound.video);
        figures.audioCodec = codec(figures.inbound.audio ?? figures.outbound.audio);
        figures.reported = media("remote-inbound-rtp", "video") ?? media("remote-inbound-rtp", "audio") ?? null;
        figures.rates = this.#rates(connection, figures);
        this.#last = { connection, figures };
        return figures;
    }

    #rates(connection, now) {
        const before = this.#last?.connection === connection ? this.#last.figures : null;
        const seconds = before ? (now.at - before.at) / 1000 : 0;
        const change = (direction, kind, key) => {
            const value = now[direction][kind]?.[key];
            const earlier = before?.[direction][kind]?.[key];
            return value === undefined || earlier === undefined ? null : value - earlier;
        };
        const perSecond = (value) => (value === null || seconds < 0.2 ? null : value / seconds);
        const bits = (direction, key) => {
            const changes = ["video", "audio"].map((kind) => change(direction, kind, key));
            const parts = changes.filter((part) => part !== null);
            return parts.length === 0 ? null : perSecond(parts.reduce((sum, part) => sum + part, 0) * 8);
        };
        const lost = change("inbound", "video", "packetsLost") ?? change("inbound", "audio", "packetsLost");
        const received = change("inbound", "video", "packetsReceived") ?? change("inbound", "audio", "packetsReceived");
        const expected = lost === null || received === null ? 0 : lost + received;
        const buffered = change("inbound", "video", "jitterBufferDelay");
        const emitted = change("inbound", "video", "jitterBufferEmittedCount");
        return {
            receivedBits: bits("inbound", "bytesReceived"),
            sentBits: bits("outbound", "bytesSent"),
            framesDecoded: perSecond(change("inbound", "video", "framesDecoded")),
            framesEncoded: perSecond(change("outbound", "video", "framesEncoded")),
            lossFraction: expected <= 0 ? null : Math.max(0, lost) / expected,
            jitterBufferMilliseconds: buffered === null || !emitted ? null : (buffered / emitted) * 1000,
        };
    }
}

function selectedPair(report, all) {
    const transport = all.find((one) => one.type === "transport" && one.selectedCandidatePairId);
    if (transport) return report.get(transport.selectedCandidatePairId);
    return all.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
}

/** Fills a <dl> with rows of [term, value]; rows are made once and then only their values change. */
export function showRows(list, rows) {
    for (const [term, value] of rows) {
        let row = [...list.children].find((child) => child.dataset.term === term);
        if (!row) {
            row = document.createElement("div");
            row.dataset.term = term;
            row.append(document.createElement("dt"), document.createElement("dd"));
            row.firstChild.textContent = term;
            list.append(row);
        }
        if (row.lastChild.textContent !== value) row.lastChild.textContent = value;
    }
}

export const figure = (value, unit = "", digits = 0) =>
    value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits) + unit;
