"""The pages' scripts by themselves: what they make of headers, fragments, events in pieces, and refusals."""

from harness.browser import wait_until_playing
from harness.obs import OBSPublisher
from harness.runner import check, test

LINKS = """
    async (header) => (await import("/assets/signalling.js")).parseLinks(header, "http://host:1/room/whep")
"""
ICE_SERVERS = """
    async (header) => {
        const { iceServers, parseLinks } = await import("/assets/signalling.js");
        return iceServers(parseLinks(header));
    }
"""
RESTARTED = """
    async ([answer, fragment]) => (await import("/assets/signalling.js")).restartedAnswer(answer, fragment)
"""
# The stream comes in the given pieces and then ends; a second one says no more.
EVENTS = """
    async (pieces) => {
        const { EventStream } = await import("/assets/feed.js");
        const heard = [], asked = [];
        let first = true;
        window.fetch = async (url, { headers }) => {
            asked.push(headers["Last-Event-ID"] ?? null);
            const parts = first ? pieces : [];
            first = false;
            const encoder = new TextEncoder();
            return new Response(new ReadableStream({
                async start(controller) {
                    for (const part of parts) {
                        controller.enqueue(typeof part === "string" ? encoder.encode(part) : new Uint8Array(part));
                        await new Promise((resolve) => setTimeout(resolve, 1));
                    }
                    controller.close();
                },
            }));
        };
        const stream = new EventStream("/v1/events");
        for (const type of ["message", "room.updated"]) {
            stream.addEventListener(type, ({ data, lastEventId }) => heard.push([type, data, lastEventId]));
        }
        stream.start();
        while (asked.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
        stream.stop();
        return { heard, asked };
    }
"""


@test("the pages read links, fragments and events as they may come")
def parsers(env):
    with env.server() as server, env.browser.page(f"{server.origin}/") as page:
        with env.case("links"):
            header = '<stun:a:3478>; rel="ice-server", </x?a=1,2>;rel=urn:l; events="a,b;c", ' \
                     '<turn:b>; rel="ice-server"; username="u;,"; credential="p q"; credential-type="password", <broken'
            links = page.page.evaluate(LINKS, header)
            check([one["url"] for one in links] == ["stun:a:3478", "http://host:1/x?a=1,2", "turn:b"], f"{links}")
            check(links[1]["rel"] == "urn:l" and links[1]["events"] == "a,b;c", f"{links[1]}")
            servers = page.page.evaluate(ICE_SERVERS, header)
            wanted = [{"urls": "stun:a:3478"}, {"urls": "turn:b", "username": "u;,", "credential": "p q"}]
            check(servers == wanted, f"{servers}")
            check(page.page.evaluate(LINKS, None) == [], "no header, no links")
        with env.case("the answer after an ICE restart"):
            old, candidate = "a=ice-ufrag:old|a=ice-pwd:oldoldold|", "a=candidate:2 1 udp 1 b 2 typ host"
            answer = f"v=0|a=ice-lite|m=audio 9 X|{old}a=candidate:1 1 udp 1 a 1 typ host|a=end-of-candidates|" \
                     f"a=mid:0|m=video 9 X|{old}a=mid:1|"
            fragment = f"a=ice-ufrag:new|a=ice-pwd:newnewnew|m=audio 9 X|a=mid:0|{candidate}|"
            answer, fragment = answer.replace("|", "\r\n"), fragment.replace("|", "\r\n")
            made = page.page.evaluate(RESTARTED, [answer, fragment]).split("\r\n")
            check("a=ice-ufrag:old" not in made and made.count("a=ice-ufrag:new") == 2, f"{made}")
            check(made.count("a=ice-pwd:newnewnew") == 2, f"{made}")
            check(made.index(candidate) == made.index("m=video 9 X") - 1, f"{made}")
            check(not any(line.startswith("a=candidate:1 ") for line in made), f"{made}")
            check(page.page.evaluate(RESTARTED, [answer, "a=ice-ufrag:new\r\n"]) is None, "no password, no answer")
        with env.case("events in pieces"):
            euro = list("€".encode())
            last = "\ndata: not json\n\nid: e-3\ndata: 3\n\ndata: never ended"
            pieces = [": hello\n\nid: e-1\nda", "ta: {\"a\":\r",
                      "\ndata: 1}\r\n\r\nevent: room.updated\nid: e-2\ndata: [\"", euro[:1], euro[1:], "\"]\n", last]
            result = page.page.evaluate(EVENTS, pieces)
            wanted = [["message", {"a": 1}, "e-1"], ["room.updated", ["€"], "e-2"], ["message", 3, "e-3"]]
            check(result["heard"] == wanted, f"heard {result['heard']}")
            check(result["asked"] == [None, "e-3"], f"asked with {result['asked']}")


@test("the watch page waits as long as a refusal says, and not less")
def retry_after(env):
    asked = []
    with env.server() as server, env.browser.page("about:blank") as page:

        def refuse(route):
            asked.append(page.evaluate("performance.now()"))
            detail = '{"title": "Service Unavailable", "detail": "it has 3 viewers"}'
            headers = {"Retry-After": "2", "Content-Type": "application/problem+json"}
            route.fulfill(status=503, headers=headers, body=detail)

        page.page.route("**/whep", refuse)
        page.page.goto(f"{server.origin}/full/")
        message = "document.getElementById('message').textContent"
        page.until(lambda: "it has 3 viewers" in page.evaluate(message), 5, "the reason")
        page.until(lambda: len(asked) >= 3, 15, "it asks again")
        pauses = [later - earlier for earlier, later in zip(asked, asked[1:])]
        check(all(1950 <= pause <= 4000 for pause in pauses), f"it paused for {pauses} ms")
        page.page.click("#retry")
        page.until(lambda: len(asked) >= 4, 1, "the button does not wait")


@test("the watch page plays without sound where the browser wants a gesture first")
def autoplay(env):
    block = """
        localStorage.setItem("martlet-muted", "false");
        const play = HTMLMediaElement.prototype.play;
        window.gesture = false;
        addEventListener("pointerdown", () => (window.gesture = true), true);
        HTMLMediaElement.prototype.play = function () {
            if (this.muted || window.gesture) return play.call(this);
            this.pause();
            return Promise.reject(new DOMException("a gesture first", "NotAllowedError"));
        };
    """
    with env.server() as server, env.browser.page("about:blank") as page:
        publisher = OBSPublisher(server.whip("sound"), gop_seconds=2).start()
        try:
            page.page.add_init_script(block)
            page.page.goto(f"{server.origin}/sound/")
            page.until(lambda: page.evaluate("document.getElementById('unmute').checkVisibility()"), 10, "the button")
            wait_until_playing(page)
            check(page.evaluate("document.getElementById('video').muted"), "it is not muted")
            page.until(lambda: not page.evaluate("document.getElementById('video').paused"), 5, "the picture runs")
            page.page.click("#unmute")
            page.until(lambda: not page.evaluate("document.getElementById('video').muted"), 2, "sound")
            check(not page.evaluate("document.getElementById('unmute').checkVisibility()"), "the button is still there")
            page.check_is_quiet()
        finally:
            publisher.leave()
