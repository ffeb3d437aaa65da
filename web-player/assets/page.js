// What every page shares: the room in the address, the bearer token, what is remembered, small DOM helpers.

/** The room the page is about, from its own address: /live/main/ and /live/main/publish both give live/main. */
export function roomOfPage(pathname = location.pathname) {
    const segments = pathname.split("/").filter((segment) => segment !== "");
    if (segments.length > 1 && segments[segments.length - 1] === "publish") segments.pop();
    const path = segments.join("/");
    return { path, name: segments.map(decode).join("/") };
}

/** The path of a room whose name somebody typed, ready for a URL; empty when nothing usable is left. */
export function pathOfName(name) {
    return name
        .trim()
        .split("/")
        .filter((segment) => segment !== "" && segment !== "." && segment !== "..")
        .map(encodeURIComponent)
        .join("/");
}

function decode(segment) {
    try {
        return decodeURIComponent(segment);
    } catch {
        return segment;
    }
}

/** What a browser keeps from visit to visit. Storage may be switched off; nothing is remembered then. */
export function remembered(name, fallback) {
    try {
        return localStorage.getItem("martlet-" + name) ?? fallback;
    } catch {
        return fallback;
    }
}

export function remember(name, value) {
    try {
        localStorage.setItem("martlet-" + name, String(value));
    } catch {
        // As above.
    }
}

/**
 * The bearer token given with the address, as #token=… (which no server or log ever sees) or ?token=….
 * It is taken out of the address bar, so that copying the address does not give the token away, and kept for this tab.
 */
export function takeToken() {
    const key = "martlet-token:" + roomOfPage().path;
    const fragment = new URLSearchParams(location.hash.slice(1));
    const query = new URLSearchParams(location.search);
    const given = fragment.get("token") ?? query.get("token");
    if (given !== null) {
        fragment.delete("token");
        query.delete("token");
        const search = query.toString();
        const hash = fragment.toString();
        history.replaceState(null, "", location.pathname + (search && "?" + search) + (hash && "#" + hash));
        keepToken(given);
    }
    try {
        return given ?? sessionStorage.getItem(key) ?? "";
    } catch {
        return given ?? "";
    }
}

export function keepToken(token) {
    const key = "martlet-token:" + roomOfPage().path;
    try {
        if (token) sessionStorage.setItem(key, token);
        else sessionStorage.removeItem(key);
    } catch {
        // Storage may be switched off; the token then lives as long as the page.
    }
}

export const byId = (id) => document.getElementById(id);

export const STATE_LABELS = { idle: "Idle", connecting: "Connecting", live: "Live", failed: "Failed" };

/** Shows the state of the page, which a screen reader hears once when it changes. */
export function setState(state, message = "", labels = STATE_LABELS) {
    document.body.dataset.state = state;
    const label = byId("state");
    if (label && label.textContent !== labels[state]) label.textContent = labels[state];
    const note = byId("message");
    if (note && note.textContent !== message) note.textContent = message;
    if (note) note.hidden = message === "";
}

/** Creates an element; text never passes through a parser, so names from elsewhere are safe in it. */
export function element(tag, properties = {}, ...children) {
    const node = Object.assign(document.createElement(tag), properties);
    node.append(...children);
    return node;
}

export function setText(node, text) {
    if (node.textContent !== text) node.textContent = text;
}

/** Makes every [data-copy="id"] button copy the text of the element with that id. */
export function wireCopyButtons() {
    for (const button of document.querySelectorAll("[data-copy]")) {
        const label = button.textContent;
        let timer = null;
        button.addEventListener("click", async () => {
            const source = byId(button.dataset.copy);
            const done = await copy(source.value ?? source.textContent);
            button.textContent = done ? "Copied" : "Press Ctrl+C";
            if (!done) getSelection().selectAllChildren(source);
            clearTimeout(timer);
            timer = setTimeout(() => (button.textContent = label), 1500);
        });
    }
}

async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return false;
    }
}

/** The button that goes from the system's theme to the other one and back. */
export function wireTheme() {
    const isDark = () => {
        const chosen = document.documentElement.dataset.theme;
        return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    };
    byId("theme")?.addEventListener("click", () => {
        const theme = isDark() ? "light" : "dark";
        document.documentElement.dataset.theme = theme;
        remember("theme", theme);
    });
}

export function bitrate(bitsPerSecond) {
    if (bitsPerSecond === null || bitsPerSecond === undefined || Number.isNaN(bitsPerSecond)) return "–";
    if (bitsPerSecond >= 1e6) return (bitsPerSecond / 1e6).toFixed(bitsPerSecond >= 1e7 ? 1 : 2) + " Mbit/s";
    return Math.round(bitsPerSecond / 1e3) + " kbit/s";
}

export const viewersText = (count) => (count === 1 ? "1 viewer" : `${count ?? 0} viewers`);

const CODEC_NAMES = {
    H264: "H.264",
    H265: "H.265",
    OPUS: "Opus",
    PCMU: "G.711 µ-law",
    PCMA: "G.711 A-law",
    G722: "G.722",
};

/** A codec as people write it. */
export const codecName = (name) => CODEC_NAMES[String(name).toUpperCase()] ?? String(name);
