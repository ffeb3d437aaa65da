// The watch page: a WHEP viewer, its messages, its figures, and the choice of the layer.

import { bitrateChart, delayChart, lossChart } from "./charts.js";
import { EventStream } from "./feed.js";
import { bitrate, byId, codecName, keepToken, roomOfPage, setState, setText, STATE_LABELS, takeToken } from "./page.js";
import { viewersText, wireCopyButtons, wireTheme } from "./page.js";
import { Player } from "./player.js";
import { figure, percent, showRows, StatisticsReader } from "./statistics.js";
import { WHEPViewer } from "./whep.js";

const STALL_SECONDS = 3;
const room = roomOfPage();
const viewer = new WHEPViewer(`/${room.path}/whep`, takeToken());
const player = new Player(() => viewer.stream);
const reader = new StatisticsReader();
/** Says at once when somebody publishes; needed only while there is no session that would. */
const feed = new EventStream(`/v1/events?room=${encodeURIComponent(room.name)}`, viewer.token);
let lastFrames = 0;
let stalledFor = 0;
let layerProblem = "";

const delays = [{ name: "jitter buffer", className: "one" }, { name: "round trip", className: "two" }];
const charts = [bitrateChart(), delayChart("Delay", delays), lossChart()];

document.title = `${room.name} · Martlet`;
setText(byId("room"), room.name);
byId("room").title = room.name;
byId("publish-here").href = `/${room.path}/publish`;
byId("token").value = viewer.token;
byId("address").textContent = `${location.origin}/${room.path}/`;
byId("charts").append(...charts.map((chart) => chart.root));

function showSession() {
    const stalled = viewer.state === "live" && stalledFor >= STALL_SECONDS;
    const absent = viewer.state === "live" && viewer.extensions?.isActive === false;
    let waiting = absent || stalled ? "The picture has stopped; waiting for the publisher." : "";
    const { stream } = viewer;
    const isSoundOnly = stream.getVideoTracks().length === 0 && stream.getAudioTracks().length > 0;
    if (viewer.state === "live" && !waiting && isSoundOnly) waiting = "Sound only.";
    const labels = viewer.isWaiting ? { ...STATE_LABELS, connecting: "Waiting" } : STATE_LABELS;
    setState(viewer.state, layerProblem || viewer.message || waiting, labels);
    const failed = viewer.state === "failed";
    byId("token-form").hidden = !(failed && /token/.test(viewer.message));
    byId("retry").hidden = !(failed && byId("token-form").hidden) && viewer.retryAt === null;
    if (viewer.state !== "live") stalledFor = 0;
    player.isLive = viewer.state === "live";
    if (viewer.state === "live" || failed) {
        feed.stop();
        viewer.isTold = false;
    } else if (viewer.retryAt !== null && !feed.isStarted) feed.start();
}

function showExtensions() {
    const extensions = viewer.extensions;
    const viewers = extensions?.viewers ?? null;
    setText(byId("viewers"), viewers === null ? "" : viewersText(viewers));
    const select = byId("layer");
    byId("layer-choice").hidden = !extensions?.canChooseLayer;
    if (extensions?.canChooseLayer) {
        const wanted = [{ id: "", label: "Automatic" }, ...extensions.layers];
        while (select.options.length > wanted.length) select.lastElementChild.remove();
        wanted.forEach(({ id, label }, index) => {
            const option = select.options[index] ?? select.appendChild(new Option());
            option.value = id;
            setText(option, label);
        });
        select.value = extensions.chosen;
    }
    showSession();
}

async function chooseLayer() {
    layerProblem = (await viewer.extensions?.choose(byId("layer").value)) ?? "";
    showExtensions();
}

async function readFigures() {
    const figures = await reader.read(viewer.connection);
    const picture = figures?.inbound.video;
    const frames = picture?.framesDecoded ?? 0;
    if (viewer.state === "live" && picture) {
        stalledFor = frames === lastFrames ? stalledFor + 1 : 0;
        if (stalledFor === 0) layerProblem = "";
        showSession();
    }
    lastFrames = frames;
    document.body.dataset.picture = frames > 0 && viewer.state === "live" ? "yes" : "no";
    const { rates, latency } = figures ?? {};
    charts[0].add([rates?.receivedBits]);
    charts[1].add([rates?.jitterBufferMilliseconds, figures?.roundTripMilliseconds]);
    charts[2].add([rates?.lossFraction === null || !rates ? null : rates.lossFraction * 100]);
    if (byId("statistics").hidden) return;
    charts.forEach((chart) => chart.draw());
    const about = latency?.isMeasured
        ? "From the publisher's clock to this screen, by its sender reports."
        : "Half a round trip, the jitter buffer and decoding; the publisher's own way comes on top.";
    showRows(byId("figures"), [
        ["Video", figures?.videoCodec ? codecName(figures.videoCodec) : "–"],
        ["Resolution", picture?.frameWidth ? `${picture.frameWidth} × ${picture.frameHeight}` : "–"],
        ["Frame rate", figure(rates?.framesDecoded, " fps")],
        ["Audio", figures?.audioCodec ? codecName(figures.audioCodec) : "–"],
        ["Bitrate", bitrate(rates?.receivedBits)],
        ["Packet loss", percent(rates?.lossFraction)],
        ["Jitter buffer", figure(rates?.jitterBufferMilliseconds, " ms")],
        ["Round trip", figure(figures?.roundTripMilliseconds, " ms", 1)],
        ["Latency, estimated", figure(latency?.milliseconds, " ms"), about],
        ["Frames dropped", figure(picture?.framesDropped)],
        ["Freezes", figure(picture?.freezeCount)],
        ["Keyframes", figure(picture?.keyFramesDecoded)],
    ]);
}

viewer.addEventListener("statechange", showSession);
viewer.addEventListener("extensionchange", showExtensions);
viewer.addEventListener("trackadded", () => {
    player.attach();
    showSession();
});
for (const type of ["snapshot", "room.created", "room.updated"]) {
    feed.addEventListener(type, ({ data }) => {
        const rooms = data.rooms ?? [data];
        if (rooms.some((one) => one.name === room.name && one.publisher?.connected)) viewer.retryNow();
    });
}
feed.addEventListener("open", () => (viewer.isTold = true));
feed.addEventListener("lost", () => (viewer.isTold = false));
player.addEventListener("statistics", () => readFigures().catch(() => {}));
byId("layer").addEventListener("change", chooseLayer);
byId("retry").addEventListener("click", () => (viewer.retryAt === null ? viewer.start() : viewer.retryNow()));
byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    viewer.token = feed.token = byId("token").value.trim();
    keepToken(viewer.token);
    viewer.start();
});
// A page that comes back out of the browser's memory has given its session away when it left.
addEventListener("pageshow", (event) => event.persisted && viewer.start());

window.martlet = {
    viewer,
    /** A reading for tests and the curious; counts are since the connection began. */
    async stats() {
        const figures = await new StatisticsReader().read(viewer.connection);
        const { video: picture, audio: sound } = figures?.inbound ?? {};
        return {
            state: viewer.state,
            framesDecoded: picture?.framesDecoded ?? 0,
            keyFramesDecoded: picture?.keyFramesDecoded ?? 0,
            framesDropped: picture?.framesDropped ?? 0,
            freezeCount: picture?.freezeCount ?? 0,
            audioSamples: sound?.totalSamplesReceived ?? 0,
            concealedSamples: sound?.concealedSamples ?? 0,
            videoCodec: figures?.videoCodec ?? null,
            audioCodec: figures?.audioCodec ?? null,
            width: picture?.frameWidth ?? 0,
            height: picture?.frameHeight ?? 0,
            packetsLost: (picture?.packetsLost ?? 0) + (sound?.packetsLost ?? 0),
            packetsReceived: (picture?.packetsReceived ?? 0) + (sound?.packetsReceived ?? 0),
            latency: figures?.latency ?? null,
        };
    },
};

wireTheme();
wireCopyButtons();
viewer.start();
setInterval(() => readFigures().catch(() => {}), 1000);
