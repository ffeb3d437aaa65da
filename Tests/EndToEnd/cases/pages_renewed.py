"""What the pages make of publishers that come, go and take over, and what they keep over a new session."""

from cases.pages_live import MESSAGE, fall_into_a_black_hole, goes_on, obs, relayed, restart
from cases.pages_looks import LOOKS
from harness.audit import check_looks
from harness.browser import publisher_page, wait_until_playing, watch_page
from harness.layers import publish_layers
from harness.line import Line
from harness.obs import OBSPublisher
from harness.runner import check, test

BADGES = "[...document.querySelectorAll('.badge')].map((node) => node.textContent)"
CARDS = "[...document.querySelectorAll('.card strong')].map((node) => node.textContent)"
COUNT = "document.getElementById('count').textContent"
VIDEO = "document.getElementById('video')"
CHOICES = "[...document.getElementById('layer').options].map((option) => option.textContent.split(' ')[0])"
CHOSEN = "document.getElementById('layer').value"
# The middle of the picture that is shown.
PIXEL = """
    (() => {
        const video = document.getElementById("video");
        const canvas = new OffscreenCanvas(1, 1);
        const context = canvas.getContext("2d");
        context.drawImage(video, video.videoWidth / 2, video.videoHeight / 2, 1, 1, 0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data].join();
    })()
"""


def lists_layers(page, names):
    page.until(lambda: page.evaluate(CHOICES) == ["Automatic", *names], 20, f"a choice of {names}")


def stays(page, width):
    """Until the picture has this width and keeps it for a second or two."""
    page.until(lambda: page.stats()["width"] == width, 15, f"a picture {width} wide")
    before = page.stats()["framesDecoded"]
    page.until(lambda: page.stats()["framesDecoded"] > before + 40, 15, "it moves")
    check(page.stats()["width"] == width, f"the picture is {page.stats()['width']} wide")


@test("two publish pages do not fight for a room that asks viewers for a token")
def private_rooms(env):
    with env.server(paths={"private": {"readToken": "eye-of-newt"}, "all_others": {}}) as server:
        with env.case("the page is told of the other's coming"), \
                publisher_page(env, server, "private", "VP8") as first, \
                publisher_page(env, server, "private", "VP8") as second:
            second.evaluate("window.before = martlet.publisher.connection")
            first.until(lambda: first.state == "failed", 10, "it gives way")
            check("taken over" in first.evaluate(MESSAGE), f"it says {first.evaluate(MESSAGE)!r}")
            check(second.state == "live", "the other was thrown out")
            check(second.evaluate("martlet.publisher.connection === window.before"), "the other has a new session")
        with env.case("the page is cut off when the other comes"), \
                relayed(env, server, "/private/publish", cameras=True) as (page, relay):
            page.until(lambda: page.evaluate("document.getElementById('preview').videoWidth > 0"), 10, "a preview")
            page.page.select_option("#size", "640x360")
            page.page.click("#start")
            page.until(lambda: page.state == "live", 15, "it publishes")
            fall_into_a_black_hole(relay)
            with obs(server, "private") as other:
                page.until(lambda: page.state == "failed", 30, "it gives way when it finds that out")
                check("taken over" in page.evaluate(MESSAGE), f"it says {page.evaluate(MESSAGE)!r}")
                check(not other.was_closed_by_server, "the other was thrown out")


@test("a card says Connecting until its publisher is connected, by the feed and without")
def connecting(env):
    with env.server() as server, env.browser.page("about:blank") as polling, \
            env.browser.page(f"{server.origin}/") as page:
        polling.page.route("**/v1/events", lambda route: route.abort())
        polling.page.goto(f"{server.origin}/")
        page.until(lambda: page.state == "live", 5, "the feed is up")
        absent = OBSPublisher(server.whip("slow"))
        check(absent.post().status == 201, "the offer is answered")
        for one in (page, polling):
            one.until(lambda: one.evaluate(BADGES) == ["Connecting"], 5, "the card says so")
            check(one.evaluate(COUNT) == "", "it counts as live")
            check(not one.evaluate("document.getElementById('empty').checkVisibility()"), "nobody is there, it says")
        with obs(server, "fast"):
            for look, options in LOOKS:
                with env.case(look), env.browser.page(f"{server.origin}/", **options) as seen:
                    seen.until(lambda: seen.evaluate(BADGES) == ["Live", "Connecting"], 5, "both kinds")
                    check_looks(seen, "home")
                    seen.screenshot(f"home connecting {look}")
        with obs(server, "slow"):
            for one in (page, polling):
                one.until(lambda: one.evaluate(BADGES) == ["Live"], 5, "the card says so")
                check(one.evaluate(COUNT) == "1", "it does not count as live")
        page.check_is_quiet()


@test("cards of rooms with a token stay while the feed is lost")
def private_cards(env):
    with env.server(paths={"private": {"readToken": "eye-of-newt"}, "all_others": {}}) as server, \
            Line(server.port) as line, obs(server, "private"):
        with env.browser.page(f"{line.origin}/#token=eye-of-newt") as page:
            with obs(server, "open"):
                page.until(lambda: page.evaluate(CARDS) == ["open", "private"], 5, "both cards")
                asked = []
                page.page.route("**/v1/events", lambda route: route.abort())
                page.page.on("response", lambda response: asked.append(response.status)
                             if response.url.endswith("/rooms") else None)
                line.cut()
                page.until(lambda: page.state == "failed", 5, "the page notices")
                line.mend()
                page.until(lambda: 200 in asked and page.state == "live", 10, "the list is asked for")
                check(page.evaluate(CARDS) == ["open", "private"], f"the cards are {page.evaluate(CARDS)}")
            page.until(lambda: page.evaluate(CARDS) == ["private"], 10, "what was listed goes when it ends")
            page.page.unroute("**/v1/events")
            with obs(server, "news"):
                page.until(lambda: page.evaluate(CARDS) == ["news", "private"], 20, "the feed is back")


@test("a player that was paused stays paused through a new session, and goes on with the present picture")
def paused(env):
    with env.server() as server, watch_page(env, server, "held") as viewer:
        with obs(server, "held"):
            wait_until_playing(viewer)
            viewer.page.click("#play")
            viewer.until(lambda: viewer.evaluate(f"{VIDEO}.paused"), 2, "it pauses")
            pixel = viewer.evaluate(PIXEL)
            viewer.evaluate("window.before = martlet.viewer.stream")
        restart(server)
        with obs(server, "held"):
            goes_on(viewer, 40, "a new session brings pictures")
            check(viewer.evaluate("martlet.viewer.stream !== window.before"), "it has no new session")
            check(viewer.evaluate(f"{VIDEO}.paused"), "it plays by itself")
            check(viewer.evaluate(PIXEL) == pixel, "the picture is another one")
            viewer.page.keyboard.press("m")
            check(viewer.evaluate(f"{VIDEO}.paused"), "it plays because of the sound")
            viewer.screenshot("watch held")
            viewer.page.click("#play")
            shown = f"{VIDEO}.requestVideoFrameCallback(() => (window.shown = true))"
            viewer.evaluate(shown)
            viewer.until(lambda: viewer.evaluate("window.shown === true"), 5, "pictures are shown")
            check(viewer.evaluate(f"{VIDEO}.srcObject === martlet.viewer.stream"), "they are the old session's")
        restart(server)
        with obs(server, "held"):
            goes_on(viewer, 40, "one more session brings pictures")
            viewer.until(lambda: not viewer.evaluate(f"{VIDEO}.paused"), 5, "it plays, for nobody paused it again")
            viewer.check_is_quiet()


@test("the layer that was chosen is chosen again in a new session, and when it comes back")
def kept_layer(env):

    def publish(names):
        return OBSPublisher(server.whip("kept"), gop_seconds=2, layers=names).start()

    asked = []
    with env.server() as server, watch_page(env, server, "kept") as viewer:
        viewer.page.on("request", lambda request: asked.append(request.post_data_json.get("rid"))
                       if request.url.endswith("/layer") else None)
        publisher = publish(["q", "h", "f"])
        try:
            lists_layers(viewer, ["360p", "180p", "90p"])
            viewer.page.select_option("#layer", "h")
            stays(viewer, 320)
            check(asked == ["h"], f"it asked for {asked}")
            viewer.evaluate("window.before = martlet.viewer.connection")
            viewer.evaluate("martlet.viewer.renew()")
            viewer.until(lambda: viewer.evaluate("martlet.viewer.extensions?.layers.length === 3 && "
                                                 "martlet.viewer.connection !== window.before"), 20, "a new session")
            check(viewer.evaluate(CHOSEN) == "h", f"it shows {viewer.evaluate(CHOSEN)!r}")
            stays(viewer, 320)
            check(set(asked) == {"h"} and len(asked) > 1, f"it asked for {asked}")
            with env.case("another publisher does not have it"):
                publisher.leave()
                publisher = publish(["low", "middle", "high"])
                viewer.until(lambda: viewer.evaluate(CHOSEN) == "", 5, "the choice is the server's")
                stays(viewer, 640)
                del asked[:]
            with env.case("the first one is back"):
                publisher.leave()
                publisher = publish(["q", "h", "f"])
                viewer.until(lambda: viewer.evaluate(CHOSEN) == "h", 5, "it is chosen again")
                viewer.until(lambda: "h" in asked, 5, "the server is asked for it")
                stays(viewer, 320)
            with env.case("the server's choice is kept as well"):
                viewer.page.select_option("#layer", "")
                stays(viewer, 640)
                del asked[:]
                viewer.evaluate("martlet.viewer.renew()")
                stays(viewer, 640)
                check(asked == [], f"it asked for {asked}")
                check(viewer.evaluate(CHOSEN) == "", f"it shows {viewer.evaluate(CHOSEN)!r}")
            viewer.check_is_quiet()
        finally:
            publisher.leave()


@test("layers inside one stream (SVC) can be chosen on the watch page")
def spatial_layers(env):
    mode = {"scalabilityMode": "L3T3_KEY", "maxBitrate": 1_200_000}
    width = f"{VIDEO}.videoWidth"
    with env.server() as server, env.browser.page(f"{server.origin}/rooms", cameras=True) as publisher:
        publish_layers(publisher, server.whip("spatial"), "VP9", [mode])
        with watch_page(env, server, "spatial") as viewer:
            viewer.until(lambda: viewer.evaluate(width) == 960, 30, "the highest layer")
            lists_layers(viewer, ["540p", "270p", "135p"])
            for index, wanted in ((3, 240), (2, 480), (0, 960), (3, 240)):
                viewer.page.select_option("#layer", index=index)
                viewer.until(lambda: viewer.evaluate(width) == wanted, 15, f"choice {index} is {wanted} wide")
                before = viewer.stats()["framesDecoded"]
                viewer.until(lambda: viewer.stats()["framesDecoded"] > before + 20, 15, "it moves")
            with env.case("a new session keeps it"):
                viewer.evaluate("martlet.viewer.renew()")
                goes_on(viewer, 20, "a new session")
                viewer.until(lambda: viewer.evaluate(CHOSEN) == "0", 10, "it shows the lowest")
                viewer.until(lambda: viewer.evaluate(width) == 240, 15, "the lowest layer again")
            for look, options in LOOKS:
                with env.case(look), watch_page(env, server, "spatial", **options) as seen:
                    lists_layers(seen, ["540p", "270p", "135p"])
                    seen.page.hover("#stage")
                    check_looks(seen, "watch")
                    seen.screenshot(f"watch layers {look}")
            viewer.check_is_quiet()
