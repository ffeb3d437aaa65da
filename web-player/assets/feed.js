// Server-sent events read with fetch(), because EventSource can neither send a token nor see that a connection is dead.

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;
/** The server writes a comment every 15 s when there is nothing else to say. */
const SILENCE_LIMIT = 40_000;
const HIDDEN_LIMIT = 30_000;
const LONGEST_LINE = 8 * 1024 * 1024;

/**
 * A stream of events that comes back by itself, with the id of the last event it saw.
 * Dispatches a MessageEvent for each event, "open" when connected, and "lost" when it is not; `problem` then says why.
 *
 * A page nobody looks at gives its connection back: over HTTP/1.1 a browser opens six for all its tabs.
 */
export class EventStream extends EventTarget {
    isOpen = false;
    isStarted = false;
    problem = "";

    #url;
    #lastEventID = "";
    #abort = null;
    #timer = null;
    #watchdog = null;
    #hiddenTimer = null;
    #attempt = 0;
    #retry = null;
    #listeners = null;

    constructor(url, token = "") {
        super();
        this.#url = new URL(url, location.href);
        this.token = token;
    }

    start() {
        this.stop();
        this.isStarted = true;
        this.#attempt = 0;
        this.#listeners = new AbortController();
        const { signal } = this.#listeners;
        document.addEventListener("visibilitychange", () => this.#visibilityChanged(), { signal });
        addEventListener("online", () => !this.isOpen && this.#connect(), { signal });
        addEventListener("pageshow", (event) => event.persisted && this.#connect(), { signal });
        this.#connect();
    }

    stop() {
        this.isStarted = false;
        this.#listeners?.abort();
        this.#disconnect();
    }

    #disconnect() {
        clearTimeout(this.#timer);
        clearTimeout(this.#watchdog);
        clearTimeout(this.#hiddenTimer);
        this.#abort?.abort();
        this.#abort = null;
        this.isOpen = false;
    }

    #visibilityChanged() {
        clearTimeout(this.#hiddenTimer);
        if (document.hidden) this.#hiddenTimer = setTimeout(() => this.#disconnect(), HIDDEN_LIMIT);
        else if (!this.isOpen) this.#connect();
    }

    async #connect() {
        this.#disconnect();
        const abort = new AbortController();
        this.#abort = abort;
        let delay = null;
        try {
            const headers = { Accept: "text/event-stream" };
            if (this.#lastEventID) headers["Last-Event-ID"] = this.#lastEventID;
            if (this.token) headers.Authorization = "Bearer " + this.token;
            this.#feedWatchdog(abort);
            const response = await fetch(this.#url, { headers, cache: "no-store", signal: abort.signal });
            if (!response.ok) {
                delay = Number(response.headers.get("Retry-After")) * 1000 || null;
                const refused = response.status === 401 || response.status === 403;
                this.problem = refused ? "The token is not accepted." : `The server answers with ${response.status}.`;
                await response.body?.cancel();
            } else {
                const heard = await this.#read(response, abort);
                this.problem = "The connection to the server has ended.";
                // A stream without a single event is how the server says that it has too many clients.
                if (!heard) delay = this.#retry;
            }
        } catch {
            this.problem = navigator.onLine ? "The server does not answer." : "This device is offline.";
        }
        if (this.#abort !== abort) return;
        this.#disconnect();
        if (!this.isStarted) return;
        const backoff = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempt);
        this.#attempt += 1;
        this.#timer = setTimeout(() => this.#connect(), (delay ?? backoff) * (0.75 + Math.random() / 2));
        this.dispatchEvent(new Event("lost"));
    }

    #feedWatchdog(abort) {
        clearTimeout(this.#watchdog);
        this.#watchdog = setTimeout(() => abort.abort(), SILENCE_LIMIT);
    }

    /** Reads until the stream ends; whether there was an event. */
    async #read(response, abort) {
        const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        let heard = false;
        let event = { type: "", data: [] };
        for (;;) {
            const { value, done } = await reader.read();
            if (done || abort.signal.aborted) return heard;
            this.#feedWatchdog(abort);
            const lines = (rest + value).split(/\r\n|\n|\r(?!$)/);
            rest = lines.pop();
            if (rest.length > LONGEST_LINE) throw new RangeError("a line without end");
            for (const line of lines) {
                if (line !== "") {
                    this.#field(line, event);
                    continue;
                }
                if (event.data.length > 0) {
                    heard = true;
                    this.#attempt = 0;
                    if (!this.isOpen) {
                        this.isOpen = true;
                        this.problem = "";
                        this.dispatchEvent(new Event("open"));
                    }
                    this.#dispatch(event);
                }
                event = { type: "", data: [] };
            }
        }
    }

    #field(line, event) {
        const [, name, value] = /^([^:]*)(?:: ?)?(.*)$/s.exec(line);
        if (name === "data") event.data.push(value);
        else if (name === "event") event.type = value;
        else if (name === "id" && !value.includes("\0")) this.#lastEventID = value;
        else if (name === "retry" && /^\d+$/.test(value)) this.#retry = Math.min(60_000, Number(value));
    }

    #dispatch({ type, data }) {
        const text = data.join("\n");
        let value;
        try {
            value = JSON.parse(text);
        } catch {
            return; // One broken message does not end the stream; the next one replaces it.
        }
        this.dispatchEvent(new MessageEvent(type || "message", { data: value, lastEventId: this.#lastEventID }));
    }
}
