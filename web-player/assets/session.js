// The HTTP half that WHIP (RFC 9725) and WHEP share: POST the offer, PATCH the candidates, DELETE the session;
// and the life around it: connect, watch over, connect again.

/** Why an attempt ended. `permanent` means that trying again by itself will not help. */
export class SessionError extends Error {
    constructor(message, { permanent = false, retryAfter = null, status = 0 } = {}) {
        super(message);
        this.permanent = permanent;
        this.retryAfter = retryAfter;
        this.status = status;
    }
}

const FIRST_DELAY = 1000;
const LONGEST_DELAY = 15000;
const CONNECT_TIMEOUT = 15000;
const DISCONNECTED_GRACE = 5000;
const TRICKLE_DELAY = 50;

/**
 * A WHIP or WHEP session that stays up until it is stopped.
 * Events: "statechange" (read `state` and `message`), and what a subclass adds.
 * A subclass gives prepare(connection), and may give established() and problem(status).
 */
export class Session extends EventTarget {
    state = "idle";
    message = "";
    connection = null;

    #endpoint;
    #attempt = 0;
    #timer = null;
    #current = null;

    constructor(endpoint, token = "") {
        super();
        this.#endpoint = new URL(endpoint, location.href);
        this.token = token;
        addEventListener("pagehide", () => this.stop());
    }

    start() {
        this.stop();
        this.#attempt = 0;
        this.#connect();
    }

    /** Ends the session and tells the server so; nothing is tried again. */
    stop() {
        clearTimeout(this.#timer);
        this.#leave();
        this.#set("idle");
    }

    async #connect() {
        this.#set("connecting", this.message);
        const run = { ended: false, location: null, etag: null, candidates: [], finished: false, watchers: [] };
        this.#current = run;
        try {
            await this.#negotiate(run);
            await this.#connected(run);
            if (run.ended) return;
            this.#attempt = 0;
            this.#set("live");
            this.established?.();
        } catch (error) {
            this.#ended(run, error);
        }
    }

    /** A last change to the server's answer before the browser reads it. */
    adapt(answer) {
        return answer;
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

        let response;
        try {
            response = await fetch(this.#endpoint, {
                method: "POST",
                headers: { "Content-Type": "application/sdp", ...this.#authorization() },
                body: offer,
                cache: "no-store",
            });
        } catch {
            throw new SessionError("The server cannot be reached.");
        }
        if (!response.ok) throw await this.#refusal(response);
        const location = response.headers.get("Location");
        // Relative to where the answer came from, which a redirect may have changed.
        run.location = location && new URL(location, response.url);
        run.etag = response.headers.get("ETag");
        if (run.ended) return this.#delete(run);
        const servers = iceServers(response.headers.get("Link"));
        if (servers.length > 0) connection.setConfiguration({ bundlePolicy: "max-bundle", iceServers: servers });
        run.offer = offer;
        await connection.setRemoteDescription({ type: "answer", sdp: this.adapt(await response.text()) });
        this.#trickleSoon(run);
    }

    #connected(run) {
        return new Promise((resolve, reject) => {
            const { connection } = run;
            let disconnected = null;
            const timeout = setTimeout(
                () => reject(new SessionError("No connection to the server's UDP port. Is a firewall in between?")),
                CONNECT_TIMEOUT,
            );
            const lost = (message) => {
                const error = new SessionError(message);
                reject(error);
                this.#ended(run, error);
            };
            const look = () => {
                clearTimeout(disconnected);
                const state = connection.connectionState;
                if (state === "connected") {
                    clearTimeout(timeout);
                    resolve();
                } else if (state === "failed" || state === "closed") {
                    lost("The connection was lost.");
                } else if (state === "disconnected") {
                    disconnected = setTimeout(() => lost("The connection was lost."), DISCONNECTED_GRACE);
                }
            };
            connection.addEventListener("connectionstatechange", look);
            // The server's farewell (DTLS close_notify) shows here first.
            const transport = connection.getTransceivers().find((one) => one.receiver.transport)?.receiver.transport;
            transport?.addEventListener("statechange", () => {
                if (transport.state === "closed" || transport.state === "failed") lost("The server ended the session.");
            });
            run.watchers.push(() => {
                clearTimeout(timeout);
                clearTimeout(disconnected);
                connection.removeEventListener("connectionstatechange", look);
                resolve();
            });
            look();
        });
    }

    #ended(run, error) {
        if (run.ended || run !== this.#current) return;
        this.#leave();
        const known = error instanceof SessionError ? error : new SessionError(String(error.message ?? error));
        if (known.permanent || error.name === "NotAllowedError") {
            this.#set("failed", known.message);
            return;
        }
        const backoff = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempt);
        const delay = known.retryAfter ?? backoff * (0.75 + Math.random() / 2);
        this.#attempt += 1;
        this.#set("connecting", known.message);
        this.#timer = setTimeout(() => this.#connect(), delay);
    }

    #leave() {
        const run = this.#current;
        this.#current = null;
        if (!run || run.ended) return;
        run.ended = true;
        run.watchers.forEach((end) => end());
        clearTimeout(run.trickle);
        this.#delete(run);
        run.connection?.close();
        this.connection = null;
    }

    #delete(run) {
        if (!run.location) return;
        fetch(run.location, { method: "DELETE", headers: this.#authorization(), keepalive: true }).catch(() => {});
        run.location = null;
    }

    #trickleSoon(run) {
        if (!run.location || !run.offer || run.trickle) return;
        run.trickle = setTimeout(async () => {
            run.trickle = null;
            if (run.ended || run.patchRefused || (run.candidates.length === 0 && !run.finished)) return;
            const fragment = candidateFragment(run.offer, run.candidates.splice(0), run.finished);
            run.finished = false;
            try {
                const response = await fetch(run.location, {
                    method: "PATCH",
                    headers: {
                        "Content-Type": "application/trickle-ice-sdpfrag",
                        ...(run.etag ? { "If-Match": run.etag } : {}),
                        ...this.#authorization(),
                    },
                    body: fragment,
                });
                // A server that takes no candidates finds the browser by its connectivity checks.
                run.patchRefused = !response.ok;
            } catch {
                run.patchRefused = true;
            }
        }, TRICKLE_DELAY);
    }

    #authorization() {
        return this.token ? { Authorization: "Bearer " + this.token } : {};
    }

    async #refusal(response) {
        const seconds = Number(response.headers.get("Retry-After"));
        const retryAfter = seconds > 0 ? Math.min(60, seconds) * 1000 : null;
        const known = this.problem?.(response.status);
        if (known) return new SessionError(known.message, { retryAfter, status: response.status, ...known });
        if (response.status === 401 || response.status === 403) {
            const message = this.token ? "The token is not accepted for this room." : "This room asks for a token.";
            return new SessionError(message, { permanent: true, status: response.status });
        }
        const permanent = response.status >= 400 && response.status < 500 && response.status !== 429;
        return new SessionError(await describe(response), { permanent, retryAfter, status: response.status });
    }

    #set(state, message = "") {
        if (this.state === state && this.message === message) return;
        this.state = state;
        this.message = message;
        this.dispatchEvent(new Event("statechange"));
    }
}

async function describe(response) {
    try {
        const problem = JSON.parse(await response.text());
        const text = problem.detail ?? problem.title ?? problem.error;
        if (typeof text === "string") return `The server refused: ${text}`;
    } catch {
        // Not a problem document: the status has to do.
    }
    return `The server refused (status ${response.status}).`;
}

/** The trickle-ice-sdpfrag (RFC 8840) that carries the candidates. With max-bundle all belong to the first media. */
export function candidateFragment(offer, candidates, finished) {
    const lines = offer.split(/\r?\n/);
    const find = (prefix) => lines.find((line) => line.startsWith(prefix));
    const fragment = [find("a=ice-ufrag:"), find("a=ice-pwd:"), find("m="), find("a=mid:")].filter(Boolean);
    fragment.push(...candidates.map((candidate) => "a=" + candidate.candidate));
    if (finished) fragment.push("a=end-of-candidates");
    return fragment.join("\r\n") + "\r\n";
}

/** ICE servers out of Link header fields with rel="ice-server". */
export function iceServers(header) {
    if (!header) return [];
    const servers = [];
    for (const [, url, parameters] of header.matchAll(/<([^>]+)>((?:\s*;\s*[\w-]+=(?:"[^"]*"|[^\s;,]+))*)/g)) {
        const values = Object.fromEntries(
            [...parameters.matchAll(/;\s*([\w-]+)=(?:"([^"]*)"|([^\s;,]+))/g)].map((one) => [one[1], one[2] ?? one[3]]),
        );
        if (values.rel !== "ice-server" || !/^(stun|turns?):/.test(url)) continue;
        servers.push(
            values.username ? { urls: url, username: values.username, credential: values.credential } : { urls: url },
        );
    }
    return servers;
}
