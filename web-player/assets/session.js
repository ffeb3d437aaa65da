// A WHIP or WHEP session and the life around it: connect, watch over, repair by an ICE restart, connect again.

import { candidateFragment, iceServers, parseLinks, problemDetail, problemReason, restartedAnswer } from "./signalling.js";
import { retryAfter } from "./signalling.js";

/** Why an attempt ended. `permanent` means that trying again by itself will not help. */
export class SessionError extends Error {
    constructor(message, { permanent = false, retryAfter = null, status = 0 } = {}) {
        super(message);
        this.permanent = permanent;
        this.retryAfter = retryAfter;
        this.status = status;
    }
}

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
const CONNECT_TIMEOUT = 15_000;
// How long the server is asked why a session ended, before a new one is made anyway.
const REASON_TIMEOUT = 3000;
const TRICKLE_DELAY = 50;
/** Browsers call a connection disconnected after seconds of silence; a moment more and it is repaired. */
const DISCONNECTED_GRACE = 1000;
/** A server forgets a silent client after 30 s (RFC 7675), and a repair with it. */
const REPAIR_LIMIT = 25_000;
const REPAIR_WAIT = 5000;

const FRAGMENT_TYPE = "application/trickle-ice-sdpfrag";
const INTERRUPTED = "The connection is interrupted. Repairing it…";
const UNREACHABLE = "The server cannot be reached.";
const LOST = "The connection was lost.";

/**
 * A session that stays up until it is stopped.
 * Dispatches "statechange" (read `state`, `message`, `retryAt`), and what a subclass adds.
 * A subclass gives prepare(connection), and may give established(links), ended(), adapt(answer),
 * problem(status, detail), and obstacle(reason): what forbids to connect again after the server has ended a session
 * for that reason; empty when nothing does.
 */
export class Session extends EventTarget {
    state = "idle";
    message = "";
    /** When the next attempt comes, in the time of performance.now(); null when none is waited for. */
    retryAt = null;
    /** Whether there was a connection since start(). */
    hasBeenLive = false;
    connection = null;

    #endpoint;
    #attempt = 0;
    #timer = null;
    #current = null;
    /** The URL of the session before, while it is not known that another one may follow. */
    #former = null;
    #wake = new EventTarget();

    constructor(endpoint, token = "") {
        super();
        this.#endpoint = new URL(endpoint, location.href);
        this.token = token;
        addEventListener("pagehide", () => this.stop());
        addEventListener("online", () => this.#online());
    }

    start() {
        this.stop();
        this.#attempt = 0;
        this.#former = null;
        this.hasBeenLive = false;
        this.#connect();
    }

    /** Ends the session and tells the server so; nothing is tried again. */
    stop() {
        clearTimeout(this.#timer);
        this.#leave();
        this.#set("idle");
    }

    /** Does now what would be tried later. */
    retryNow() {
        if (this.retryAt === null) return;
        clearTimeout(this.#timer);
        this.#connect();
    }

    /** Drops this session for a new one. */
    renew(message = "") {
        if (this.#current) this.#failed(this.#current, new SessionError(message, { retryAfter: 1 }));
    }

    /** The header fields that prove the right to do this. */
    get authorization() {
        return this.token ? { Authorization: "Bearer " + this.token } : {};
    }

    /** A last change to the server's answer before the browser reads it. */
    adapt(answer) {
        return answer;
    }

    async #connect() {
        this.#set("connecting", this.message);
        const run = { ended: false, location: null, etag: null, candidates: [], finished: false, endings: [] };
        this.#current = run;
        try {
            await this.#mayFollow(run);
            if (run.ended) return;
            await this.#negotiate(run);
            if (run.ended) return;
            await this.#connected(run);
            if (run.ended) return;
            this.#attempt = 0;
            this.#former = null;
            this.hasBeenLive = true;
            this.#set("live");
            this.#watchOver(run);
            this.established?.(run.links);
        } catch (error) {
            this.#failed(run, error);
        }
    }

    /** Asks the server why the session before has ended, however that came to be known here. */
    async #mayFollow(run) {
        if (!this.#former || !this.obstacle) return;
        const response = await this.#send(this.#former, "GET", null, null, {}, REASON_TIMEOUT);
        if (run.ended || response?.status !== 410) return;
        const obstacle = this.obstacle(await problemReason(response));
        if (obstacle) throw new SessionError(obstacle, { permanent: true });
    }

    async #negotiate(run) {
        const connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
        this.connection = run.connection = connection;
        connection.addEventListener("icecandidate", ({ candidate }) => {
            if (candidate?.candidate) run.candidates.push(candidate);
            else if (candidate === null) run.finished = true;
            this.#trickleSoon(run);
        });
        await this.prepare(connection);
        if (run.ended) return;
        await connection.setLocalDescription();
        const offer = connection.localDescription.sdp;

        const response = await this.#send(this.#endpoint, "POST", "application/sdp", offer);
        if (!response) {
            // Perhaps it made a session all the same, which took the place of the one before: that says nothing any more.
            this.#former = null;
            throw new SessionError(navigator.onLine ? UNREACHABLE : "This device is offline.");
        }
        if (!response.ok) throw await this.#refusal(response);
        const location = response.headers.get("Location");
        // Relative to where the answer came from, which a redirect may have changed.
        run.location = location && new URL(location, response.url);
        run.etag = response.headers.get("ETag");
        run.links = parseLinks(response.headers.get("Link"), response.url);
        if (run.ended) return this.#delete(run);
        const servers = iceServers(run.links);
        if (servers.length > 0) connection.setConfiguration({ bundlePolicy: "max-bundle", iceServers: servers });
        run.offer = run.agreedOffer = offer;
        await connection.setRemoteDescription({ type: "answer", sdp: this.adapt(await response.text()) });
        this.#trickleSoon(run);
    }

    /** Resolves once media can flow. */
    #connected(run) {
        const { connection } = run;
        return new Promise((resolve, reject) => {
            const problem = "No connection to the server's UDP port. Is a firewall in between?";
            const timeout = setTimeout(() => reject(new SessionError(problem)), CONNECT_TIMEOUT);
            const look = () => {
                const state = connection.connectionState;
                if (state === "failed" || state === "closed") reject(new SessionError(problem));
                if (state !== "connected") return;
                clearTimeout(timeout);
                connection.removeEventListener("connectionstatechange", look);
                resolve();
            };
            connection.addEventListener("connectionstatechange", look);
            run.endings.push(() => {
                clearTimeout(timeout);
                resolve();
            });
            look();
        });
    }

    #watchOver(run) {
        const { connection } = run;
        let grace = null;
        const look = () => {
            clearTimeout(grace);
            if (run.ended) return;
            const state = connection.connectionState;
            if (state === "connected") this.#healed(run);
            else if (state === "failed") this.#repair(run);
            else if (state === "disconnected") grace = setTimeout(() => this.#repair(run), DISCONNECTED_GRACE);
            else if (state === "closed") this.#failed(run, new SessionError(LOST));
        };
        connection.addEventListener("connectionstatechange", look);
        run.endings.push(() => clearTimeout(grace));
        // The server's farewell (DTLS close_notify) shows here first.
        const transport = connection.getTransceivers().find((one) => one.receiver.transport)?.receiver.transport;
        transport?.addEventListener("statechange", () => {
            if (transport.state !== "closed" && transport.state !== "failed") return;
            this.#failed(run, new SessionError("The server ended the session."));
        });
        look();
    }

    #healed(run) {
        this.#wake.dispatchEvent(new Event("wake"));
        if (this.#current === run) this.#set("live");
    }

    /** Restarts ICE (RFC 9725, 4.3.3) until media flows again, the server refuses, or it is too late. */
    async #repair(run) {
        if (run.ended || run.isRepairing) return;
        run.isRepairing = true;
        const end = performance.now() + REPAIR_LIMIT;
        const isConnected = () => run.connection.connectionState === "connected";
        if (!isConnected()) this.#set("connecting", INTERRUPTED);
        try {
            for (let attempt = 0; !run.ended; attempt++) {
                if (performance.now() > end || !run.location) throw new SessionError(LOST);
                const outcome = await this.#restartICE(run);
                if (run.ended) return;
                if (outcome === "refused" && !isConnected()) throw new SessionError(LOST);
                if (outcome === "unreachable" && isConnected()) break;
                await this.#pause(outcome === "restarted" ? REPAIR_WAIT : FIRST_DELAY * 2 ** Math.min(attempt, 3));
                if (isConnected()) break;
            }
            // What was offered in vain is taken back, for the connection goes on as it was.
            if (run.connection.signalingState === "have-local-offer") {
                await run.connection.setLocalDescription({ type: "rollback" });
                run.offer = run.agreedOffer;
            }
            if (!run.ended && isConnected()) this.#set("live");
        } catch (error) {
            this.#failed(run, error);
        } finally {
            run.isRepairing = false;
        }
    }

    /** One try: "restarted", "refused" by the server, or "unreachable". */
    async #restartICE(run) {
        const { connection } = run;
        if (connection.signalingState === "stable") {
            run.offer = null; // Candidates of the new generation wait until the server knows it.
            run.candidates = [];
            run.finished = false;
            connection.restartIce();
            await connection.setLocalDescription();
        }
        const offer = connection.localDescription.sdp;
        const response = await this.#patch(run, candidateFragment(offer, run.candidates.splice(0), false));
        if (!response) return "unreachable";
        const answer =
            response.status === 200 ? restartedAnswer(connection.remoteDescription.sdp, await response.text()) : null;
        if (run.ended || answer === null) return "refused";
        run.etag = response.headers.get("ETag") ?? run.etag;
        run.offer = run.agreedOffer = offer;
        await connection.setRemoteDescription({ type: "answer", sdp: answer });
        this.#trickleSoon(run);
        return "restarted";
    }

    /** Waits, but not longer than until something happens that makes waiting pointless. */
    #pause(milliseconds) {
        return new Promise((resolve) => {
            const done = () => {
                clearTimeout(timer);
                this.#wake.removeEventListener("wake", done);
                resolve();
            };
            const timer = setTimeout(done, milliseconds);
            this.#wake.addEventListener("wake", done);
        });
    }

    #online() {
        this.#wake.dispatchEvent(new Event("wake"));
        if (this.retryAt !== null) this.retryNow();
        // The network that came is often another one than the network that went.
        else if (this.state === "live" && this.#current) this.#repair(this.#current);
    }

    #failed(run, error) {
        if (run.ended || run !== this.#current) return;
        this.#former = run.location ?? this.#former;
        this.#leave();
        const known = error instanceof SessionError ? error : new SessionError(String(error.message ?? error));
        if (known.permanent) {
            this.#set("failed", known.message);
            return;
        }
        const backoff = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempt) * (0.5 + Math.random() / 2);
        const delay = known.retryAfter === null ? backoff : known.retryAfter * (1 + Math.random() / 4);
        this.#attempt += 1;
        this.#timer = setTimeout(() => this.#connect(), delay);
        this.#set("connecting", known.message, performance.now() + delay);
    }

    #leave() {
        const run = this.#current;
        this.#current = null;
        if (!run || run.ended) return;
        run.ended = true;
        run.endings.forEach((end) => end());
        this.#wake.dispatchEvent(new Event("wake"));
        clearTimeout(run.trickle);
        this.ended?.();
        this.#delete(run);
        run.connection?.close();
        this.connection = null;
    }

    #delete(run) {
        if (!run.location) return;
        // It outlives the page (keepalive): leaving is when it matters most.
        fetch(run.location, { method: "DELETE", headers: this.authorization, keepalive: true }).catch(() => {});
        run.location = null;
    }

    #trickleSoon(run) {
        if (!run.location || !run.offer || run.trickle || run.patchRefused) return;
        run.trickle = setTimeout(async () => {
            run.trickle = null;
            if (run.ended || !run.offer || (run.candidates.length === 0 && !run.finished)) return;
            const fragment = candidateFragment(run.offer, run.candidates.splice(0), run.finished);
            run.finished = false;
            const response = await this.#patch(run, fragment);
            // A server that takes no candidates finds the browser by its connectivity checks.
            run.patchRefused = !response?.ok;
        }, TRICKLE_DELAY);
    }

    #patch(run, fragment) {
        return this.#send(run.location, "PATCH", FRAGMENT_TYPE, fragment, run.etag ? { "If-Match": run.etag } : {});
    }

    /** The response, or null where there is none. */
    async #send(url, method, type, body, headers = {}, timeout = CONNECT_TIMEOUT) {
        const limit = AbortSignal.timeout(timeout);
        const fields = { ...(type && { "Content-Type": type }), ...headers, ...this.authorization };
        try {
            return await fetch(url, { method, headers: fields, body, cache: "no-store", signal: limit });
        } catch {
            return null;
        }
    }

    async #refusal(response) {
        const { status } = response;
        // A counter-offer (406) waits to be answered; this client makes its own offers, so it gives it back.
        const location = status === 406 && response.headers.get("Location");
        if (location) this.#delete({ location: new URL(location, response.url) });
        const detail = await problemDetail(response);
        const known = this.problem?.(status, detail);
        if (known) return new SessionError(known.message, { retryAfter: retryAfter(response), status, ...known });
        if (status === 401 || status === 403) {
            const message = this.token ? "The token is not accepted for this room." : "This room asks for a token.";
            return new SessionError(message, { permanent: true, status });
        }
        const message = detail ? `The server refused: ${detail}` : `The server refused (status ${status}).`;
        return new SessionError(message, { retryAfter: retryAfter(response), status });
    }

    #set(state, message = "", retryAt = null) {
        if (this.state === state && this.message === message && this.retryAt === retryAt) return;
        this.state = state;
        this.message = message;
        this.retryAt = retryAt;
        this.dispatchEvent(new Event("statechange"));
    }
}
