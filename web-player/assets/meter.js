// Shows how loud a stream is, from -60 dB at the left to 0 dB at the right.

const FLOOR = -60;
const INTERVAL = 66;
/** How far the bar falls in one interval when it gets quiet, in dB. */
const FALL = 3;

export class LevelMeter {
    #node;
    #context = null;
    #analyser = null;
    #source = null;
    #stream = null;
    #samples = new Float32Array(2048);
    #level = FLOOR;

    /** `node` has a child that is scaled from 0 to 1. */
    constructor(node) {
        this.#node = node;
        // Browsers start audio only after a gesture, and complain about trying before.
        for (const gesture of ["pointerdown", "keydown"]) {
            addEventListener(gesture, () => this.#begin(), { once: true });
        }
        if (navigator.userActivation?.hasBeenActive) this.#begin();
        setInterval(() => this.#show(), INTERVAL);
    }

    follow(stream) {
        this.#stream = stream?.getAudioTracks().length ? new MediaStream(stream.getAudioTracks()) : null;
        this.#connect();
    }

    #begin() {
        if (this.#context) return;
        this.#context = new AudioContext();
        this.#analyser = this.#context.createAnalyser();
        this.#analyser.fftSize = this.#samples.length;
        this.#connect();
    }

    #connect() {
        this.#source?.disconnect();
        this.#source = null;
        if (!this.#context || !this.#stream) return;
        this.#source = this.#context.createMediaStreamSource(this.#stream);
        this.#source.connect(this.#analyser);
        if (this.#context.state === "suspended") this.#context.resume().catch(() => {});
    }

    #show() {
        let level = FLOOR;
        if (this.#source && this.#stream.getAudioTracks().some((track) => track.enabled)) {
            this.#analyser.getFloatTimeDomainData(this.#samples);
            let peak = 0;
            for (const sample of this.#samples) peak = Math.max(peak, Math.abs(sample));
            level = Math.max(FLOOR, 20 * Math.log10(peak));
        }
        this.#level = Math.max(level, this.#level - FALL, FLOOR);
        const share = Math.min(1, 1 - this.#level / FLOOR);
        this.#node.firstElementChild.style.transform = `scaleX(${share.toFixed(3)})`;
        this.#node.dataset.loud = String(this.#level > -3);
        this.#node.setAttribute("aria-valuenow", String(Math.round(this.#level)));
    }
}
