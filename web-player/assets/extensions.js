// The extensions of WHEP that a server announces in Link header fields: events of the session, and choice of the layer.

import { EventStream } from "./feed.js";
import { problemDetail } from "./signalling.js";

const EVENTS_REL = "urn:ietf:params:whep:ext:core:server-sent-events";
const LAYER_REL = "urn:ietf:params:whep:ext:core:layer";
// How long a request may take; the next one waits for it.
const TIMEOUT = 15_000;
const WANTED = ["active", "inactive", "layers", "viewercount", "reconnect"];

/** Dispatches "change" when `layers`, `viewers` or `isActive` have, and "reconnect". */
export class PlaybackExtensions extends EventTarget {
    /** What there is of the picture, best first: [{ id, label, selection }]; empty when there is nothing to choose. */
    layers = [];
    /** The id of the layer chosen by hand, also while it is not there; empty for the server's choice. */
    wish;
    viewers = null;
    isActive = true;

    #eventsLink;
    #layerLink;
    #token;
    #mediaID = "0";
    #stream = null;
    #isClosed = false;
    /** Whether the server knows of the wish. */
    #isAsked = true;
    #requests = Promise.resolve();

    /** `wish` is the layer that was chosen in the session before. */
    constructor(links, token, wish = "") {
        super();
        this.wish = wish;
        this.#isAsked = wish === "";
        this.#eventsLink = links.find((link) => link.rel === EVENTS_REL);
        this.#layerLink = links.find((link) => link.rel === LAYER_REL);
        this.#token = token;
    }

    get canChooseLayer() {
        return this.#layerLink !== undefined && this.layers.length > 1;
    }

    /** The id of the layer chosen by hand; empty while the server chooses. */
    get chosen() {
        return this.#layer(this.wish) ? this.wish : "";
    }

    #layer(id) {
        return this.layers.find((layer) => layer.id === id);
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
    choose(id) {
        // One after the other, so that the last one counts.
        const choice = this.#requests.then(() => this.#choose(id));
        this.#requests = choice.catch(() => {});
        return choice;
    }

    async #choose(id) {
        const layer = this.#layer(id);
        if (id && !layer) return "This layer is gone.";
        const selection = { mediaId: this.#mediaID, ...layer?.selection };
        const response = await this.#post(this.#layerLink.url, selection);
        if (!response) return "The server cannot be reached.";
        if (!response.ok) return (await problemDetail(response)) || `The server refused (status ${response.status}).`;
        this.#isAsked = true;
        this.#update({ wish: id });
        return "";
    }

    /** Chooses again what was chosen in the session before, or before the layer went away. */
    #restore() {
        if (!this.chosen) this.#isAsked = this.wish === "";
        if (this.#isAsked || !this.chosen || !this.#layerLink) return;
        this.#isAsked = true;
        this.#requests = this.#requests.then(async () => {
            const id = this.chosen;
            // Refused, for instance because nothing of it arrives yet: the next event may say otherwise.
            if (id && !this.#isClosed && (await this.#choose(id))) this.#isAsked = false;
        });
    }

    #showLayers(data) {
        const [media, value] = Object.entries(data ?? {})[0] ?? [];
        const list = Array.isArray(value) ? value : (value?.layers ?? []);
        if (media !== undefined) this.#mediaID = media;
        this.#update({ layers: choices(list) });
        this.#restore();
    }

    #update(changes) {
        Object.assign(this, changes);
        this.dispatchEvent(new Event("change"));
    }

    async #post(url, value) {
        const headers = { "Content-Type": "application/json" };
        if (this.#token) headers.Authorization = "Bearer " + this.#token;
        try {
            const signal = AbortSignal.timeout(TIMEOUT);
            return await fetch(url, { method: "POST", headers, body: JSON.stringify(value), cache: "no-store", signal });
        } catch {
            return null;
        }
    }
}

/**
 * What a viewer can choose, best first: the encodings, and the spatial layers inside each. Temporal layers are the
 * server's own business.
 */
function choices(list) {
    const found = new Map();
    for (const layer of list) {
        const rid = layer.rid ?? layer.encodingId;
        if (typeof rid !== "string") continue;
        const spatial = Number.isInteger(layer.spatialLayerId) ? layer.spatialLayerId : 0;
        const id = spatial === 0 ? rid : `${rid}/${spatial}`;
        const known = found.get(id);
        if (!known || (layer.bitrate ?? 0) > (known.bitrate ?? 0)) found.set(id, { ...layer, id, rid, spatial });
    }
    const layers = [...found.values()];
    const isOneEncoding = new Set(layers.map(({ rid }) => rid)).size === 1;
    const size = (layer) => (layer.height ?? 0) * 1e9 + (layer.bitrate ?? layer.targetBitrate ?? 0);
    layers.sort((one, other) => size(other) - size(one) || other.spatial - one.spatial);
    return layers.map((layer) => {
        const hasSpatialLayers = layers.filter(({ rid }) => rid === layer.rid).length > 1;
        const selection = {};
        if (!isOneEncoding || !hasSpatialLayers) selection.rid = layer.rid;
        if (hasSpatialLayers) selection.maxSpatialLayerId = layer.spatial;
        return { id: layer.id, label: layerLabel(layer, hasSpatialLayers), selection };
    });
}

function layerLabel(layer, hasSpatialLayers) {
    const height = layer.height ?? layer.heigth;
    const part = hasSpatialLayers ? `layer ${layer.spatial + 1}` : "";
    const name = height ? `${height}p` : part || layer.rid;
    // Rounded, so that the list does not twitch while somebody chooses from it.
    return layer.bitrate ? `${name} · ${(layer.bitrate / 1e6).toFixed(1)} Mbit/s` : name;
}
