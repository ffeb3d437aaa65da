// Turns getStats() reports into the few figures a person wants, with rates taken between two readings.

const NTP_TO_UNIX_MILLISECONDS = 2_208_988_800_000;
const LONGEST_LATENCY = 60_000;

export class StatisticsReader {
    #last = null;

    /** Figures of the connection now, or null without one. Rates are null in the first reading. */
    async read(connection) {
        if (!connection) return null;
        const report = await connection.getStats();
        const all = [...report.values()];
        const of = (type, kind) => all.filter((one) => one.type === type && one.kind === kind);
        const codec = (stream) => report.get(stream?.codecId)?.mimeType?.split("/")[1] ?? null;
        const pair = selectedPair(report, all);
        // The largest encoding stands for the picture; the others are in `layers`.
        const width = (layer) => layer.frameWidth ?? 0;
        const layers = of("outbound-rtp", "video").sort((one, other) => width(other) - width(one));

        const figures = {
            at: performance.now(),
            roundTripMilliseconds: pair?.currentRoundTripTime === undefined ? null : pair.currentRoundTripTime * 1000,
            inbound: { video: of("inbound-rtp", "video")[0], audio: of("inbound-rtp", "audio")[0] },
            outbound: { video: layers[0], audio: of("outbound-rtp", "audio")[0] },
            layers,
            microphone: of("media-source", "audio")[0] ?? null,
        };
        figures.videoCodec = codec(figures.inbound.video ?? layers.find((layer) => layer.codecId));
        figures.audioCodec = codec(figures.inbound.audio ?? figures.outbound.audio);
        figures.reported = of("remote-inbound-rtp", "video")[0] ?? of("remote-inbound-rtp", "audio")[0] ?? null;
        const before = this.#last?.connection === connection ? this.#last.figures : null;
        figures.rates = rates(figures, before);
        figures.latency = latency(figures, of("remote-outbound-rtp", "video")[0]);
        this.#last = { connection, figures };
        return figures;
    }
}

const firstBytes = (layer) => layer.bytesSent - (layer.retransmittedBytesSent ?? 0);

function rates(now, before) {
    const seconds = before ? (now.at - before.at) / 1000 : 0;
    const change = (pick) => {
        const [value, earlier] = [pick(now) ?? null, (before && pick(before)) ?? null];
        return value === null || earlier === null ? null : value - earlier;
    };
    const perSecond = (value) => (value === null || seconds < 0.2 ? null : value / seconds);
    const sum = (streams, key) => {
        const values = streams.map((stream) => stream?.[key]).filter((value) => value !== undefined);
        return values.length === 0 ? null : values.reduce((total, value) => total + value, 0);
    };
    const received = (figures) => [figures.inbound.video, figures.inbound.audio];
    const sent = (figures) => [...figures.layers, figures.outbound.audio];
    const perUnit = (total, count, key = "video") => {
        const [spent, units] = [change((one) => one.inbound[key]?.[total]), change((one) => one.inbound[key]?.[count])];
        return spent === null || !units ? null : (spent / units) * 1000;
    };
    const lost = change((one) => sum(received(one), "packetsLost"));
    const arrived = change((one) => sum(received(one), "packetsReceived"));
    const expected = lost === null || arrived === null ? 0 : lost + arrived;
    const bits = (value) => (value === null ? null : Math.max(0, value) * 8);
    return {
        receivedBits: bits(perSecond(change((one) => sum(received(one), "bytesReceived")))),
        sentBits: bits(perSecond(change((one) => sum(sent(one), "bytesSent")))),
        framesDecoded: perSecond(change((one) => one.inbound.video?.framesDecoded)),
        framesEncoded: perSecond(change((one) => one.outbound.video?.framesEncoded)),
        lossFraction: expected <= 0 ? null : Math.max(0, lost) / expected,
        jitterBufferMilliseconds:
            perUnit("jitterBufferDelay", "jitterBufferEmittedCount") ??
            perUnit("jitterBufferDelay", "jitterBufferEmittedCount", "audio"),
        decodeMilliseconds: perUnit("totalDecodeTime", "framesDecoded"),
        layers: now.layers.map((layer) => {
            const same = (figures) => figures.layers.find((one) => one.id === layer.id);
            return {
                // Browsers probe the link with packets sent again, all on one of the layers.
                bits: bits(perSecond(change((one) => same(one) && firstBytes(same(one))))),
                frames: perSecond(change((one) => same(one)?.framesEncoded)),
            };
        }),
    };
}

/**
 * How far the picture is behind, in milliseconds. Where the sender's reports tell its clock, that is the time since the
 * frame on the screen was captured, whatever the two clocks show; else what is known of the way from the server here.
 */
function latency(figures, senderReport) {
    const { rates, roundTripMilliseconds: roundTrip } = figures;
    const playout = figures.inbound.video?.estimatedPlayoutTimestamp;
    if (playout && senderReport?.remoteTimestamp && roundTrip !== null) {
        const shown = playout > NTP_TO_UNIX_MILLISECONDS ? playout - NTP_TO_UNIX_MILLISECONDS : playout;
        const { timestamp } = figures.inbound.video;
        const senderNow = senderReport.remoteTimestamp + roundTrip / 2 + (timestamp - senderReport.timestamp);
        const behind = senderNow - shown;
        if (behind > 0 && behind < LONGEST_LATENCY) return { milliseconds: behind, isMeasured: true };
    }
    if (roundTrip === null || rates.jitterBufferMilliseconds === null) return null;
    const milliseconds = roundTrip / 2 + rates.jitterBufferMilliseconds + (rates.decodeMilliseconds ?? 0);
    return { milliseconds, isMeasured: false };
}

function selectedPair(report, all) {
    const transport = all.find((one) => one.type === "transport" && one.selectedCandidatePairId);
    if (transport) return report.get(transport.selectedCandidatePairId);
    return all.find((one) => one.type === "candidate-pair" && one.nominated && one.state === "succeeded");
}

/** Fills a <dl> with rows of [term, value, explanation]; rows are made once and then only their values change. */
export function showRows(list, rows) {
    for (const [term, value, explanation] of rows) {
        let row = [...list.children].find((child) => child.dataset.term === term);
        if (!row) {
            row = document.createElement("div");
            row.dataset.term = term;
            if (explanation) row.title = explanation;
            row.append(document.createElement("dt"), document.createElement("dd"));
            row.firstChild.textContent = term;
            list.append(row);
        }
        if (row.lastChild.textContent !== value) row.lastChild.textContent = value;
    }
}

export const figure = (value, unit = "", digits = 0) =>
    value === null || value === undefined || Number.isNaN(value) ? "–" : value.toFixed(digits) + unit;

export const percent = (fraction) => figure((fraction ?? NaN) * 100, " %", 1);
