"""What can be measured of how a page looks: contrast, overflow, names for what can be pressed."""

from harness.runner import check

# Text over the picture or over a gradient has no one colour behind it and is left to the eye.
AUDIT = """
() => {
    const problems = [];
    const describe = (node) => `${node.tagName.toLowerCase()}${node.id ? "#" + node.id : ""}.${node.className}`;
    const parse = (text) => {
        const [red, green, blue, alpha = 1] = text.match(/[\\d.]+/g).map(Number);
        return { red, green, blue, alpha };
    };
    const over = (top, below) => {
        const mix = (key) => top[key] * top.alpha + below[key] * (1 - top.alpha);
        return { red: mix("red"), green: mix("green"), blue: mix("blue"), alpha: 1 };
    };
    const luminance = (color) => {
        const [red, green, blue] = [color.red, color.green, color.blue].map((value) => {
            const part = value / 255;
            return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
        });
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const background = (node) => {
        const layers = [];
        for (let one = node; one; one = one.parentElement) {
            const style = getComputedStyle(one);
            if (one.matches(".stage") || style.backgroundImage !== "none") return null;
            const color = parse(style.backgroundColor);
            if (color.alpha > 0) layers.push(color);
            if (color.alpha === 1) return layers.reverse().reduce((below, top) => over(top, below));
        }
        return null;
    };
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const node = walker.currentNode.parentElement;
        const style = getComputedStyle(node);
        if (!walker.currentNode.data.trim() || node.closest("script, noscript, .sr, :disabled")) continue;
        if (!node.checkVisibility({ opacityProperty: true, visibilityProperty: true })) continue;
        const behind = background(node);
        if (!behind) continue;
        const front = over(parse(style.color), behind);
        const [high, low] = [luminance(front), luminance(behind)].sort((one, other) => other - one);
        const ratio = (high + 0.05) / (low + 0.05);
        const words = node.textContent.slice(0, 30);
        if (ratio < 4.5) problems.push(`contrast ${ratio.toFixed(2)} of ${describe(node)} "${words}"`);
        const box = node.getBoundingClientRect();
        if (box.right > innerWidth + 1) problems.push(`${describe(node)} reaches to ${box.right}`);
    }
    for (const node of document.querySelectorAll("button, a[href], input, select")) {
        if (!node.checkVisibility()) continue;
        const labels = [...(node.labels ?? [])].map((label) => label.textContent).join(" ");
        const name = node.ariaLabel || labels || node.textContent;
        if (!name.trim()) problems.push(`${describe(node)} has no name`);
        const { width, height } = (node.labels?.[0] ?? node).getBoundingClientRect();
        if (width < 24 || height < 16) problems.push(`${describe(node)} is only ${width} by ${height}`);
    }
    const { scrollWidth } = document.documentElement;
    if (scrollWidth > innerWidth) problems.push(`the page is ${scrollWidth} wide in ${innerWidth}`);
    if (document.documentElement.lang === "") problems.push("no language");
    return problems;
}
"""


def check_looks(page, what):
    problems = page.page.evaluate(AUDIT)
    check(not problems, f"{what}: {'; '.join(problems[:8])}")
