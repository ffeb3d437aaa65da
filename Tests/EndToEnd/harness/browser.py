"""Debian's Chromium under Playwright, on the project's own pages."""

import contextlib
import pathlib
import re

from playwright.sync_api import sync_playwright

from harness.runner import ARTIFACTS, Skip, check, until

CHROMIUM = "/usr/bin/chromium"
ARGUMENTS = [
    "--no-sandbox",
    "--autoplay-policy=no-user-gesture-required",
    "--disable-gpu",
    "--mute-audio",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--use-fake-device-for-media-stream=fps=30",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
]


class Browser:
    def __init__(self):
        if not pathlib.Path(CHROMIUM).exists():
            raise Skip("Chromium is not installed")
        self._playwright = sync_playwright().start()
        self._browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)

    def close(self):
        self._browser.close()
        self._playwright.stop()

    @contextlib.contextmanager
    def page(self, url, cameras=False, **options):
        """A page in a profile of its own. `cameras` lets it use the fake devices."""
        context = self._browser.new_context(permissions=["camera", "microphone"] if cameras else [], **options)
        try:
            yield Page(context.new_page(), url)
        finally:
            context.close()


class Page:
    def __init__(self, page, url):
        self.page = page
        self.complaints = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"page error: {error}"))
        page.goto(url)

    def _console(self, message):
        # A refused request (nobody publishes yet) is written there by the browser itself.
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            self.complaints.append(f"{message.type}: {message.text}")

    @property
    def state(self):
        return self.page.evaluate("document.body.dataset.state")

    def stats(self):
        return self.page.evaluate("window.martlet.stats()")

    def evaluate(self, script):
        return self.page.evaluate(script)

    def until(self, condition, deadline, what):
        def ask():
            # The page's own clock has to go on while this one waits.
            self.page.wait_for_timeout(50)
            return condition()

        try:
            return until(ask, deadline, what, interval=0)
        except AssertionError as error:
            message = self.evaluate("document.getElementById('message')?.textContent")
            raise AssertionError(f"{error} (state {self.state}, message {message!r}, {self.complaints})") from None

    def screenshot(self, name):
        ARTIFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTIFACTS / f"{re.sub(r'[^a-z0-9]+', '-', name.lower())}.png", full_page=True)

    def check_is_quiet(self):
        check(not self.complaints, f"the console has {self.complaints}")


@contextlib.contextmanager
def publisher_page(environment, server, room, codec, size="640x360"):
    """The publish page, publishing the fake camera and microphone."""
    with environment.browser.page(f"{server.origin}/{room}/publish", cameras=True) as page:
        page.until(lambda: page.evaluate("document.getElementById('preview').videoWidth > 0"), 10, "a preview")
        page.page.select_option("#size", size)
        page.page.select_option("#codec", codec)
        page.until(lambda: page.evaluate("document.getElementById('preview').videoWidth > 0"), 10, "a preview")
        page.page.click("#start")
        page.until(lambda: page.state == "live", 15, "the publish page is live")
        page.until(lambda: page.stats()["framesEncoded"] > 5, 15, "the publish page encodes")
        yield page


@contextlib.contextmanager
def watch_page(environment, server, room, **options):
    with environment.browser.page(f"{server.origin}/{room}/", **options) as page:
        yield page


def wait_until_playing(page, frames=20, deadline=20, sound=True):
    """Until that many frames were decoded and sound came, if there is any; the page's figures."""

    def playing():
        figures = page.stats()
        return figures if figures["framesDecoded"] >= frames and (figures["audioSamples"] > 0 or not sound) else None

    return page.until(playing, deadline, f"{frames} frames{' and sound' if sound else ''}")
