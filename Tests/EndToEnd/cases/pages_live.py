"""The pages through a live day: rooms come and go, publishers and servers restart, lines are cut (demonstration 7)."""

import contextlib
import json
import signal

from harness import web
from harness.browser import publisher_page, wait_until_playing, watch_page
from harness.obs import OBSPublisher
from harness.relay import Relay
from harness.line import Line
from harness.runner import check, test, until

CARDS = "[...document.querySelectorAll('.card strong')].map((node) => node.textContent)"
CARD_TEXT = "[...document.querySelectorAll('.card')].map((card) => card.innerText.replace(/\\s+/g, ' '))"

MESSAGE = "document.getElementById('message').textContent"
PREVIEWS = "document.getElementById('preview').videoWidth > 0"


@contextlib.contextmanager
def obs(server, room):
    publisher = OBSPublisher(server.whip(room), gop_seconds=2).start()
    try:
        yield publisher
    finally:
        publisher.leave()


def restart(server):
    """The same server again, on the same ports."""
    server.__exit__()
    server.__enter__()


def goes_on(viewer, deadline, what):
    """Until the picture has moved by ten frames within one connection."""
    first = previous = None

    def moves():
        nonlocal first, previous
        frames = viewer.stats()["framesDecoded"]
        if previous is None or frames < previous or viewer.state != "live":
            first = frames
        previous = frames
        return frames >= first + 10

    viewer.until(moves, deadline, what)


@test("room cards follow publishers and viewers within a second")
def cards(env):
    with env.server() as server, env.browser.page(f"{server.origin}/") as page:
        page.until(lambda: page.state == "live", 5, "the feed is up")
        with obs(server, "one"), obs(server, "two"):
            page.until(lambda: page.evaluate(CARDS) == ["one", "two"], 1, "both cards")
            with obs(server, "deep/three"):
                page.until(lambda: page.evaluate(CARDS) == ["deep/three", "one", "two"], 1, "the third card, in order")
                page.until(lambda: "H.264 · Opus" in page.evaluate(CARD_TEXT)[0], 2, "the codecs")
                page.until(lambda: "bit/s" in page.evaluate(CARD_TEXT)[1], 10, "the bitrate")
                with watch_page(env, server, "one") as viewer:
                    wait_until_playing(viewer)
                    page.until(lambda: "1 viewer" in page.evaluate(CARD_TEXT)[1], 1, "the viewer is counted")
                page.until(lambda: "0 viewers" in page.evaluate(CARD_TEXT)[1], 5, "the viewer is gone")
            page.until(lambda: page.evaluate(CARDS) == ["one", "two"], 1, "the third card is gone")
        page.until(lambda: page.evaluate(CARDS) == [], 1, "no card")
        check(page.evaluate("!document.getElementById('empty').hidden"), "the empty state")
        page.check_is_quiet()


@test("the home page says that the line is cut, and catches up by Last-Event-ID")
def line_is_cut(env):
    with env.server() as server, Line(server.port) as line, env.browser.page(f"{line.origin}/") as page:
        page.until(lambda: page.state == "live", 5, "the feed is up")
        with obs(server, "stays"):
            page.until(lambda: page.evaluate(CARDS) == ["stays"], 1, "the card")
            line.cut()
            page.until(lambda: page.state == "failed", 5, "the page says so")
            check(page.evaluate("document.getElementById('message').checkVisibility()"), "no message")
            check(page.evaluate(CARDS) == ["stays"], "what was known is gone")
            page.screenshot("home line cut")
            with obs(server, "new"):
                line.mend()
                page.until(lambda: page.evaluate(CARDS) == ["new", "stays"], 20, "the page catches up")
                page.until(lambda: page.state == "live", 5, "connected again")
                check(line.sent(r"last-event-id: \S+-\d+"), "the feed was not asked for what was missed")
        page.until(lambda: page.evaluate(CARDS) == [], 2, "the feed goes on")


@test("the home page survives a restart of the server")
def home_restart(env):
    with env.server() as server, env.browser.page(f"{server.origin}/") as page:
        with obs(server, "before"):
            page.until(lambda: page.evaluate(CARDS) == ["before"], 5, "the card")
        restart(server)
        with obs(server, "after"):
            page.until(lambda: page.evaluate(CARDS) == ["after"] and page.state == "live", 20, "the new server's rooms")


@test("the watch page survives its publisher and its server")
def watch_survives(env):
    with env.server() as server, watch_page(env, server, "show") as viewer:
        waits = "document.getElementById('message').checkVisibility()"
        viewer.until(lambda: viewer.evaluate(waits), 5, "the page says that it waits")
        with obs(server, "show"):
            viewer.until(lambda: viewer.stats()["framesDecoded"] > 0, 5, "the picture comes at once")
            goes_on(viewer, 10, "the first publisher's picture")
            viewer.evaluate("window.first = window.martlet.viewer.connection")
        viewer.until(lambda: viewer.evaluate(waits), 10, "the page says that the picture has stopped")
        with obs(server, "show"):
            goes_on(viewer, 20, "the second publisher's picture")
            check(viewer.evaluate("window.first === window.martlet.viewer.connection"), "the page connected anew")
            viewer.until(lambda: not viewer.evaluate(waits), 5, "the message is gone")
        restart(server)
        with obs(server, "show"):
            goes_on(viewer, 30, "the picture after a restart of the server")
            viewer.screenshot("watch after restart")


@test("the watch page follows a change of codec, and tells of a room with sound only")
def changes(env):
    with env.server() as server, watch_page(env, server, "change") as viewer:
        with obs(server, "change"):
            wait_until_playing(viewer)
            check(viewer.stats()["videoCodec"] == "H264", "H264 first")
        with publisher_page(env, server, "change", "VP8"):
            viewer.until(lambda: viewer.stats()["videoCodec"] == "VP8", 20, "VP8 then")
            goes_on(viewer, 10, "the picture is there")
        with env.browser.page(f"{server.origin}/voice/publish", cameras=True) as page:
            page.page.check("[value=none]", force=True)
            page.page.click("#start")
            page.until(lambda: page.state == "live", 15, "it publishes sound")
            with watch_page(env, server, "voice") as listener:
                listener.until(lambda: listener.stats()["audioSamples"] > 0, 15, "sound arrives")
                listener.until(lambda: listener.evaluate(MESSAGE) == "Sound only.", 5, "the page says so")
                listener.check_is_quiet()
            page.check_is_quiet()


@test("the watch page and the publish page survive a server that is killed")
def server_is_killed(env):
    with env.server() as server, publisher_page(env, server, "killed", "VP8") as publisher:
        with watch_page(env, server, "killed") as viewer:
            wait_until_playing(viewer)
            # No farewell: neither DTLS nor TCP tells the pages.
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            restart(server)
            publisher.until(lambda: publisher.state == "live" and publisher.stats()["framesEncoded"] > 5, 40,
                            "the publish page publishes again")
            goes_on(viewer, 40, "the picture is back")


@test("the watch page survives a server that stands still")
def server_stands_still(env):
    with env.server() as server, obs(server, "still"), watch_page(env, server, "still") as viewer:
        wait_until_playing(viewer)
        server.process.send_signal(signal.SIGSTOP)
        try:
            viewer.until(lambda: viewer.state == "connecting", 20, "the page notices")
        finally:
            server.process.send_signal(signal.SIGCONT)
        goes_on(viewer, 30, "the picture is back")


@contextlib.contextmanager
def relayed(env, server, target, **options):
    """A page whose media goes through a relay, and the relay. What an ICE restart finds goes past it."""
    with Relay(server.media_address, env.address) as relay, env.browser.page("about:blank", **options) as page:
        relay.attach(page.page)
        page.page.goto(f"{server.origin}{target}")
        yield page, relay


def fall_into_a_black_hole(relay):
    for flow in list(relay.flows.values()):
        flow.black_hole()


@test("pages repair their connection by an ICE restart, and by a new session where that is refused")
def ice_restart(env):
    remember, same = "window.before = %s.connection", "%s.connection === window.before"
    with env.server() as server, obs(server, "path"):
        with env.case("the watch page"), relayed(env, server, "/path/") as (page, relay):
            wait_until_playing(page)
            page.evaluate(remember % "martlet.viewer")
            fall_into_a_black_hole(relay)
            page.until(lambda: page.state == "connecting", 15, "the page notices")
            goes_on(page, 20, "the picture is back")
            check(page.evaluate(same % "martlet.viewer"), "it took a new session")
        with env.case("the watch page, refused"), relayed(env, server, "/path/") as (page, relay):
            wait_until_playing(page)
            page.evaluate(remember % "martlet.viewer")
            refusal = {"status": 422, "content_type": "application/problem+json", "body": "{}"}
            page.page.route("**/whep/*", lambda route: route.fulfill(**refusal)
                            if route.request.method == "PATCH" else route.continue_())
            fall_into_a_black_hole(relay)
            page.until(lambda: page.state == "connecting", 15, "the page notices")
            goes_on(page, 20, "the picture is back")
            check(not page.evaluate(same % "martlet.viewer"), "it has the old session")
        with env.case("the publish page"), relayed(env, server, "/sent/publish", cameras=True) as (page, relay):
            page.until(lambda: page.evaluate(PREVIEWS), 10, "a preview")
            page.page.select_option("#size", "640x360")
            page.page.click("#start")
            page.until(lambda: page.state == "live", 15, "it publishes")
            with watch_page(env, server, "sent") as viewer:
                wait_until_playing(viewer)
                page.evaluate(remember % "martlet.publisher")
                fall_into_a_black_hole(relay)
                page.until(lambda: page.state == "connecting", 15, "the page notices")
                goes_on(viewer, 20, "the picture is back at a viewer")
                check(page.evaluate(same % "martlet.publisher"), "it took a new session")
        with env.case("a network that comes back is tried at once"), watch_page(env, server, "path") as page:
            wait_until_playing(page)
            page.evaluate(remember % "martlet.viewer")
            ufrag = "martlet.viewer.connection.remoteDescription.sdp.match(/a=ice-ufrag:(.*)/)[1]"
            before = page.evaluate(ufrag)
            page.evaluate("dispatchEvent(new Event('online'))")
            page.until(lambda: page.evaluate(ufrag) != before, 5, "new credentials of the server")
            goes_on(page, 5, "the picture goes on")
            check(page.evaluate(same % "martlet.viewer"), "it took a new session")
            page.check_is_quiet()


@test("the statistics panel has numbers and a minute of lines")
def statistics(env):
    with env.server() as server, publisher_page(env, server, "numbers", "VP8"):
        with watch_page(env, server, "numbers") as viewer:
            wait_until_playing(viewer)
            viewer.page.click("#statistics-toggle")
            rows = "Object.fromEntries([...document.querySelectorAll('#figures div')].map((row) => " \
                   "[row.children[0].textContent, row.children[1].textContent]))"
            wanted = {"Video", "Resolution", "Frame rate", "Audio", "Bitrate", "Packet loss", "Jitter buffer",
                      "Round trip", "Latency, estimated"}

            def known():
                return {name for name, value in viewer.evaluate(rows).items() if value != "–"}

            viewer.until(lambda: known() >= wanted, 15, "every figure has a value")
            figures = viewer.evaluate(rows)
            check(figures["Video"] == "VP8" and figures["Audio"] == "Opus", f"codecs in {figures}")
            check(figures["Resolution"] == "640 × 360", f"resolution in {figures}")
            check(float(figures["Frame rate"].split()[0]) > 5, f"frame rate in {figures}")
            latency = viewer.stats()["latency"]
            check(latency is None or 0 < latency["milliseconds"] < 5000, f"latency {latency}")
            points = "[...document.querySelectorAll('.chart .line')]" \
                     ".map((line) => (line.getAttribute('d') ?? '').split(/[ML]/).length - 1)"
            viewer.until(lambda: min(viewer.evaluate(points)) >= 5, 15, "every line grows")
            viewer.page.hover(".chart .plot")
            viewer.until(lambda: "s ago" in viewer.evaluate("document.querySelector('.chart-values').textContent"), 2,
                         "a reading under the pointer")
            viewer.screenshot("watch statistics")
            viewer.check_is_quiet()


@test("the player's choices are remembered")
def remembered(env):
    with env.server() as server, obs(server, "memory"), watch_page(env, server, "memory") as viewer:
        wait_until_playing(viewer)
        check(viewer.evaluate("document.getElementById('video').muted"), "it starts muted")
        viewer.page.click("#unmute")
        check(not viewer.evaluate("document.getElementById('video').muted"), "the button unmutes")
        check(viewer.evaluate("document.getElementById('unmute').hidden"), "the button has gone")
        viewer.page.fill("#volume", "0.4")
        viewer.page.keyboard.press("s")
        viewer.page.click("#theme")
        theme = viewer.evaluate("document.documentElement.dataset.theme")
        viewer.page.reload()
        wait_until_playing(viewer)
        viewer.until(lambda: not viewer.evaluate("document.getElementById('video').muted"), 5, "sound is on again")
        check(viewer.evaluate("document.getElementById('video').volume") == 0.4, "the volume")
        check(viewer.evaluate("!document.getElementById('statistics').hidden"), "the panel is open again")
        check(viewer.evaluate("document.documentElement.dataset.theme") == theme, "the theme")
        viewer.check_is_quiet()


@test("a room with a token asks for it, and takes it")
def tokens(env):
    paths = {"secret": {"readToken": "eye-of-newt", "publishToken": "toe-of-frog"}}
    with env.server(paths=paths) as server:
        with env.browser.page(f"{server.origin}/secret/publish", cameras=True) as publisher:
            publisher.until(lambda: publisher.evaluate(PREVIEWS), 10, "a preview")
            publisher.page.click("#start")
            publisher.until(lambda: publisher.state == "failed", 10, "it is refused")
            check("token" in publisher.evaluate(MESSAGE), "no word of the token")
            check(publisher.evaluate("document.activeElement.id") == "token", "the field is not at hand")
            publisher.page.keyboard.type("toe-of-frog")
            publisher.page.keyboard.press("Enter")
            publisher.until(lambda: publisher.state == "live", 15, "it publishes")
            with watch_page(env, server, "secret") as viewer:
                field = "document.getElementById('token').checkVisibility()"
                viewer.until(lambda: viewer.evaluate(field), 10, "a field for the token")
                viewer.page.fill("#token", "wrong")
                viewer.page.click("#token-form button")
                viewer.until(lambda: "not accepted" in viewer.evaluate(MESSAGE), 10, "it says that it is wrong")
                viewer.page.fill("#token", "eye-of-newt")
                viewer.page.click("#token-form button")
                wait_until_playing(viewer)


@test("the publish page sends three sizes, shows them, and changes devices and bitrate while live")
def simulcast(env):
    with env.server() as server:
        for codec in ("VP8", "H264"):
            with env.case(codec), env.browser.page(f"{server.origin}/three-{codec}/publish", cameras=True) as page:
                page.until(lambda: page.evaluate(PREVIEWS), 10, "a preview")
                page.page.select_option("#codec", codec)
                page.page.check("#simulcast")
                page.page.click("#start")

                def encoded():
                    return [one["rid"] for one in page.stats()["layers"] if (one["framesEncoded"] or 0) > 5]

                page.until(lambda: len(encoded()) == 3, 25, "three layers are encoded")
                widths = sorted(one["frameWidth"] for one in page.stats()["layers"])
                check(widths == [320, 640, 1280], f"the widths are {widths}")
                rows = "document.querySelectorAll('#layers tbody tr').length"
                page.until(lambda: page.evaluate(rows) == 3, 5, "the table of layers")
                level = "Number(document.getElementById('level').getAttribute('aria-valuenow'))"
                page.until(lambda: page.evaluate(level) > -50, 10, "the meter moves")
                page.screenshot(f"publish simulcast {codec}")
                page.page.select_option("#bitrate", "500")
                limit = "martlet.publisher.connection.getSenders().find((one) => one.track?.kind === 'video')" \
                        ".getParameters().encodings.at(-1).maxBitrate"
                page.until(lambda: page.evaluate(limit) == 500_000, 5, "the new bitrate")
                page.evaluate("window.before = martlet.publisher.connection")
                page.page.click("#sound-toggle")
                check(not page.evaluate("document.getElementById('preview').srcObject.getAudioTracks()[0].enabled"),
                      "the microphone is still on")
                page.page.select_option("#camera", index=1)
                before = page.stats()["framesEncoded"]
                page.until(lambda: page.stats()["framesEncoded"] > before + 20, 10, "it sends on")
                check(page.state == "live", "it is not live any more")
                check(page.evaluate("martlet.publisher.connection === window.before"), "it took a new session")
                for source in ("screen", "camera"):
                    page.page.check(f"[value={source}]", force=True)
                    sent = page.stats()["framesEncoded"]
                    page.until(lambda: page.stats()["framesEncoded"] > sent + 20, 10, f"the {source} is sent")
                check(page.evaluate("martlet.publisher.connection === window.before"), "the screen took a new session")
                page.page.click("#stop")
                until(lambda: server.room(f"three-{codec}") is None, 5, "the room is gone with its publisher")
                page.check_is_quiet()


@test("the publish page says what is wrong with the devices")
def devices(env):
    refuse = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('no', '%s'))"
    with env.server() as server:
        for name, words in [("NotAllowedError", "not allowed"), ("NotFoundError", "was found"),
                            ("NotReadableError", "in use")]:
            with env.case(name), env.browser.page("about:blank") as page:
                page.page.add_init_script(refuse % name)
                page.page.goto(f"{server.origin}/devices/publish")
                page.until(lambda: words in page.evaluate(MESSAGE), 5, "the reason")
                page.page.click("#start")
                page.until(lambda: page.state == "failed" and words in page.evaluate(MESSAGE), 5, "the reason again")
                check(page.evaluate("!document.getElementById('start').disabled"), "Start can be tried again")
                page.check_is_quiet()


@test("the publish page does not fight for a room")
def taken_rooms(env):
    with env.server(paths={"held": {"overridePublisher": False}, "all_others": {}}) as server:
        with env.case("that is refused to it"), obs(server, "held"):
            with env.browser.page(f"{server.origin}/held/publish", cameras=True) as page:
                page.until(lambda: page.evaluate(PREVIEWS), 10, "a preview")
                page.page.click("#start")
                page.until(lambda: page.state == "failed", 10, "it is refused")
                check("already publishing" in page.evaluate(MESSAGE), "no reason")
        with env.case("that is taken from it"), publisher_page(env, server, "open", "VP8") as page:
            with obs(server, "open"):
                page.until(lambda: page.state == "failed", 10, "it gives way")
                check("taken over" in page.evaluate(MESSAGE), "no reason")
                check("H264" in server.room("open")["tracks"], "the other publisher was thrown out")


@test("a page that is left ends its session at once")
def leaving(env):
    with env.server() as server:
        with env.browser.page(f"{server.origin}/left/publish", cameras=True) as page:
            page.until(lambda: page.evaluate(PREVIEWS), 10, "a preview")
            page.page.click("#start")
            page.until(lambda: page.state == "live", 15, "it publishes")
            page.page.goto(f"{server.origin}/")
            until(lambda: server.room("left") is None, 3, "the room is gone")
            check(web.request(server.origin, "GET", "/rooms").json()["rooms"] == [], "there is still a room")


@test("the watch page lets a viewer choose the layer where the server offers it")
def layer_choice(env):
    layers = {"0": [{"rid": "q", "width": 320, "height": 180, "bitrate": 110_000},
                    {"rid": "f", "width": 1280, "height": 720, "bitrate": 2_480_000},
                    {"rid": "h", "width": 640, "height": 360, "bitrate": 600_000}]}
    asked = []
    with env.server() as server, obs(server, "choice"), env.browser.page("about:blank") as page:

        def session(route):
            if route.request.method != "POST":
                return route.continue_()
            answer = route.fetch()
            kind = "urn:ietf:params:whep:ext:core"
            links = f'</x/events>; rel="{kind}:server-sent-events"; events="layers,viewercount", ' \
                    f'</x/layer>; rel="{kind}:layer"'
            return route.fulfill(response=answer, headers={**answer.headers, "link": links})

        def events(route):
            asked.append(route.request.post_data_json)
            route.fulfill(status=201, headers={"Location": "/x/events/1"})

        def stream(route):
            body = f'event: layers\ndata: {json.dumps(layers)}\n\nevent: viewercount\ndata: {{"viewercount": 7}}\n\n'
            route.fulfill(content_type="text/event-stream", body=body)

        def choose(route):
            asked.append(route.request.post_data_json)
            if asked[-1].get("rid") == "q":
                return route.fulfill(status=422, body='{"detail": "not that one"}')
            return route.fulfill(status=200)

        page.page.route("**/whep", session)
        page.page.route("**/x/events", events)
        page.page.route("**/x/events/1", stream)
        page.page.route("**/x/layer", choose)
        page.page.goto(f"{server.origin}/choice/")
        options = "[...document.getElementById('layer').options].map((option) => option.textContent)"
        wanted = ["Automatic", "720p · 2.5 Mbit/s", "360p · 0.6 Mbit/s", "180p · 0.1 Mbit/s"]
        page.until(lambda: page.evaluate(options) == wanted, 10, "the layers, best first")
        check(asked == [["layers", "viewercount"]], f"asked for {asked}")
        page.until(lambda: page.evaluate("document.getElementById('viewers').textContent") == "7 viewers", 5, "viewers")
        for value, expected in (("h", {"mediaId": "0", "rid": "h"}), ("", {"mediaId": "0"})):
            page.page.select_option("#layer", value)
            page.until(lambda: asked[-1] == expected, 5, f"{expected} is asked for")
        page.page.select_option("#layer", "q")
        page.until(lambda: "not that one" in page.evaluate(MESSAGE), 5, "the refusal is told")
        check(page.evaluate("document.getElementById('layer').value") == "", "the choice shows what is not so")
