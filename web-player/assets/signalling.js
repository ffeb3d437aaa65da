// What WHIP (RFC 9725) and WHEP write and read: links, SDP fragments (RFC 8840), problem documents (RFC 9457).

/** The links of a response, as [{ url, rel, … }] with whatever parameters they have. */
export function parseLinks(header, base = location.href) {
    const links = [];
    const link = /<([^>]+)>((?:\s*;\s*[\w-]+\s*=\s*(?:"[^"]*"|[^\s;,]+))*)/g;
    for (const [, target, parameters] of (header ?? "").matchAll(link)) {
        const values = {};
        for (const [, name, quoted, plain] of parameters.matchAll(/;\s*([\w-]+)\s*=\s*(?:"([^"]*)"|([^\s;,]+))/g)) {
            values[name.toLowerCase()] = quoted ?? plain;
        }
        const isServer = /^(stun|turns?):/.test(target);
        links.push({ ...values, url: isServer || !URL.canParse(target, base) ? target : new URL(target, base).href });
    }
    return links;
}

/** The ICE servers among the links. */
export function iceServers(links) {
    return links
        .filter((link) => link.rel === "ice-server" && /^(stun|turns?):/.test(link.url))
        .map(({ url, username, credential }) => (username ? { urls: url, username, credential } : { urls: url }));
}

/** The fragment that carries candidates, or new credentials. With max-bundle all belong to the first media. */
export function candidateFragment(offer, candidates, finished) {
    const lines = offer.split(/\r?\n/);
    const find = (prefix) => lines.find((line) => line.startsWith(prefix));
    const fragment = [find("a=ice-ufrag:"), find("a=ice-pwd:"), find("m="), find("a=mid:")].filter(Boolean);
    fragment.push(...candidates.map((candidate) => "a=" + candidate.candidate));
    if (finished) fragment.push("a=end-of-candidates");
    return fragment.join("\r\n") + "\r\n";
}

/** The answer as it was, with the credentials and candidates of the fragment that answers an ICE restart. */
export function restartedAnswer(answer, fragment) {
    const news = fragment.split(/\r?\n/);
    const ufrag = news.find((line) => line.startsWith("a=ice-ufrag:"));
    const password = news.find((line) => line.startsWith("a=ice-pwd:"));
    if (!ufrag || !password) return null;
    const candidates = news.filter((line) => line.startsWith("a=candidate:"));
    const lines = [];
    let media = 0;
    for (const line of answer.split(/\r?\n/)) {
        if (/^a=(candidate:|end-of-candidates)/.test(line)) continue;
        // Candidates close the first media section: that is the one of the bundle.
        if (line.startsWith("m=") && ++media === 2) lines.push(...candidates);
        if (line.startsWith("a=ice-ufrag:")) lines.push(ufrag);
        else if (line.startsWith("a=ice-pwd:")) lines.push(password);
        else if (line !== "") lines.push(line);
    }
    if (media === 1) lines.push(...candidates);
    return lines.join("\r\n") + "\r\n";
}

/** What the server says is wrong, or an empty string when it does not say. */
export async function problemDetail(response) {
    try {
        const problem = JSON.parse(await response.text());
        const text = problem.detail ?? problem.title ?? problem.error;
        return typeof text === "string" ? text : "";
    } catch {
        return "";
    }
}

/** The word by which the server tells one problem from others of its status, or an empty string. */
export async function problemReason(response) {
    try {
        const { reason } = JSON.parse(await response.text());
        return typeof reason === "string" ? reason : "";
    } catch {
        return "";
    }
}

/** Milliseconds to wait as the server asks for it, or null. */
export function retryAfter(response) {
    const seconds = Number(response.headers.get("Retry-After"));
    return seconds > 0 ? Math.min(60, seconds) * 1000 : null;
}
