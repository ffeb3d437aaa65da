"""watch|publish URL: opens a page in Firefox, headless, and reports when picture and sound advance.

The publish page sends Firefox's fake camera and microphone in the codec asked for. Prints {"event": "playing" or
"publishing", …the page's own figures}. Ends when its standard input is closed.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time

from marionette_driver.marionette import Marionette

FIGURES = """
    const [done] = arguments;
    const page = window.wrappedJSObject ?? window;
    page.martlet.stats().then((figures) => done(JSON.stringify(figures)), (error) => done(String(error)));
"""


PUBLISH = """
    const [codec, done] = arguments;
    const begin = () => {
        if (!(document.getElementById("preview").videoWidth > 0)) return setTimeout(begin, 50);
        const choice = document.getElementById("codec");
        choice.value = codec;
        if (choice.value !== codec) return done("the page has no " + codec);
        document.getElementById("start").click();
        done("");
    };
    begin();
"""


def report(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


def main(options):
    closed = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), closed.set()), daemon=True).start()
    home = tempfile.mkdtemp(prefix="martlet-firefox-")
    os.environ.update(HOME=home, MOZ_HEADLESS="1", MOZ_DISABLE_CONTENT_SANDBOX="1")
    browser = Marionette(
        bin="/usr/bin/firefox-esr", port=0, headless=True, gecko_log=os.path.join(home, "gecko.log"),
        startup_timeout=60,
        prefs={
            "media.autoplay.default": 0,
            "media.navigator.streams.fake": True,
            "media.navigator.permission.disabled": True,
            "media.peerconnection.ice.obfuscate_host_addresses": False,
            "media.gmp-manager.updateEnabled": False,
            "app.update.enabled": False,
            "datareporting.policy.dataSubmissionEnabled": False,
            "network.captive-portal-service.enabled": False,
            "network.connectivity-service.enabled": False,
        })
    try:
        browser.start_session()
        browser.timeout.script = 10
        browser.navigate(options.url)
        event, frames, sound = "playing", "framesDecoded", "audioSamples"
        if options.mode == "publish":
            event, frames, sound = "publishing", "framesEncoded", "audioPackets"
            problem = browser.execute_async_script(PUBLISH, script_args=[options.codec])
            if problem:
                report("failed", reason=problem)
                return 1
        reported = False
        while not closed.is_set():
            if not reported:
                text = browser.execute_async_script(FIGURES)
                figures = json.loads(text) if text.startswith("{") else {}
                if figures.get(frames, 0) >= options.frames and figures.get(sound, 0) > 0:
                    reported = True
                    report(event, **figures)
                elif figures:
                    print(text, file=sys.stderr)
            time.sleep(0.25)
    finally:
        if browser.session_id:
            browser.quit(in_app=False)
        browser.cleanup()
        shutil.rmtree(home, ignore_errors=True)
    return 0


parser = argparse.ArgumentParser()
parser.add_argument("mode", choices=["watch", "publish"])
parser.add_argument("url")
parser.add_argument("--codec", default="VP8")
parser.add_argument("--frames", type=int, default=20)
sys.exit(main(parser.parse_args()))
