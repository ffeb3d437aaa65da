// The publish page: a WHIP publisher fed by a camera, a screen or a microphone.

import { capture, listDevices } from "./capture.js";
import { bitrateChart, delayChart, lossChart } from "./charts.js";
import { LevelMeter } from "./meter.js";
import { bitrate, byId, codecName, element, keepToken, remember, remembered, roomOfPage, setState } from "./page.js";
import { setText, takeToken, wireCopyButtons, wireTheme } from "./page.js";
import { figure, percent, showRows, StatisticsReader } from "./statistics.js";
import { sendableCodecs, WHIPPublisher } from "./whip.js";

const CAPTURE_FIELDS = ["camera", "microphone", "size", "sound"];
/** What a session is made with, and what therefore stays as it is while it lasts. */
const SESSION_FIELDS = ["codec", "simulcast", "token"];
const REMEMBERED_FIELDS = ["size", "codec", "bitrate"];
const room = roomOfPage();
const settings = byId("settings");
const preview = byId("preview");
const meter = new LevelMeter(byId("level"));
const reader = new StatisticsReader();
let stream = null;
let notice = "";
let publisher = null;
let captures = 0;
let liveSince = null;
let wakeLock = null;

const charts = [bitrateChart(), delayChart("Round trip", [{ name: "", className: "two" }]), lossChart()];

const source = () => settings.elements.source.value;
const isScreen = (media) => media?.getVideoTracks().some((track) => track.contentHint === "detail") ?? false;
const deviceLists = { videoinput: byId("camera"), audioinput: byId("microphone") };

function wish() {
    const [width, height] = byId("size").value.split("x").map(Number);
    return {
        source: source(), width, height,
        camera: byId("camera").value,
        microphone: byId("microphone").value,
        sound: byId("sound").checked,
    };
}

function show(next) {
    if (stream !== next) stream?.getTracks().forEach((track) => track.stop());
    stream = next;
    preview.srcObject = next;
    meter.follow(next);
    byId("placeholder").hidden = (next?.getVideoTracks().length ?? 0) > 0;
    setText(byId("placeholder").firstElementChild, next ? "Sound only." : "The preview appears here.");
    next?.getTracks().forEach((track) => {
        const button = byId(track.kind === "video" ? "picture-toggle" : "sound-toggle");
        track.enabled = button.getAttribute("aria-pressed") === "true";
        track.addEventListener("ended", () => trackEnded(next));
    });
    showToggles();
}

/** The browser's own "stop sharing", or a device that was unplugged. stop() of the page itself is not told of. */
function trackEnded(of) {
    if (of !== stream) return;
    if (isScreen(stream)) return stop();
    for (const list of Object.values(deviceLists)) list.value = "";
    refresh("A camera or microphone was disconnected. ");
}

/** Takes what the form says: for the preview, and for the session when there is one. */
async function refresh(prefix = "") {
    const mine = ++captures;
    // A screen is asked for only when publishing starts: the browser's picker is in the way.
    if (!publisher && source() === "screen") {
        notice = "";
        show(null);
        return setState("idle");
    }
    try {
        const next = await capture(wish());
        if (mine !== captures) return next.stream.getTracks().forEach((track) => track.stop());
        notice = prefix + next.notice;
        show(next.stream);
        await publisher?.replace(next.stream);
        await listDevices(deviceLists);
    } catch (error) {
        if (mine !== captures) return;
        notice = prefix + error.message;
        if (!publisher) show(null);
    }
    showSession();
}

function showSession() {
    const state = publisher?.state ?? "idle";
    setState(state, publisher?.message || notice);
    if (state === "live") liveSince ??= performance.now();
    keepAwake(publisher !== null);
}

function showForm() {
    const running = publisher !== null;
    for (const id of SESSION_FIELDS) byId(id).disabled = running;
    byId("camera").disabled = source() !== "camera";
    byId("size").disabled = source() === "none";
    byId("microphone").disabled = !byId("sound").checked;
    byId("start").hidden = running;
    byId("start").disabled = false;
    byId("stop").hidden = !running;
    byId("statistics").hidden = !running;
    byId("onair").hidden = !running;
}

function showToggles() {
    const has = (kind) => stream?.getTracks().some((track) => track.kind === kind) ?? false;
    byId("picture-toggle").disabled = !has("video");
    byId("sound-toggle").disabled = !has("audio");
}

function toggle(button, kind) {
    const on = button.getAttribute("aria-pressed") !== "true";
    button.setAttribute("aria-pressed", String(on));
    stream?.getTracks().filter((track) => track.kind === kind).forEach((track) => (track.enabled = on));
}

async function start() {
    if (publisher) return;
    const mine = ++captures;
    byId("start").disabled = true;
    try {
        if (!stream?.active) {
            const next = await capture(wish());
            if (mine !== captures) return next.stream.getTracks().forEach((track) => track.stop());
            notice = next.notice;
            show(next.stream);
        }
    } catch (error) {
        notice = error.message;
        setState("failed", notice);
        return showForm();
    }
    const token = byId("token").value.trim();
    keepToken(token);
    for (const id of REMEMBERED_FIELDS) remember(id, byId(id).value);
    const session = new WHIPPublisher(room, token, {
        stream,
        codec: byId("codec").value,
        maxBitrate: Number(byId("bitrate").value) * 1000,
        simulcast: byId("simulcast").checked,
    });
    publisher = session;
    session.addEventListener("statechange", () => {
        if (publisher !== session) return;
        if (session.state !== "failed") return showSession();
        publisher = null;
        end();
        setState("failed", session.message);
        if (/token/.test(session.message)) byId("token").focus();
    });
    charts.forEach((chart) => chart.clear());
    byId("figures").replaceChildren();
    showForm();
    byId("stop").focus();
    session.start();
}

function end() {
    liveSince = null;
    keepAwake(false);
    showForm();
}

function stop() {
    const ending = publisher;
    publisher = null;
    ending?.stop();
    notice = "";
    end();
    setState("idle");
    byId("start").focus();
    if (source() === "screen") show(null);
    else if (!stream?.active) refresh();
}

/** A phone whose screen goes dark stops sending. */
async function keepAwake(wanted) {
    if (wanted === (wakeLock !== null)) return;
    if (!wanted) {
        const held = await wakeLock;
        wakeLock = null;
        return held?.release();
    }
    wakeLock = navigator.wakeLock?.request("screen").catch(() => null) ?? null;
}

async function readFigures() {
    if (!publisher) return;
    const figures = await reader.read(publisher.connection);
    const { rates, reported } = figures ?? {};
    const picture = figures?.outbound.video;
    const loss = reported?.fractionLost ?? null;
    setText(byId("duration"), duration());
    charts[0].add([rates?.sentBits]);
    charts[1].add([figures?.roundTripMilliseconds]);
    charts[2].add([loss === null ? null : loss * 100]);
    charts.forEach((chart) => chart.draw());
    const aboutLimit = "What keeps the encoder below the chosen size and bitrate";
    showRows(byId("figures"), [
        ["Video", figures?.videoCodec ? codecName(figures.videoCodec) : "–"],
        ["Resolution", picture?.frameWidth ? `${picture.frameWidth} × ${picture.frameHeight}` : "–"],
        ["Frame rate", figure(rates?.framesEncoded, " fps")],
        ["Audio", figures?.audioCodec ? codecName(figures.audioCodec) : "–"],
        ["Bitrate", bitrate(rates?.sentBits)],
        ["Packet loss", percent(loss)],
        ["Round trip", figure(figures?.roundTripMilliseconds, " ms", 1)],
        ["Limited by", picture?.qualityLimitationReason ?? "–", aboutLimit],
        ["Keyframe requests", figure(picture?.pliCount)],
    ]);
    showLayers(figures);
}

function showLayers(figures) {
    const encodings = publisher?.simulcast ? (figures?.layers ?? []) : [];
    const layers = encodings.map((layer, index) => ({ ...layer, ...figures.rates.layers[index] }));
    layers.sort((one, other) => String(one.rid).localeCompare(String(other.rid)));
    byId("layers").hidden = layers.length === 0;
    const body = byId("layers").tBodies[0];
    while (body.rows.length > layers.length) body.lastElementChild.remove();
    layers.forEach((layer, index) => {
        const row = body.rows[index] ?? body.appendChild(element("tr"));
        const size = layer.frameWidth ? `${layer.frameWidth} × ${layer.frameHeight}` : "not sent";
        const texts = [layer.rid ?? "", size, figure(layer.frames, " fps"), bitrate(layer.bits)];
        texts.forEach((text, cell) => setText(row.cells[cell] ?? row.appendChild(element(cell ? "td" : "th")), text));
    });
}

function duration() {
    if (liveSince === null) return "";
    const seconds = Math.floor((performance.now() - liveSince) / 1000);
    const parts = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
    const [first, ...rest] = parts[0] === 0 ? parts.slice(1) : parts;
    return [first, ...rest.map((part) => String(part).padStart(2, "0"))].join(":");
}

function fillForm() {
    document.title = `Publish ${room.name} · Martlet`;
    setText(byId("room"), room.name);
    byId("room").title = room.name;
    byId("share-url").textContent = `${location.origin}/${room.path}/`;
    byId("share-link").href = `/${room.path}/`;
    byId("token").value = takeToken();
    for (const name of sendableCodecs()) byId("codec").append(new Option(codecName(name), name));
    for (const id of REMEMBERED_FIELDS) {
        const value = remembered(id, null);
        if ([...byId(id).options].some((option) => option.value === value)) byId(id).value = value;
    }
    if (!navigator.mediaDevices?.getDisplayMedia) settings.elements.source[1].disabled = true;
    byId("charts").append(...charts.map((chart) => chart.root));
}

settings.addEventListener("submit", (event) => {
    event.preventDefault();
    start();
});
settings.addEventListener("change", ({ target }) => {
    showForm();
    if (target.name === "source" || CAPTURE_FIELDS.includes(target.id)) refresh();
    else if (target.id === "bitrate") publisher?.setMaxBitrate(Number(target.value) * 1000).catch(() => {});
});
byId("stop").addEventListener("click", stop);
byId("picture-toggle").addEventListener("click", (event) => toggle(event.currentTarget, "video"));
byId("sound-toggle").addEventListener("click", (event) => toggle(event.currentTarget, "audio"));
// The session has ended itself by now; the form has to know when the page comes back out of the browser's memory.
addEventListener("pagehide", () => publisher && stop());
navigator.mediaDevices?.addEventListener("devicechange", () => listDevices(deviceLists));
document.addEventListener("visibilitychange", () => {
    // The browser takes the lock away from a page that is not seen.
    if (document.hidden || !publisher) return;
    wakeLock = null;
    keepAwake(true);
});

window.martlet = {
    get publisher() {
        return publisher;
    },
    /** A reading for tests and the curious; counts are since the connection began. */
    async stats() {
        const figures = await new StatisticsReader().read(publisher?.connection);
        const { video: picture, audio: sound } = figures?.outbound ?? {};
        return {
            state: document.body.dataset.state,
            framesEncoded: picture?.framesEncoded ?? 0,
            keyFramesEncoded: picture?.keyFramesEncoded ?? 0,
            pliCount: picture?.pliCount ?? 0,
            nackCount: picture?.nackCount ?? 0,
            audioPackets: sound?.packetsSent ?? 0,
            videoCodec: figures?.videoCodec ?? null,
            audioCodec: figures?.audioCodec ?? null,
            width: picture?.frameWidth ?? 0,
            height: picture?.frameHeight ?? 0,
            roundTripMilliseconds: figures?.roundTripMilliseconds ?? null,
            layers: figures?.layers ?? [],
        };
    },
};

fillForm();
wireTheme();
wireCopyButtons();
setState("idle");
showForm();
refresh();
setInterval(() => readFigures().catch(() => {}), 1000);
