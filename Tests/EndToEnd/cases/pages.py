"""The project's own pages in Chromium: publish to watch, for each codec, and what else they promise."""

import json

from harness import web
from harness.browser import publisher_page, wait_until_playing, watch_page
from harness.obs import OBSPublisher
from harness.runner import check, test, until

CODECS = ["H264", "VP8", "VP9", "AV1"]


def publish_and_watch(env, loops):
    with env.server(loops=loops) as server:
        for codec in CODECS:
            with env.case(f"{codec} with {loops} loop{'s' if loops > 1 else ''}"):
                room = f"page-{codec.lower()}"
                with publisher_page(env, server, room, codec) as publisher, watch_page(env, server, room) as viewer:
                    figures = wait_until_playing(viewer)
                    check(figures["videoCodec"] == codec, f"the viewer decodes {figures['videoCodec']}")
                    check(figures["audioCodec"] == "opus", f"the viewer hears {figures['audioCodec']}")
                    check(figures["width"] > 0 and figures["height"] > 0, f"no size in {figures}")
                    before = figures["framesDecoded"]
                    viewer.until(lambda: viewer.stats()["framesDecoded"] > before + 30, 5, "the picture goes on")
                    viewer.page.keyboard.press("s")
                    bitrate = "document.getElementById('figures').innerText.includes('bit/s')"
                    viewer.until(lambda: viewer.evaluate(bitrate), 5, "the figures are shown")
                    viewer.screenshot(f"watch {codec} {loops}")
                    publisher.screenshot(f"publish {codec} {loops}")
                    listed = server.room(room)
                    check(listed["viewer_count"] == 1, f"/rooms counts {listed}")
                    check(codec in [track.upper() for track in listed["tracks"]], f"/rooms has {listed}")
                    publisher.check_is_quiet()
                    viewer.check_is_quiet()


@test("publish page to watch page, one loop")
def one_loop(env):
    publish_and_watch(env, 1)


@test("publish page to watch page, two loops")
def two_loops(env):
    publish_and_watch(env, 2)


@test("the home page lists rooms as they come and go")
def home(env):
    with env.server() as server, env.browser.page(f"{server.origin}/") as page:
        page.until(lambda: page.state == "live", 5, "the feed is up")
        page.until(lambda: page.evaluate("!document.getElementById('empty').hidden"), 5, "the empty state")
        page.screenshot("home empty")
        guide = "document.getElementById('rtsp-url')"
        page.until(lambda: page.evaluate(f"{guide}.checkVisibility()"), 5, "the address for RTSP players")
        address = page.evaluate(f"{guide}.textContent")
        check(address == server.rtsp("cam1"), f"the page says {address} of {server.rtsp('cam1')}")
        publisher = OBSPublisher(server.whip("home/cam.1"), gop_seconds=2).start()
        page.until(lambda: len(page.evaluate("window.martlet.rooms()")) == 1, 5, "the room is listed")
        check(page.evaluate("document.querySelector('.card strong').textContent") == "home/cam.1", "the card's name")
        page.screenshot("home")
        publisher.leave()
        page.until(lambda: not page.evaluate("window.martlet.rooms()"), 15, "the room is gone")
        page.check_is_quiet()


@test("a name from elsewhere stays text on the home page")
def markup(env):
    name = "<img src=x onerror=document.body.dataset.broken=1>"
    rooms = json.dumps({"rooms": [{"viewer_count": 1, "id": 1, "name": name, "tracks": [name], "publisher": name}]})
    with env.server() as server, env.browser.page("about:blank") as page:
        room = {"name": name, "id": 1, "viewers": 1, "tracks": [{"codec": name}], "publisher": {"protocol": name}}
        snapshot = f"event: snapshot\ndata: {json.dumps({'rooms': [room]})}\n\n"
        event = f"data: {rooms}\n\n"
        page.page.route("**/v1/events", lambda route: route.fulfill(content_type="text/event-stream", body=snapshot))
        page.page.route("**/notifications", lambda route: route.fulfill(content_type="text/event-stream", body=event))
        page.page.route("**/rooms", lambda route: route.fulfill(content_type="application/json", body=rooms))
        page.page.goto(f"{server.origin}/")
        page.until(lambda: len(page.evaluate("window.martlet.rooms()")) == 1, 5, "the room is shown")
        check(page.evaluate("document.querySelector('.card strong').textContent") == name, "the name is text")
        check(page.evaluate("document.querySelectorAll('.card img').length") == 0, "the name became an element")
        check(not page.evaluate("document.body.dataset.broken"), "the name ran as a script")


@test("a viewer who came first gets the picture when somebody publishes, and again after a restart")
def waiting(env):
    with env.server() as server, watch_page(env, server, "early") as viewer:
        viewer.until(lambda: "Waiting" in viewer.evaluate("document.getElementById('message').textContent"), 5,
                     "the page says that it waits")
        publisher = OBSPublisher(server.whip("early"), gop_seconds=2).start()
        figures = wait_until_playing(viewer, deadline=40)
        publisher.leave()
        publisher = OBSPublisher(server.whip("early"), gop_seconds=2).start()
        try:
            viewer.until(lambda: viewer.state == "live" and viewer.stats()["framesDecoded"] != figures["framesDecoded"],
                         30, "the picture goes on after the restart")
            wait_until_playing(viewer)
        finally:
            publisher.leave()


@test("leaving a page gives its session back")
def leaving(env):
    with env.server() as server:
        with publisher_page(env, server, "leave", "VP8"):
            with watch_page(env, server, "leave") as viewer:
                wait_until_playing(viewer)
                viewer.page.goto("about:blank")
                until(lambda: server.room("leave")["viewer_count"] == 0, 10, "the viewer is not counted any more")
        until(lambda: not server.rooms() or server.room("leave") is None, 40, "the room is gone")


@test("pages are what the browser is allowed to run")
def headers(env):
    with env.server() as server:
        for target in ["/", "/cam1/", "/cam1/publish", "/live/main/", "/assets/style.css", "/assets/whep.js"]:
            with env.case(target):
                response = web.request(server.origin, "GET", target)
                check(response.status == 200, f"status {response.status}")
                check("default-src 'self'" in (response.header("Content-Security-Policy") or ""), "no policy")
                check(response.header("X-Content-Type-Options") == "nosniff", "no nosniff")
        with env.case("/cam1 redirects"):
            response = web.request(server.origin, "GET", "/cam1")
            check(response.status in (301, 302, 307, 308), f"status {response.status}")
            check(response.header("Location").endswith("/cam1/"), f"to {response.header('Location')}")
        for target in ["/assets/../main.swift", "/assets/%2e%2e/README.md", "/assets/nothing.js", "//evil.example/"]:
            with env.case(f"{target} is not there"):
                response = web.request(server.origin, "GET", target)
                check(response.status in (400, 403, 404), f"status {response.status}")
        with env.case("a name with markup stays text"):
            response = web.request(server.origin, "GET", "/%3Cimg%20src=x%20onerror=alert(1)%3E/")
            is_page = "html" in (response.header("Content-Type") or "")
            check(not is_page or b"<img src=x" not in response.body, "the name is in the page as markup")
