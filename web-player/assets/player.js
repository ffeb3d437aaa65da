// The controls of the video: play, sound, full screen, picture-in-picture, statistics, and their keys.

import { byId, remember, remembered } from "./page.js";

const IDLE_MILLISECONDS = 3000;

/** `stream` gives the stream of the present session. Dispatches "statistics" when the panel is opened. */
export class Player extends EventTarget {
    #video = byId("video");
    #stage = byId("stage");
    #stream;
    #isLive = false;
    #soundWasBlocked = false;
    /** Whether the viewer paused, which a new session does not change. */
    #isHeld = false;
    #idleTimer = null;

    constructor(stream) {
        super();
        this.#stream = stream;
        this.#video.volume = Number(remembered("volume", "1")) || 1;
        this.#video.muted = remembered("muted", "true") !== "false";
        this.#wire();
        this.#setStatistics(remembered("statistics", "false") === "true");
        this.#show();
    }

    set isLive(value) {
        if (this.#isLive === value) return;
        this.#isLive = value;
        this.#show();
    }

    /**
     * Shows the stream of the present session; the last picture of the one before stays until then, and for as long as
     * the viewer has paused it.
     */
    attach() {
        if (this.#isHeld) return this.#show();
        if (this.#video.srcObject !== this.#stream()) this.#video.srcObject = this.#stream();
        this.#play().then(() => this.#show());
    }

    async #play() {
        try {
            await this.#video.play();
        } catch (error) {
            if (error.name !== "NotAllowedError" || this.#video.muted) return;
            // Sound needs a gesture first: go on without it and offer the button.
            this.#soundWasBlocked = true;
            this.#video.muted = true;
            await this.#video.play().catch(() => {});
        }
    }

    #setMuted(muted) {
        this.#soundWasBlocked = false;
        this.#video.muted = muted;
        if (!muted && this.#video.volume === 0) this.#video.volume = 1;
        if (!muted && !this.#isHeld) this.#play();
        remember("muted", muted);
        remember("volume", this.#video.volume);
        this.#show();
    }

    #setVolume(volume) {
        this.#video.volume = Math.min(1, Math.max(0, volume));
        this.#setMuted(this.#video.volume === 0);
    }

    #togglePlay() {
        this.#isHeld = !this.#video.paused;
        if (this.#isHeld) return this.#video.pause();
        // A live picture goes on at the live edge, not where it was left.
        this.#video.srcObject = this.#stream();
        this.#play();
    }

    /** The viewer's own keys and the window of the picture pause and play as the button does. */
    #pausedElsewhere() {
        // A browser pauses what is not seen, and what has ended.
        const isSeen = !document.hidden || document.pictureInPictureElement !== null;
        if (this.#isLive && isSeen && !this.#video.ended && this.#video.paused) this.#isHeld = true;
    }

    #playedElsewhere() {
        if (!this.#isHeld) return;
        this.#isHeld = false;
        this.attach();
    }

    #toggleFullscreen() {
        if (document.fullscreenElement) document.exitFullscreen();
        else if (this.#stage.requestFullscreen) this.#stage.requestFullscreen().catch(() => {});
        else this.#video.webkitEnterFullscreen?.();
    }

    async #togglePictureInPicture() {
        try {
            if (document.pictureInPictureElement) await document.exitPictureInPicture();
            else await this.#video.requestPictureInPicture();
        } catch {
            // There is no picture yet, or the browser wants another gesture.
        }
    }

    #toggleStatistics() {
        const open = byId("statistics").hidden;
        this.#setStatistics(open);
        remember("statistics", open);
        if (open) this.dispatchEvent(new Event("statistics"));
    }

    #setStatistics(open) {
        byId("statistics").hidden = !open;
        byId("statistics-toggle").setAttribute("aria-pressed", String(open));
    }

    #toggleHelp() {
        const help = byId("help");
        if (help.open) help.close();
        else help.showModal();
    }

    #show() {
        const video = this.#video;
        const silent = video.muted || video.volume === 0;
        byId("mute").setAttribute("aria-pressed", String(!silent));
        byId("mute").setAttribute("aria-label", silent ? "Sound on" : "Sound off");
        byId("play").setAttribute("aria-pressed", String(!video.paused));
        byId("play").setAttribute("aria-label", video.paused ? "Play" : "Pause");
        byId("volume").value = video.muted ? 0 : video.volume;
        const full = document.fullscreenElement !== null;
        byId("fullscreen").setAttribute("aria-pressed", String(full));
        byId("fullscreen").setAttribute("aria-label", full ? "Leave full screen" : "Full screen");
        byId("pip").setAttribute("aria-pressed", String(document.pictureInPictureElement !== null));
        const hasSound = this.#isLive && this.#stream().getAudioTracks().length > 0;
        const chosen = remembered("muted", null) === "true" && !this.#soundWasBlocked;
        byId("unmute").hidden = chosen || !silent || !hasSound;
    }

    /** The controls go away while nobody uses them. */
    #wakeControls() {
        clearTimeout(this.#idleTimer);
        delete this.#stage.dataset.idle;
        this.#idleTimer = setTimeout(() => (this.#stage.dataset.idle = ""), IDLE_MILLISECONDS);
    }

    #wire() {
        const video = this.#video;
        for (const name of ["play", "pause", "volumechange", "enterpictureinpicture", "leavepictureinpicture"]) {
            video.addEventListener(name, () => this.#show());
        }
        video.addEventListener("pause", () => this.#pausedElsewhere());
        video.addEventListener("play", () => this.#playedElsewhere());
        document.addEventListener("fullscreenchange", () => this.#show());
        const press = (id, action) => byId(id).addEventListener("click", action);
        press("play", () => this.#togglePlay());
        press("mute", () => this.#setMuted(!video.muted));
        press("unmute", () => this.#setMuted(false));
        press("fullscreen", () => this.#toggleFullscreen());
        press("pip", () => this.#togglePictureInPicture());
        press("statistics-toggle", () => this.#toggleStatistics());
        press("help-open", () => this.#toggleHelp());
        press("help-close", () => this.#toggleHelp());
        byId("pip").hidden = !document.pictureInPictureEnabled;
        byId("volume").addEventListener("input", (event) => this.#setVolume(Number(event.target.value)));
        // A finger calls the controls; a mouse, which has them already, stops and starts.
        video.addEventListener("pointerup", ({ pointerType, button }) => {
            if (pointerType === "mouse" && button === 0) this.#togglePlay();
        });
        video.addEventListener("dblclick", () => this.#toggleFullscreen());
        for (const name of ["pointermove", "pointerdown", "focusin", "keydown"]) {
            this.#stage.addEventListener(name, () => this.#wakeControls());
        }
        addEventListener("keydown", (event) => this.#key(event));
        this.#wakeControls();
    }

    #key(event) {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.target.closest("input:not([type=range]), textarea, select, dialog")) return;
        const isOnControl = event.target.closest("button, a, input, summary") !== null;
        const actions = {
            k: () => this.#togglePlay(),
            m: () => this.#setMuted(!this.#video.muted),
            f: () => this.#toggleFullscreen(),
            p: () => this.#togglePictureInPicture(),
            s: () => this.#toggleStatistics(),
            "?": () => this.#toggleHelp(),
            ...(isOnControl ? {} : { " ": () => this.#togglePlay() }),
            ...(isOnControl ? {} : { ArrowUp: () => this.#setVolume(this.#video.volume + 0.1) }),
            ...(isOnControl ? {} : { ArrowDown: () => this.#setVolume(this.#video.volume - 0.1) }),
        };
        const action = actions[event.key.length === 1 ? event.key.toLowerCase() : event.key];
        if (!action) return;
        event.preventDefault();
        this.#wakeControls();
        action();
    }
}
