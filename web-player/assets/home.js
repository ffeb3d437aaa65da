// The home page: the rooms that are live, kept current by server-sent events or, where those fail, by asking.

import { byId, element, pathOfName, setState as setPageState, wireCopyButtons } from "./page.js";

const POLL_INTERVAL = 3000;
const LABELS = { connecting: "Connecting", live: "Connected", failed: "No connection" };
const cards = new Map();
let rooms = [];
let polling = null;

function setState(state, message) {
    setPageState(state, message, LABELS);
}

function show(list) {
    rooms = Array.isArray(list?.rooms) ? list.rooms : [];
    const names = new Set(rooms.map((room) => room.name));
    for (const [name, card] of cards) {
        if (names.has(name)) continue;
        card.root.remove();
        cards.delete(name);
    }
    for (const room of [...rooms].sort((a, b) => String(a.name).localeCompare(String(b.name)))) {
        const card = cards.get(room.name) ?? makeCard(room);
        card.viewers.textContent = room.viewer_count === 1 ? "1 viewer" : `${room.viewer_count ?? 0} viewers`;
        const tracks = (room.tracks ?? []).join(" · ");
        if (card.tracks.textContent !== tracks) card.tracks.textContent = tracks;
        card.publisher.textContent = room.publisher ? `by ${String(room.publisher).toUpperCase()}` : "";
    }
    byId("rooms").append(...[...cards.keys()].sort((a, b) => a.localeCompare(b)).map((name) => cards.get(name).root));
    byId("empty").hidden = rooms.length > 0;
    byId("count").textContent = rooms.length === 0 ? "" : String(rooms.length);
}

function makeCard(room) {
    const name = String(room.name);
    const card = {
        viewers: element("span", { className: "viewers" }),
        tracks: element("span", { className: "tracks" }),
        publisher: element("span", { className: "publisher" }),
    };
    const initial = element("span", { className: "initial", ariaHidden: "true" }, name.slice(0, 1).toUpperCase());
    const badge = element("span", { className: "badge" }, "Live");
    const poster = element("span", { className: "poster" }, initial, badge);
    const hue = [...name].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) % 360, 7);
    poster.style.setProperty("--hue", String(hue));
    const title = element("strong", {}, name);
    const text = element("span", { className: "card-text" }, title, card.viewers, card.tracks, card.publisher);
    const link = element("a", { className: "card", href: `/${pathOfName(name)}/` }, poster, text);
    card.root = element("li", {}, link);
    cards.set(room.name, card);
    return card;
}

async function poll() {
    try {
        const response = await fetch("/rooms", { cache: "no-store", headers: { Accept: "application/json" } });
        if (!response.ok) throw new Error(String(response.status));
        show(await response.json());
        setState("live");
    } catch {
        setState("failed", "The server does not answer. Trying again…");
    }
}

function stopPolling() {
    clearInterval(polling);
    polling = null;
}

function startPolling() {
    if (polling !== null) return;
    poll();
    polling = setInterval(poll, POLL_INTERVAL);
}

/** Rooms by name as /v1/events tells of them, in the shape /rooms has. */
const live = new Map();

function roomOfEvent(room) {
    return {
        name: room.name,
        id: room.id,
        viewer_count: room.viewers,
        tracks: (room.tracks ?? []).map((track) => track.codec),
        publisher: room.publisher?.protocol,
        waiting: room.publisher === null,
    };
}

function showLive() {
    // A room whose viewers wait for a publisher that left is not live.
    show({ rooms: [...live.values()].filter((room) => !room.waiting) });
    setState("live");
}

/** Follows a feed; `handlers` are by the type of event and get the data. Where it fails, `failed` hears of it. */
function follow(address, handlers, failed) {
    const source = new EventSource(address);
    for (const [type, handler] of Object.entries(handlers)) {
        source.addEventListener(type, (event) => {
            stopPolling();
            try {
                handler(JSON.parse(event.data));
            } catch {
                // One broken message does not end the feed; the next one replaces it.
            }
        });
    }
    source.addEventListener("open", () => {
        stopPolling();
        setState("live");
    });
    source.addEventListener("error", () => {
        startPolling();
        // A browser comes back by itself after anything but an answer that is no feed.
        if (source.readyState === EventSource.CLOSED) failed();
    });
}

function put(room) {
    live.set(room.name, roomOfEvent(room));
    showLive();
}

function listen() {
    const handlers = {
        reset: () => live.clear(),
        snapshot: (list) => {
            live.clear();
            for (const room of list.rooms) live.set(room.name, roomOfEvent(room));
            showLive();
        },
        "room.created": put,
        "room.updated": put,
        "room.closed": (room) => {
            live.delete(room.name);
            showLive();
        },
    };
    follow("/v1/events", handlers, listenToNotifications);
}

/** For servers, or proxies before them, that know the older feed only. */
function listenToNotifications() {
    const message = (list) => {
        show(list);
        setState("live");
    };
    follow("/notifications", { message }, () => setTimeout(listen, 10 * POLL_INTERVAL));
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
}

window.martlet = { rooms: () => rooms };
setState("connecting");
wireGuide();
wireCopyButtons();
listen();
