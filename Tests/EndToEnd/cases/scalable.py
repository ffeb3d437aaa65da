"""Chromium publishing several layers in one stream (SVC) to Chromium."""

from harness.browser import wait_until_playing, watch_page
from harness.layers import publish_layers
from harness.relay import Relay
from harness.runner import check, test, until
from harness.viewer import viewer as viewer_in_chromium

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


@test("Chromium SVC: layers are left out for a small link, and the decoder does not mind")
def narrow(env):
    for codec, mode in (("VP9", "L3T3_KEY"), ("VP9", "L3T3"), ("AV1", "L1T3")):
        with env.case(f"{codec} {mode}"), env.server() as server, Relay(server.media_address, env.address) as relay, \
                env.browser.page(f"{server.origin}/rooms", cameras=True) as publisher:
            publish_layers(publisher, server.whip("narrow"), codec, [{"scalabilityMode": mode, "maxBitrate": 1_200_000}])
            publisher.until(lambda: publisher.page.evaluate(f"({MODE})()") == mode, 20, f"it encodes {mode}")
            relay.for_new.both(delay=0.02)
            relay.for_new.down.rate = 3_000_000
            with viewer_in_chromium(env, server, "narrow", relay) as one:
                one.until_playing()
                has_spatial_layers = mode.startswith("L3")

                def width():
                    return one.stats().get("video", {}).get("frameWidth", 0)

                if has_spatial_layers:
                    one.page.until(lambda: width() == 960, 20, "the highest spatial layer")
                one.page.page.wait_for_timeout(3000)
                one.forget()
                relay.last.down.rate = 350_000
                if has_spatial_layers:
                    one.page.until(lambda: 0 < width() < 960, 10, "a lower spatial layer")
                one.page.page.wait_for_timeout(6000)
                figures = one.figures()
                print(f"      {codec} {mode} over 350 kbit/s: {figures['framesDecoded']} frames in "
                      f"{figures['seconds']:.1f} s, longest gap {figures['longestGap']:.2f} s", flush=True)
                check(figures["framesDecoded"] > figures["seconds"], f"the picture goes on: {figures}")
                env.budget(f"{codec} {mode}, longest gap", figures["longestGap"], 1, 5)
                relay.last.down.rate = 3_000_000
                if has_spatial_layers:
                    one.page.until(lambda: width() == 960, 30, "the highest spatial layer again")
                before = one.stats()["video"]["framesDecoded"]
                one.page.until(lambda: one.stats()["video"]["framesDecoded"] > before + 30, 15, "it moves")
