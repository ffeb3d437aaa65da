// The last minute as small line charts, one reading a second, drawn as SVG so that the theme colours them.

import { bitrate, element, setText } from "./page.js";
import { figure } from "./statistics.js";

const SECONDS = 60;
const WIDTH = 300;
const HEIGHT = 60;
const NAMESPACE = "http://www.w3.org/2000/svg";

/** One chart. `series` are [{ name, className }]; `format` writes a value; `least` is the lowest top of the scale. */
class Chart {
    #readings = [];
    #series;
    #format;
    #least;
    #lines = [];
    #at = null;

    constructor({ title, series, format, least }) {
        this.#series = series;
        this.#format = format;
        this.#least = least;
        this.top = element("span", { className: "chart-top" });
        this.values = element("span", { className: "chart-values" });
        const viewBox = `0 0 ${WIDTH} ${HEIGHT}`;
        this.drawing = svg("svg", { viewBox, preserveAspectRatio: "none", "aria-hidden": "true" });
        for (const y of [0.5, HEIGHT / 2, HEIGHT - 0.5]) {
            this.drawing.append(svg("line", { class: "grid", x1: 0, x2: WIDTH, y1: y, y2: y }));
        }
        for (const { className } of series) {
            const area = svg("path", { class: `area ${className}` });
            const line = svg("path", { class: `line ${className}` });
            this.drawing.append(area, line);
            this.#lines.push({ area, line });
        }
        this.cursor = svg("line", { class: "cursor", y1: 0, y2: HEIGHT, visibility: "hidden" });
        this.drawing.append(this.cursor);
        const plot = element("div", { className: "plot" }, this.drawing, this.top);
        const caption = element("figcaption", {}, element("span", { className: "chart-title" }, title), this.values);
        const ends = element("div", { className: "chart-ends", ariaHidden: "true" });
        ends.append(element("span", {}, "1 min ago"), element("span", {}, "now"));
        this.root = element("figure", { className: "chart" }, caption, plot, ends);
        plot.addEventListener("pointermove", (event) => this.#point(event));
        plot.addEventListener("pointerleave", () => this.#point(null));
    }

    /** Adds a reading: a value for each series, null where there is none. */
    add(values) {
        this.#readings.push(values.map((value) => (Number.isFinite(value) ? value : null)));
        if (this.#readings.length > SECONDS) this.#readings.shift();
    }

    draw() {
        const highest = Math.max(this.#least, ...this.#readings.flat().map((value) => value ?? 0));
        const top = roundUp(highest);
        setText(this.top, this.#format(top));
        this.#lines.forEach(({ area, line }, index) => {
            const values = this.#readings.map((reading) => reading[index]);
            const { stroke, fill } = paths(values, top);
            line.setAttribute("d", stroke);
            area.setAttribute("d", fill);
        });
        this.#showValues();
    }

    clear() {
        this.#readings = [];
    }

    #point(event) {
        this.#at = null;
        if (event && this.#readings.length > 0) {
            const box = this.drawing.getBoundingClientRect();
            const ago = Math.round((1 - (event.clientX - box.left) / box.width) * (SECONDS - 1));
            this.#at = Math.min(this.#readings.length - 1, Math.max(0, ago));
            const x = WIDTH - (this.#at * WIDTH) / (SECONDS - 1);
            this.cursor.setAttribute("x1", x);
            this.cursor.setAttribute("x2", x);
        }
        this.cursor.setAttribute("visibility", this.#at === null ? "hidden" : "visible");
        this.#showValues();
    }

    #showValues() {
        const reading = this.#readings.at(-1 - (this.#at ?? 0)) ?? this.#series.map(() => null);
        const parts = this.#series.map(({ name, className }, index) => {
            const value = reading[index] === null ? "–" : this.#format(reading[index]);
            return { className, text: name ? `${name} ${value}` : value };
        });
        if (this.#at) parts.push({ className: "ago", text: `${this.#at} s ago` });
        while (this.values.children.length > parts.length) this.values.lastChild.remove();
        parts.forEach(({ className, text }, index) => {
            const node = this.values.children[index] ?? this.values.appendChild(element("span"));
            node.className = className;
            setText(node, text);
        });
    }
}

export function bitrateChart() {
    return new Chart({ title: "Bitrate", series: [{ name: "", className: "one" }], format: bitrate, least: 1e5 });
}

export function delayChart(title, series) {
    return new Chart({ title, series, format: (value) => figure(value, " ms"), least: 50 });
}

/** Its values are percent. */
export function lossChart() {
    const series = [{ name: "", className: "bad" }];
    return new Chart({ title: "Packet loss", series, format: (value) => figure(value, " %", 1), least: 5 });
}

/** The line through the values, the last at the right edge, and the area below it; a missing value leaves a gap. */
function paths(values, top) {
    let stroke = "";
    let fill = "";
    let start = null;
    const x = (index) => (WIDTH - ((values.length - 1 - index) * WIDTH) / (SECONDS - 1)).toFixed(1);
    const close = (index) => {
        if (start !== null) fill += `L${x(index)} ${HEIGHT}L${x(start)} ${HEIGHT}Z`;
        start = null;
    };
    values.forEach((value, index) => {
        if (value === null) return close(index - 1);
        const y = (HEIGHT - 1.5 - (Math.min(value, top) / top) * (HEIGHT - 3)).toFixed(1);
        const step = `${start === null ? "M" : "L"}${x(index)} ${y}`;
        start ??= index;
        stroke += step;
        fill += step;
    });
    close(values.length - 1);
    return { stroke, fill };
}

/** The next of 1, 2, 5, 10, 20 … at or above the value, so that the scale keeps still. */
function roundUp(value) {
    const power = 10 ** Math.floor(Math.log10(value));
    return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value * 0.999);
}

function svg(tag, attributes) {
    const node = document.createElementNS(NAMESPACE, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
}
