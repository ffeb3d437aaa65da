// The watch page: a WHEP viewer with the controls of a player.

import { bitrate, byId, keepToken, roomOfPage, setState, takeToken } from "./page.js";
import { figure, showRows, StatisticsReader } from "./statistics.js";
import { WHEPViewer } from "./whep.js";

const STALL_SECONDS = 3;
const room = roomOfPage();
const video = byId("video");
const viewer = new WHEPViewer(`/${room.path}/whep`, takeToken());
const reader = new StatisticsReader();
let soundAllowed = false;
let lastFrames = 0;
let stalledFor = 0;

document.title = `${room.name} · Martlet`;
byId("room").textContent = room.name;
byId("publish-here").href = `/${room.path}/publish`;
byId("token").value = viewer.token;

function showSession() {
    setState(viewer.state, viewer.message);
    const failed = viewer.state === "failed";
    byId("token-form").hidden = !(failed && /token/.test(viewer.message));
    byId("retry").hidden = !failed || !byId("token-form").hidden;
    if (viewer.state !== "live") stalledFor = 0;
}

async function play() {
    try {
        await video.play();
    } catch (error) {
        if (error.name !== "NotAllowedError" || video.muted) return;
        // Sound needs a gesture first: go on without it and offer the button.
        video.muted = true;
        await video.play().catch(() => {});
    }
}

function showControls() {
    const silent = video.muted || video.volume === 0;
    byId("mute").setAttribute("aria-pressed", String(!silent));
    byId("play").setAttribute("aria-pressed", String(!video.paused));
    byId("volume").value = video.muted ? 0 : video.volume;
    const hasSound = viewer.state === "live" && viewer.stream.getAudioTracks().length > 0;
    byId("unmute").hidden = soundAllowed || !silent || !hasSound;
}

function setMuted(muted) {
    soundAllowed = true;
    video.muted = muted;
    if (!muted && video.volume === 0) video.volume = 1;
    if (!muted) play();
}

function togglePlay() {
    if (video.paused) {
        // A live picture goes on at the live edge, not where it was left.
        video.srcObject = viewer.stream;
        play();
    } else {
        video.pause();
    }
}

function toggleFullscreen() {
    if (document.fullscreenElement) document.exitFullscreen();
    else if (byId("stage").requestFullscreen) byId("stage").requestFullscreen().catch(() => {});
    else video.webkitEnterFullscreen?.();
}

function toggleStatistics() {
    const panel = byId("statistics");
    panel.hidden = !panel.hidden;
    byId("statistics-toggle").setAttribute("aria-pressed", String(!panel.hidden));
}

async function readFigures() {
    const figures = await reader.read(viewer.connection);
    const picture = figures?.inbound.video;
    const frames = picture?.framesDecoded ?? 0;
    if (viewer.state === "live" && picture) {
        stalledFor = frames === lastFrames ? stalledFor + 1 : 0;
        if (stalledFor === STALL_SECONDS) setState("live", "The picture has stopped; waiting for the publisher.");
        else if (stalledFor === 0 && lastFrames !== frames) setState("live");
    }
    lastFrames = frames;
    document.body.dataset.picture = frames > 0 && viewer.state === "live" ? "yes" : "no";
    if (byId("statistics").hidden) return;
    const { rates } = figures ?? {};
    showRows(byId("figures"), [
        ["Video", figures?.videoCodec ?? "–"],
        ["Resolution", picture?.frameWidth ? `${picture.frameWidth} × ${picture.frameHeight}` : "–"],
        ["Frame rate", figure(rates?.framesDecoded, " /s", 1)],
        ["Audio", figures?.audioCodec ?? "–"],
        ["Bitrate", bitrate(rates?.receivedBits)],
        ["Packet loss", figure(rates?.lossFraction === null ? null : (rates?.lossFraction ?? NaN) * 100, " %", 1)],
        ["Jitter buffer", figure(rates?.jitterBufferMilliseconds, " ms")],
        ["Round trip", figure(figures?.roundTripMilliseconds, " ms", 1)],
        ["Frames dropped", figure(picture?.framesDropped)],
        ["Freezes", figure(picture?.freezeCount)],
    ]);
}

viewer.addEventListener("statechange", () => {
    showSession();
    showControls();
});
viewer.addEventListener("trackadded", () => {
    if (video.srcObject !== viewer.stream) video.srcObject = viewer.stream;
    play().then(showControls);
});
for (const name of ["play", "pause", "volumechange"]) video.addEventListener(name, showControls);
video.addEventListener("click", togglePlay);
video.addEventListener("dblclick", toggleFullscreen);
byId("play").addEventListener("click", togglePlay);
byId("mute").addEventListener("click", () => setMuted(!video.muted));
byId("unmute").addEventListener("click", () => setMuted(false));
byId("fullscreen").addEventListener("click", toggleFullscreen);
byId("statistics-toggle").addEventListener("click", toggleStatistics);
byId("retry").addEventListener("click", () => viewer.start());
byId("volume").addEventListener("input", (event) => {
    video.volume = Number(event.target.value);
    setMuted(video.volume === 0);
});
byId("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    viewer.token = byId("token").value.trim();
    keepToken(viewer.token);
    viewer.start();
});
addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select")) return;
    const onButton = event.target.closest("button, a") !== null;
    const actions = { m: () => setMuted(!video.muted), f: toggleFullscreen, s: toggleStatistics, k: togglePlay };
    const action = actions[event.key.toLowerCase()] ?? (event.key === " " && !onButton ? togglePlay : null);
    if (!action) return;
    event.preventDefault();
    action();
});

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
        };
    },
};

showControls();
viewer.start();
setInterval(() => readFigures().catch(() => {}), 1000);
