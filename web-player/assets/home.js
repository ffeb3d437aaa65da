// The home page: the rooms that are live, kept current by the feed of events or, where that is held up, by asking.

import { EventStream } from "./feed.js";
import { bitrate, byId, codecName, element, pathOfName, setState, setText, takeToken, viewersText } from "./page.js";
import { wireCopyButtons, wireTheme } from "./page.js";

const POLL_INTERVAL = 3000;
const FILTER_FROM = 9;
const LABELS = { connecting: "Connecting", live: "Connected", failed: "No connection" };
/** What is live, by name: the room as the feed tells of it, its numbers, and its card. */
const rooms = new Map();
const cards = byId("rooms");
const order = new Intl.Collator(undefined, { numeric: true });
const feed = new EventStream("/v1/events", takeToken());
let polling = null;
/** `rtsp://HOST:PORT` of this server, or null where RTSP is not served or not known to be. */
let rtspOrigin = null;

function put(room) {
    // A room whose viewers wait for a publisher that left is not live.
    if (typeof room?.name !== "string" || room.publisher === null) return remove(room?.name);
    let entry = rooms.get(room.name);
    if (!entry) {
        entry = { card: makeCard(room.name), bitrate: null };
        rooms.set(room.name, entry);
        place(entry.card.root);
    }
    entry.room = room;
    showCard(entry);
}

/** Puts a card where its name belongs among the others. */
function place(card) {
    let low = 0;
    let high = cards.children.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (order.compare(cards.children[middle].dataset.name, card.dataset.name) < 0) low = middle + 1;
        else high = middle;
    }
    card.hidden = !matches(card);
    cards.insertBefore(card, cards.children[low] ?? null);
}

/** Whether media can flow: a publisher that has only been answered may never come. */
const isLive = (room) => room.publisher?.connected === true;

function remove(name) {
    rooms.get(name)?.card.root.remove();
    rooms.delete(name);
}

function replaceAll(list) {
    const names = new Set(list.map((room) => room.name));
    for (const name of [...rooms.keys()]) if (!names.has(name)) remove(name);
    list.forEach(put);
    showTotals();
}

/**
 * What /rooms says: it never has the rooms that ask viewers for a token. The feed may have told of those, so what
 * /rooms has not listed since the feed was lost stays until that is back.
 */
function replaceListed(list) {
    const names = new Set(list.map((room) => room.name));
    for (const [name, { isListed }] of [...rooms]) {
        if (!names.has(name) && (isListed || !feed.token)) remove(name);
    }
    for (const room of list) {
        put(room);
        if (rooms.has(room.name)) rooms.get(room.name).isListed = true;
    }
    showTotals();
}

function makeCard(name) {
    const viewers = element("span", { className: "viewers" });
    const codecs = element("span", { className: "codecs" });
    const rate = element("span", { className: "rate" });
    const publisher = element("span", { className: "publisher" });
    const initial = element("span", { className: "initial", ariaHidden: "true" }, [...name][0].toUpperCase());
    const badge = element("span", { className: "badge" });
    const poster = element("span", { className: "poster" }, initial, badge, viewers);
    const hue = [...name].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) % 360, 7);
    poster.style.setProperty("--hue", String(hue));
    const facts = element("span", { className: "facts" }, codecs, rate, publisher);
    const text = element("span", { className: "card-text" }, element("strong", { title: name }, name), facts);
    const link = element("a", { className: "card", href: `/${pathOfName(name)}/` }, poster, text);
    const root = element("li", {}, link);
    root.dataset.name = name;
    return { root, badge, viewers, codecs, rate, publisher };
}

const PROTOCOLS = { rtspSource: "RTSP source" };

function publisherText(protocol) {
    return protocol ? PROTOCOLS[protocol] ?? String(protocol).toUpperCase() : "";
}

function showCard({ room, card, bitrate: bits }) {
    card.badge.dataset.live = isLive(room);
    setText(card.badge, isLive(room) ? "Live" : "Connecting");
    setText(card.viewers, viewersText(room.viewers));
    setText(card.codecs, (room.tracks ?? []).map((track) => codecName(track.codec)).join(" · "));
    setText(card.rate, bits === null ? "" : bitrate(bits));
    setText(card.publisher, publisherText(room.publisher?.protocol));
}

function showTotals() {
    const live = [...rooms.values()].filter(({ room }) => isLive(room)).length;
    byId("empty").hidden = rooms.size > 0;
    byId("filter").hidden = rooms.size < FILTER_FROM && byId("filter").value === "";
    setText(byId("count"), live === 0 ? "" : String(live));
}

const matches = (card) => card.dataset.name.toLowerCase().includes(byId("filter").value.trim().toLowerCase());

function filter() {
    for (const card of cards.children) card.hidden = !matches(card);
}

feed.addEventListener("reset", () => replaceAll([]));
feed.addEventListener("snapshot", ({ data }) => replaceAll(data.rooms ?? []));
for (const type of ["room.created", "room.updated"]) {
    feed.addEventListener(type, ({ data }) => {
        put(data);
        showTotals();
    });
}
feed.addEventListener("room.closed", ({ data }) => {
    remove(data.name);
    showTotals();
});
feed.addEventListener("room.quality", ({ data }) => {
    const entry = rooms.get(data.room);
    if (!entry) return;
    entry.bitrate = data.bitrateIn ?? null;
    showCard(entry);
});
feed.addEventListener("open", () => {
    stopPolling();
    setState("live", "", LABELS);
});
feed.addEventListener("lost", startPolling);

/** While the feed does not get through (a proxy may hold it back), the list is asked for. */
async function poll() {
    try {
        const response = await fetch("/rooms", { cache: "no-store", headers: { Accept: "application/json" } });
        if (!response.ok) throw new Error(String(response.status));
        const list = (await response.json()).rooms ?? [];
        if (polling === null) return;
        replaceListed(list.map(roomOfList));
        setState("live", "", LABELS);
    } catch {
        if (polling !== null) setState("failed", `${feed.problem} What is shown may be old; trying again…`, LABELS);
    }
}

/** A room of /rooms in the shape the feed has. */
function roomOfList(room) {
    const tracks = (room.tracks ?? []).map((codec) => ({ codec }));
    const publisher = { protocol: room.publisher, connected: room.connected };
    return { name: room.name, viewers: room.viewer_count, tracks, publisher };
}

function startPolling() {
    if (polling !== null) return;
    for (const entry of rooms.values()) entry.isListed = false;
    polling = setInterval(poll, POLL_INTERVAL);
    poll();
}

function stopPolling() {
    clearInterval(polling);
    polling = null;
}

function wireGuide() {
    const field = byId("room-name");
    const update = () => {
        // A room name is letters, digits and _ . ~ - : between slashes.
        const path = pathOfName(field.value.trim().replace(/\s+/g, "-").replace(/[^\w.~:/-]/g, "")) || "cam1";
        const whip = `${location.origin}/${path}/whip`;
        byId("publish-link").href = `/${path}/publish`;
        byId("watch-link").href = `/${path}/`;
        byId("watch-url").textContent = `${location.origin}/${path}/`;
        byId("publish-url").textContent = `${location.origin}/${path}/publish`;
        byId("obs-url").textContent = whip;
        byId("ffmpeg-command").textContent =
            "ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 " +
            "-c:v libx264 -preset veryfast -tune zerolatency -profile:v baseline -pix_fmt yuv420p -g 60 -b:v 2500k " +
            `-c:a libopus -ac 2 -b:a 96k -f whip ${whip}`;
        if (rtspOrigin) {
            byId("rtsp-url").textContent = `${rtspOrigin}/${path}`;
            byId("rtsp-command").textContent =
                "ffmpeg -re -f lavfi -i testsrc2=size=1280x720:rate=30 -f lavfi -i sine=frequency=440:sample_rate=48000 " +
                "-c:v libx264 -preset veryfast -bf 0 -pix_fmt yuv420p -g 60 -b:v 2500k -c:a libopus -b:a 96k " +
                `-f rtsp -rtsp_transport tcp ${rtspOrigin}/${path}`;
        }
        for (const article of document.querySelectorAll(".rtsp")) article.hidden = !rtspOrigin;
        byId("gstreamer-command").textContent =
            "gst-launch-1.0 whipclientsink name=w signaller::whip-endpoint=" + whip +
            " videotestsrc is-live=true ! video/x-raw,width=1280,height=720 ! w. audiotestsrc is-live=true ! w.";
    };
    field.addEventListener("input", update);
    byId("go").addEventListener("submit", (event) => {
        event.preventDefault();
        byId("publish-link").click();
    });
    update();
    findRTSP().then(update);
}

/** The server may serve RTSP on other ports, over TLS alone, or not at all. */
async function findRTSP() {
    try {
        const { rtsp, rtsps } = await (await fetch("/v1/ports", { headers: { Accept: "application/json" } })).json();
        const [scheme, port] = rtsp ? ["rtsp", rtsp] : ["rtsps", rtsps];
        if (port) rtspOrigin = `${scheme}://${location.hostname}:${port}`;
    } catch {
        // The guide does without; the feed says when the server is away.
    }
}

window.martlet = { rooms: () => [...rooms.values()].map((entry) => entry.room) };
setState("connecting", "", LABELS);
wireGuide();
wireCopyButtons();
wireTheme();
byId("filter").addEventListener("input", filter);
feed.start();
