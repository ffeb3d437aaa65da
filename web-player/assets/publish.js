// The publish page: a WHIP publisher fed by a camera, a screen or a microphone.

import { bitrate, byId, keepToken, roomOfPage, setState, takeToken, wireCopyButtons } from "./page.js";
import { figure, showRows, StatisticsReader } from "./statistics.js";
import { sendableCodecs, WHIPPublisher } from "./whip.js";

const CAPTURE_FIELDS = ["camera", "microphone", "size", "sound"];
const room = roomOfPage();
const preview = byId("preview");
const reader = new StatisticsReader();
let stream = null;
let publisher = null;
let previewRequest = 0;

document.title = `Publish ${room.name} · Martlet`;
byId("room").textContent = room.name;
byId("share-url").textContent = `${location.origin}/${room.path}/`;
byId("share-link").href = `/${room.path}/`;
byId("token").value = takeToken();
for (const name of sendableCodecs()) byId("codec").append(new Option(name, name));

const source = () => byId("settings").elements.source.value;

/** Asks for what the form says; rejects with a sentence for the user. */
async function capture() {
    if (!navigator.mediaDevices) {
        throw new Error("Browsers lend the camera and the screen only to pages served over HTTPS or from localhost.");
    }
    const [width, height] = byId("size").value.split("x").map(Number);
    const picture = { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30 } };
    const sound = byId("sound").checked;
    const device = (id) => (byId(id).value ? { deviceId: { exact: byId(id).value } } : {});
    const microphone = sound ? { ...device("microphone") } : false;
    try {
        if (source() === "screen") {
            const screen = await navigator.mediaDevices.getDisplayMedia({ video: picture, audio: sound });
            screen.getVideoTracks().forEach((track) => (track.contentHint = "detail"));
            if (sound && screen.getAudioTracks().length === 0) {
                const voice = await navigator.mediaDevices.getUserMedia({ audio: microphone }).catch(() => null);
                voice?.getAudioTracks().forEach((track) => screen.addTrack(track));
            }
            return screen;
        }
        const camera = source() === "camera" ? { ...picture, ...device("camera") } : false;
        if (!camera && !microphone) throw new Error("Choose a picture, sound, or both.");
        return await navigator.mediaDevices.getUserMedia({ video: camera, audio: microphone });
    } catch (error) {
        const known = {
            NotAllowedError: "The browser was not allowed to use the camera, microphone or screen.",
            NotFoundError: "No such camera or microphone was found.",
            NotReadableError: "The camera or microphone is in use by another program.",
            OverconstrainedError: "The chosen camera or microphone is not there any more.",
        };
        throw new Error(known[error.name] ?? error.message);
    }
}

function show(next) {
    if (stream !== next) stream?.getTracks().forEach((track) => track.stop());
    stream = next;
    preview.srcObject = next;
    byId("placeholder").hidden = (next?.getVideoTracks().length ?? 0) > 0;
    byId("placeholder").firstElementChild.textContent = next ? "Sound only." : "The preview appears here.";
    next?.getVideoTracks().forEach((track) => track.addEventListener("ended", stop));
}

/** Shows what would be sent. A screen is asked for only when publishing starts: the browser's picker is in the way. */
async function refreshPreview() {
    if (publisher) return;
    const request = ++previewRequest;
    if (source() === "screen") return show(null);
    try {
        const next = await capture();
        if (request !== previewRequest || publisher) return next.getTracks().forEach((track) => track.stop());
        show(next);
        setState("idle");
        await listDevices();
    } catch (error) {
        if (request !== previewRequest) return;
        show(null);
        setState("idle", error.message);
    }
}

async function listDevices() {
    const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    for (const [id, kind] of [["camera", "videoinput"], ["microphone", "audioinput"]]) {
        const select = byId(id);
        const chosen = select.value;
        const options = devices
            .filter((device) => device.kind === kind && device.deviceId)
            .map((device, index) => new Option(device.label || `${kind} ${index + 1}`, device.deviceId));
        select.replaceChildren(new Option("Default", ""), ...options);
        if (options.some((option) => option.value === chosen)) select.value = chosen;
    }
}

function enableForm() {
    const running = publisher !== null;
    for (const field of byId("settings").elements) field.disabled = running && field.id !== "stop";
    byId("start").hidden = running;
    byId("stop").hidden = !running;
    byId("statistics").hidden = !running;
    if (!running) {
        byId("camera").disabled = source() !== "camera";
        byId("microphone").disabled = !byId("sound").checked;
    }
}

async function start() {
    if (publisher) return;
    previewRequest += 1;
    byId("start").disabled = true;
    try {
        show(stream?.active ? stream : await capture());
    } catch (error) {
        setState("failed", error.message);
        byId("start").disabled = false;
        return;
    }
    const token = byId("token").value.trim();
    keepToken(token);
    publisher = new WHIPPublisher(`/${room.path}/whip`, token, {
        stream,
        codec: byId("codec").value,
        maxBitrate: Number(byId("bitrate").value) * 1000,
    });
    const mine = publisher;
    publisher.addEventListener("statechange", () => {
        if (publisher !== mine) return;
        setState(mine.state, mine.message);
        if (mine.state === "failed") {
            publisher = null;
            enableForm();
        }
    });
    enableForm();
    publisher.start();
}

function stop() {
    const ending = publisher;
    publisher = null;
    ending?.stop();
    setState("idle");
    enableForm();
    if (source() === "screen") show(null);
    else if (!stream?.getTracks().some((track) => track.readyState === "live")) refreshPreview();
}

async function readFigures() {
    if (!publisher) return;
    const figures = await reader.read(publisher.connection);
    const { rates, reported } = figures ?? {};
    const picture = figures?.outbound.video;
    showRows(byId("figures"), [
        ["Video", figures?.videoCodec ?? "–"],
        ["Resolution", picture?.frameWidth ? `${picture.frameWidth} × ${picture.frameHeight}` : "–"],
        ["Frame rate", figure(rates?.framesEncoded, " /s", 1)],
        ["Audio", figures?.audioCodec ?? "–"],
        ["Bitrate", bitrate(rates?.sentBits)],
        ["Packet loss", figure(reported?.fractionLost === undefined ? null : reported?.fractionLost * 100, " %", 1)],
        ["Round trip", figure(figures?.roundTripMilliseconds, " ms", 1)],
        ["Limited by", picture?.qualityLimitationReason ?? "–"],
        ["Keyframes asked for", figure(picture?.pliCount)],
    ]);
}

byId("settings").addEventListener("submit", (event) => {
    event.preventDefault();
    start();
});
byId("stop").addEventListener("click", stop);
byId("settings").addEventListener("change", (event) => {
    enableForm();
    if (event.target.name === "source" || CAPTURE_FIELDS.includes(event.target.id)) refreshPreview();
});
navigator.mediaDevices?.addEventListener("devicechange", () => listDevices());

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
        };
    },
};

setState("idle");
wireCopyButtons();
enableForm();
refreshPreview();
setInterval(() => readFigures().catch(() => {}), 1000);
