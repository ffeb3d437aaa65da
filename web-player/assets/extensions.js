// The extensions of WHEP that a server announces in Link header fields: events of the session, and choice of the layer.

import { EventStream } from "./feed.js";
import { problemDetail } from "./signalling.js";

const EVENTS_REL = "urn:ietf:params:whep:ext:core:server-sent-events";
const LAYER_REL = "urn:ietf:params:whep:ext:core:layer";
const WANTED = ["active", "inactive", "layers", "viewercount", "reconnect"];

/** Dispatches "change" when `layers`, `viewers` or `isActive` have, and "reconnect". */
export class PlaybackExtensions extends EventTarget {
    /** The encodings of the picture, best first: [{ id, label }]; empty when there is nothing to choose. */
    layers = [];
    /** The id of the layer chosen by hand; empty while the server chooses. */
    chosen = "";
    viewers = null;
    isActive = true;

    #eventsLink;
    #layerLink;
    #token;
    #mediaID = "0";
    #stream = null;
    #isClosed = false;

    constructor(links, token) {
        super();
        this.#eventsLink = links.find((link) => link.rel === EVENTS_REL);
        this.#layerLink = links.find((link) => link.rel === LAYER_REL);
        this.#token = token;
    }

    get canChooseLayer() {
        return this.#layerLink !== undefined && this.layers.length > 1;
    }

    async open() {
        if (!this.#eventsLink) return;
        const offered = this.#eventsLink.events?.split(",").map((name) => name.trim());
        const events = offered ? WANTED.filter((name) => offered.includes(name)) : WANTED;
        const response = await this.#post(this.#eventsLink.url, events);
        const location = response?.ok && response.headers.get("Location");
        if (!location || this.#isClosed) return;
        this.#stream = new EventStream(new URL(location, response.url), this.#token);
        this.#stream.addEventListener("layers", ({ data }) => this.#showLayers(data));
        this.#stream.addEventListener("viewercount", ({ data }) => this.#update({ viewers: Number(data.viewercount) }));
        this.#stream.addEventListener("active", () => this.#update({ isActive: true }));
        this.#stream.addEventListener("inactive", () => this.#update({ isActive: false }));
        this.#stream.addEventListener("reconnect", () => this.dispatchEvent(new Event("reconnect")));
        this.#stream.start();
    }

    close() {
        this.#isClosed = true;
        this.#stream?.stop();
    }

    /** Asks for one layer, or for the server's choice when `id` is empty. Gives what is wrong, or an empty string. */
    async choose(id) {
        const selection = { mediaId: this.#mediaID };
        if (id) selection.rid = id;
        const response = await this.#post(this.#layerLink.url, selection);
        if (!response) return "The server cannot be reached.";
        if (!response.ok) return (await problemDetail(response)) || `The server refused (status ${response.status}).`;
        this.#update({ chosen: id });
        return "";
    }

    #showLayers(data) {
        const [media, value] = Object.entries(data ?? {})[0] ?? [];
        const list = Array.isArray(value) ? value : (value?.layers ?? []);
        if (media !== undefined) this.#mediaID = media;
        // One entry for each encoding: temporal layers are the server's own business.
        const encodings = new Map();
        for (const layer of list) {
            const id = layer.rid ?? layer.encodingId;
            if (typeof id !== "string") continue;
            const known = encodings.get(id);
            if (!known || (layer.bitrate ?? 0) > (known.bitrate ?? 0)) encodings.set(id, { ...layer, id });
        }
        const size = (layer) => (layer.height ?? 0) * 1e9 + (layer.bitrate ?? layer.targetBitrate ?? 0);
        const layers = [...encodings.values()].sort((one, other) => size(other) - size(one));
        this.#update({ layers: layers.map((layer) => ({ id: layer.id, label: layerLabel(layer) })) });
    }

    #update(changes) {
        Object.assign(this, changes);
        this.dispatchEvent(new Event("change"));
    }

    async #post(url, value) {
        const headers = { "Content-Type": "application/json" };
        if (this.#token) headers.Authorization = "Bearer " + this.#token;
        try {
            return await fetch(url, { method: "POST", headers, body: JSON.stringify(value), cache: "no-store" });
        } catch {
            return null;
        }
    }
}

function layerLabel(layer) {
    const height = layer.height ?? layer.heigth;
    const name = height ? `${height}p` : layer.id;
    // Rounded, so that the list does not twitch while somebody chooses from it.
    return layer.bitrate ? `${name} · ${(layer.bitrate / 1e6).toFixed(1)} Mbit/s` : name;
}
