"""Chromium publishing several layers in one stream (SVC) to Chromium."""

from harness.browser import wait_until_playing, watch_page
from harness.layers import publish_layers
from harness.runner import test, until

MODE = """
    async () => {
        for (const entry of (await window.published.connection.getStats()).values())
            if (entry.type === "outbound-rtp" && entry.kind === "video" && entry.framesEncoded > 5)
                return entry.scalabilityMode ?? "";
        return "";
    }
"""


@test("Chromium SVC: layers inside one stream play to the top")
def scalable(env):
    with env.server() as server:
        for codec, mode in (("VP9", "L3T3_KEY"), ("VP9", "L3T3"), ("AV1", "L1T3"), ("VP8", "L1T3")):
            room = f"scalable-{codec.lower()}-{mode.lower().replace('_', '-')}"
            with env.case(f"{codec} {mode}"), env.browser.page(f"{server.origin}/", cameras=True) as publisher:
                publish_layers(
                    publisher, server.whip(room), codec, [{"scalabilityMode": mode, "maxBitrate": 1_500_000}])
                publisher.until(lambda: publisher.page.evaluate(f"({MODE})()") == mode, 20, f"it encodes {mode}")
                with watch_page(env, server, room) as viewer:
                    wait_until_playing(viewer)
                    # With one spatial layer the encoder may choose a smaller picture itself, when the machine is busy.
                    if mode.startswith("L3"):
                        viewer.until(lambda: viewer.stats()["width"] == 960, 15, "the highest spatial layer")
                    before = viewer.stats()["framesDecoded"]
                    viewer.until(lambda: viewer.stats()["framesDecoded"] > before + 30, 10, "it moves")
                    viewer.check_is_quiet()
                publisher.evaluate("window.published.connection.close()")
                until(lambda: server.room(room) is None, 2, "the room is gone with its publisher")
