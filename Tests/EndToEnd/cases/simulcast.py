"""Chromium publishing three encodings of one picture: viewers get the highest, and another one when it stops."""

from harness.browser import wait_until_playing, watch_page
from harness.layers import THREE_SIZES, layers_flow, publish_layers
from harness.runner import check, test, until

SWITCH = """
    async (active) => {
        const parameters = window.published.sender.getParameters();
        for (const encoding of parameters.encodings)
            if (encoding.rid === "f") encoding.active = active;
        await window.published.sender.setParameters(parameters);
    }
"""


@test("Chromium simulcast: the highest layer is seen, and another one when it stops")
def simulcast(env):
    with env.server() as server:
        for codec in ("VP8", "H264"):
            room = f"simulcast-{codec.lower()}"
            with env.case(codec), env.browser.page(f"{server.origin}/", cameras=True) as publisher:
                answer = publish_layers(publisher, server.whip(room), codec, THREE_SIZES)
                check("a=simulcast:recv q;h;f" in answer, "the answer takes three layers")
                publisher.until(lambda: layers_flow(publisher), 20, "three layers are encoded")
                with watch_page(env, server, room) as viewer:
                    wait_until_playing(viewer)
                    viewer.until(lambda: viewer.stats()["width"] == 960, 10, "the highest layer")
                    publisher.page.evaluate(SWITCH, False)
                    viewer.until(lambda: viewer.stats()["width"] == 480, 10, "the middle layer when the highest stops")
                    before = viewer.stats()["framesDecoded"]
                    viewer.until(lambda: viewer.stats()["framesDecoded"] > before + 20, 5, "it moves")
                    publisher.page.evaluate(SWITCH, True)
                    viewer.until(lambda: viewer.stats()["width"] == 960, 10, "the highest layer again")
                    viewer.screenshot(f"simulcast {codec}")
                    viewer.check_is_quiet()
                publisher.evaluate("window.published.connection.close()")
                # No DELETE: the DTLS close_notify alone ends the session.
                until(lambda: server.room(room) is None, 2, "the room is gone with its publisher")


OPTIONS = "[...document.getElementById('layer').options].map((option) => [option.value, option.textContent])"
CHOSEN = "document.getElementById('layer').value"


@test("the watch page chooses each layer of a live publisher by hand, and leaves it to the server again")
def by_hand(env):
    with env.server() as server, env.browser.page(f"{server.origin}/", cameras=True) as publisher:
        publish_layers(publisher, server.whip("choice"), "VP8", THREE_SIZES)
        publisher.until(lambda: layers_flow(publisher), 20, "three layers are encoded")
        with watch_page(env, server, "choice") as viewer:
            wait_until_playing(viewer)
            viewer.until(lambda: viewer.stats()["width"] == 960, 10, "the highest layer")
            viewer.until(lambda: len(viewer.evaluate(OPTIONS)) == 4, 5, "the choice of three layers")
            labels = dict(viewer.evaluate(OPTIONS))
            viewer.evaluate("window.first = window.martlet.viewer.connection")
            widths = {"q": 240, "h": 480, "f": 960}
            check(list(labels) == ["", "f", "h", "q"], f"best first: {labels}")
            for layer in ("q", "h", "f", "q"):
                viewer.page.select_option("#layer", layer)
                viewer.until(lambda: viewer.stats()["width"] == widths[layer], 5, f"layer {labels[layer]}")
                before = viewer.stats()["framesDecoded"]
                viewer.until(lambda: viewer.stats()["framesDecoded"] > before + 20, 5, "it moves")
                check(viewer.stats()["width"] == widths[layer], "the layer stays")
                check(viewer.evaluate(CHOSEN) == layer, "the choice shows it")
            viewer.page.hover("#layer")
            viewer.screenshot("layer by hand")
            viewer.page.select_option("#layer", "")
            viewer.until(lambda: viewer.stats()["width"] == 960, 15, "the highest layer, chosen by the server")
            check(viewer.evaluate("window.first === window.martlet.viewer.connection"), "it was one connection")
            viewer.check_is_quiet()
        publisher.evaluate("window.published.connection.close()")
