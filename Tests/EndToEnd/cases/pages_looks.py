"""The pages by keyboard alone, on a phone, dark and light: names, focus, contrast, nothing wider than the screen."""

from harness.audit import check_looks
from harness.browser import publisher_page, wait_until_playing, watch_page
from harness.runner import check, test

PHONE = {"viewport": {"width": 360, "height": 740}, "device_scale_factor": 2, "has_touch": True}
DESK = {"viewport": {"width": 1280, "height": 860}}
LOOKS = [
    ("dark", {**DESK, "color_scheme": "dark"}),
    ("light", {**DESK, "color_scheme": "light"}),
    ("dark phone", {**PHONE, "color_scheme": "dark"}),
    ("light phone", {**PHONE, "color_scheme": "light"}),
]
LONG_NAME = "a-rather-long-name/with-parts/and-one-part-" + "x" * 60
FIGURES = "document.getElementById('figures').innerText.includes('bit/s')"
PREVIEWS = "document.getElementById('preview').videoWidth > 0"
LAYERS = "document.querySelectorAll('#layers tbody tr').length"
FOCUS_IS_SEEN = """
() => {
    const node = document.activeElement;
    const ring = node.matches("[type=radio]") ? node.nextElementSibling : node;
    const style = getComputedStyle(ring);
    return node === document.body || (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2);
}
"""


def tab_to(page, selector, limit=40):
    for _ in range(limit):
        page.page.keyboard.press("Tab")
        check(page.page.evaluate(FOCUS_IS_SEEN), f"no ring at {page.evaluate('document.activeElement.outerHTML')[:80]}")
        if page.page.evaluate("(selector) => document.activeElement.matches(selector)", selector):
            return
    raise AssertionError(f"{limit} times Tab do not reach {selector}")


@test("by keyboard alone from the home page to watching and to publishing")
def keyboard(env):
    with env.server() as server, publisher_page(env, server, "keys", "VP8"):
        with env.browser.page(f"{server.origin}/", cameras=True) as page:
            press = page.page.keyboard.press
            page.until(lambda: page.evaluate("document.querySelector('.card') !== null"), 5, "the card")
            tab_to(page, ".card")
            press("Enter")
            page.until(lambda: page.page.url.endswith("/keys/"), 5, "the watch page")
            page.until(lambda: page.evaluate("window.martlet !== undefined"), 5, "its script")
            wait_until_playing(page)

            video = "document.getElementById('video')"
            for key in ("k", " "):
                press(key)
                page.until(lambda: page.evaluate(f"{video}.paused"), 2, f"{key!r} pauses")
                press(key)
                page.until(lambda: not page.evaluate(f"{video}.paused"), 2, f"{key!r} goes on")
            press("m")
            check(not page.evaluate(f"{video}.muted"), "m unmutes")
            press("ArrowDown")
            check(abs(page.evaluate(f"{video}.volume") - 0.9) < 0.01, "the arrow turns the volume down")
            press("s")
            check(page.evaluate("!document.getElementById('statistics').hidden"), "s opens the statistics")
            press("f")
            page.until(lambda: page.evaluate("document.fullscreenElement !== null"), 5, "f fills the screen")
            press("f")
            page.until(lambda: page.evaluate("document.fullscreenElement === null"), 5, "f goes back")
            for shown in ("true", "false"):
                press("p")
                pressed = "document.getElementById('pip').ariaPressed"
                page.until(lambda: page.evaluate(pressed) == shown, 5, "p gives the picture a window of its own")
            press("?")
            check(page.evaluate("document.getElementById('help').open"), "? opens the help")
            press("Escape")
            check(page.evaluate("!document.getElementById('help').open"), "Escape closes the help")

            tab_to(page, "#mute")
            press("Enter")
            check(page.evaluate(f"{video}.muted"), "Enter on the button mutes")
            press(" ")
            check(not page.evaluate(f"{video}.muted"), "space on the button unmutes")
            check(not page.evaluate(f"{video}.paused"), "space on a button does not pause")
            opacity = "getComputedStyle(document.querySelector('.controls')).opacity"
            check(page.evaluate(opacity) == "1", "the controls are there while one has the focus")
            tab_to(page, "#publish-here")
            press("Enter")
            page.until(lambda: page.page.url.endswith("/keys/publish"), 5, "the publish page")
            page.until(lambda: page.evaluate(PREVIEWS), 10, "a preview")
            tab_to(page, ".brand")
            press("Enter")
            page.until(lambda: page.evaluate("document.body.classList.contains('home')"), 5, "home")

            tab_to(page, "#room-name")
            press("Control+A")
            page.page.keyboard.type("typed")
            tab_to(page, "#publish-link")
            press("Enter")
            page.until(lambda: page.page.url.endswith("/typed/publish"), 5, "the publish page of the room")
            page.until(lambda: page.evaluate(PREVIEWS), 10, "a preview")
            tab_to(page, "#codec")
            page.page.keyboard.type("VP8")
            check(page.evaluate("document.getElementById('codec').value") == "VP8", "the codec is chosen by its name")
            tab_to(page, "#simulcast")
            press(" ")
            check(page.evaluate("document.getElementById('simulcast').checked"), "space ticks the box")
            press("Enter")
            page.until(lambda: page.state == "live", 15, "Enter in the form publishes")
            check(page.evaluate("document.activeElement.id") == "stop", "Stop is at hand")
            press("Enter")
            page.until(lambda: page.state == "idle", 5, "Enter on it stops")
            page.check_is_quiet()


@test("dark and light, desk and phone: contrast, names, nothing wider than the screen, no errors")
def looks(env):
    with env.server() as server:
        for look, options in LOOKS:
            with env.case(f"{look}: nobody is live"), env.browser.page(f"{server.origin}/", **options) as page:
                page.until(lambda: page.state == "live", 5, "the feed is up")
                check_looks(page, "home")
                page.screenshot(f"home empty {look}")
                page.check_is_quiet()
            with env.case(f"{look}: nobody publishes"), env.browser.page(f"{server.origin}/empty/", **options) as page:
                page.until(lambda: page.evaluate("document.getElementById('message').checkVisibility()"), 5, "it waits")
                check_looks(page, "watch")
                page.screenshot(f"watch waiting {look}")
        with publisher_page(env, server, "cam1", "VP8"), publisher_page(env, server, "live/main", "VP8"), \
                publisher_page(env, server, LONG_NAME, "VP8", size="640x360"):
            for look, options in LOOKS:
                with env.case(f"{look}: rooms"), env.browser.page(f"{server.origin}/", **options) as page:
                    page.until(lambda: len(page.evaluate("martlet.rooms()")) == 3, 5, "the rooms")
                    check_looks(page, "home")
                    page.screenshot(f"home {look}")
                    page.check_is_quiet()
                with env.case(f"{look}: watching"), watch_page(env, server, LONG_NAME, **options) as page:
                    wait_until_playing(page)
                    page.page.keyboard.press("s")
                    page.until(lambda: page.evaluate(FIGURES), 5, "figures")
                    check_looks(page, "watch")
                    page.screenshot(f"watch {look}")
                    page.page.keyboard.press("?")
                    check_looks(page, "help")
                    page.check_is_quiet()
        for look, options in LOOKS:
            with env.case(f"{look}: publishing"), \
                    env.browser.page(f"{server.origin}/show/publish", cameras=True, **options) as page:
                page.until(lambda: page.evaluate(PREVIEWS), 10, "a preview")
                check_looks(page, "publish")
                page.screenshot(f"publish idle {look}")
                page.page.select_option("#size", "640x360")
                page.page.check("#simulcast")
                page.page.click("#start")
                page.until(lambda: page.evaluate(LAYERS) == 3, 20, "layers")
                page.until(lambda: page.evaluate(FIGURES), 5, "figures")
                check_looks(page, "publish live")
                page.screenshot(f"publish live {look}")
                page.check_is_quiet()


@test("reduced motion is respected")
def reduced_motion(env):
    with env.server() as server, env.browser.page(f"{server.origin}/still/", reduced_motion="reduce") as page:
        page.until(lambda: page.evaluate("document.querySelector('.spinner').checkVisibility()"), 5, "the spinner")
        running = "document.getAnimations().filter((one) => one.playState === 'running').length"
        page.until(lambda: page.evaluate(running) == 0, 2, "nothing moves")
