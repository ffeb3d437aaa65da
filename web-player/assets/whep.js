// A WHEP viewer (draft-ietf-wish-whep): receives one room's picture and sound into one MediaStream.

import { PlaybackExtensions } from "./extensions.js";
import { Session } from "./session.js";

const TOLD_DELAY = 20_000;

export class WHEPViewer extends Session {
    /** What has arrived so far; the same object for as long as one connection lives. */
    stream = new MediaStream();
    /** What the server offers beyond the media; null until it is connected. */
    extensions = null;
    /** Set while somebody says at once when the room has a publisher; then asking again and again is pointless. */
    isTold = false;
    /** Whether there is nothing wrong but that nobody publishes. */
    isWaiting = false;
    /** The layer chosen by hand, which outlives the session it was chosen in; empty for the server's choice. */
    #layer = "";

    prepare(connection) {
        const stream = new MediaStream();
        this.stream = stream;
        connection.addEventListener("track", ({ track }) => {
            stream.addTrack(track);
            this.dispatchEvent(new Event("trackadded"));
        });
        connection.addTransceiver("video", { direction: "recvonly" });
        connection.addTransceiver("audio", { direction: "recvonly" });
    }

    established(links) {
        this.isWaiting = false;
        this.extensions?.close();
        const extensions = new PlaybackExtensions(links, this.token, this.#layer);
        this.extensions = extensions;
        extensions.addEventListener("change", () => {
            if (this.extensions !== extensions) return;
            this.#layer = extensions.wish;
            this.dispatchEvent(new Event("extensionchange"));
        });
        extensions.addEventListener("reconnect", () => this.renew("The server asks to connect again."));
        extensions.open();
        this.dispatchEvent(new Event("extensionchange"));
    }

    ended() {
        this.extensions?.close();
        this.extensions = null;
        this.dispatchEvent(new Event("extensionchange"));
    }

    problem(status, detail) {
        this.isWaiting = status === 404 || status === 409;
        if (this.isWaiting) {
            const message = "Waiting for somebody to publish in this room.";
            return this.isTold ? { message, retryAfter: TOLD_DELAY } : { message };
        }
        if (status === 406) return { message: `This browser cannot decode what is published here. ${detail}`.trim() };
        if (status === 503) return { message: `The room is full. ${detail}`.trim() };
        return null;
    }
}
