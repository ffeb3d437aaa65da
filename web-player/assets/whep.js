// A WHEP viewer (draft-ietf-wish-whep): receives one room's picture and sound into one MediaStream.

import { Session } from "./session.js";

export class WHEPViewer extends Session {
    /** What has arrived so far; the same object for as long as one connection lives. */
    stream = new MediaStream();

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

    problem(status) {
        if (status === 404 || status === 409) return { message: "Waiting for somebody to publish in this room." };
        if (status === 406) return { message: "This browser cannot decode what is published here.", permanent: true };
        if (status === 503) return { message: "The room is full." };
        return null;
    }
}
