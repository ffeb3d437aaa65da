"""What the watch page keeps over a new session, and what it lets a viewer choose."""

from cases.pages_live import goes_on, obs, restart
from cases.pages_looks import LOOKS
from harness.audit import check_looks
from harness.browser import wait_until_playing, watch_page
from harness.layers import publish_layers
from harness.obs import OBSPublisher
from harness.runner import check, test

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
