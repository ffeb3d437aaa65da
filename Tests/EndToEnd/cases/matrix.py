"""Every publisher seen by every viewer that shares its codec."""

import contextlib
import time

from harness import processes
from harness.browser import publisher_page, wait_until_playing, watch_page
from harness.obs import OBSPublisher
from harness.runner import Skip, check, test


def chromium(codec):
    @contextlib.contextmanager
    def publish(env, server, room):
        with publisher_page(env, server, room, codec):
            yield

    return publish


def process(start, needs_namespace=None, **options):
    """`needs_namespace` is the name of a client that does not connect over loopback."""

    @contextlib.contextmanager
    def publish(env, server, room):
        if needs_namespace:
            env.require_namespace(needs_namespace)
        with start(server, room, options) as client:
            server.wait_for_room(room)
            yield client

    return publish


@contextlib.contextmanager
def obs(env, server, room):
    publisher = OBSPublisher(server.whip(room), gop_seconds=2).start()
    try:
        yield publisher
    finally:
        publisher.leave()


def aiortc(server, room, options):
    return processes.aiortc_client("publish", server.whip(room), **options)


def gstreamer(server, room, options):
    return processes.gstreamer_client("publish", server.whip(room), **options)


def ffmpeg(server, room, options):
    return processes.ffmpeg_publisher(server.whip(room), **options)


def firefox(server, room, options):
    return processes.firefox_client("publish", f"{server.origin}/{room}/publish", **options)


PUBLISHERS = [
    ("Chromium H264", "H264", chromium("H264")),
    ("Chromium VP8", "VP8", chromium("VP8")),
    ("Chromium VP9", "VP9", chromium("VP9")),
    ("Chromium AV1", "AV1", chromium("AV1")),
    ("aiortc H264", "H264", process(aiortc, codec="H264")),
    ("aiortc VP8", "VP8", process(aiortc, codec="VP8")),
    ("FFmpeg H264", "H264", process(ffmpeg)),
    ("GStreamer H264", "H264", process(gstreamer, needs_namespace="GStreamer", codec="H264")),
    ("GStreamer VP8", "VP8", process(gstreamer, needs_namespace="GStreamer", codec="VP8")),
    ("Firefox VP8", "VP8", process(firefox, needs_namespace="Firefox", codec="VP8")),
    ("OBS H264", "H264", obs),
]


def watch_in_chromium(env, server, room):
    with watch_page(env, server, room) as page:
        figures = wait_until_playing(page)
        page.check_is_quiet()
        return figures


def watch_with(start, name):
    def watch(env, server, room):
        if name != "aiortc":
            env.require_namespace(name)
        with start(server, room) as client:
            return client.wait_for("playing", 30)

    return watch


VIEWERS = [
    ("Chromium", {"H264", "VP8", "VP9", "AV1"}, watch_in_chromium),
    ("aiortc", {"H264", "VP8"},
     watch_with(lambda server, room: processes.aiortc_client("watch", server.whep(room)), "aiortc")),
    ("GStreamer", {"H264", "VP8", "VP9"},
     watch_with(lambda server, room: processes.gstreamer_client("watch", server.whep(room)), "GStreamer")),
    ("Firefox", {"VP8"},
     watch_with(lambda server, room: processes.firefox_client("watch", f"{server.origin}/{room}/"), "Firefox")),
]


@test("matrix of publishers and viewers")
def matrix(env):
    cells = {}
    with env.server(loops=2) as server:
        for name, codec, publish in PUBLISHERS:
            room = "matrix-" + name.lower().replace(" ", "-")
            columns = [viewer for viewer in VIEWERS if codec in viewer[1]]
            done = set()
            try:
                with publish(env, server, room):
                    for viewer, _, watch in columns:
                        start = time.monotonic()
                        cells[name, viewer] = "FAILED"
                        done.add(viewer)
                        with env.case(f"{name} seen by {viewer}"):
                            try:
                                figures = watch(env, server, room)
                            except Skip:
                                cells[name, viewer] = "skipped"
                                raise
                            width, height = figures.get("width"), figures.get("height")
                            check(width and height, f"no size in {figures}")
                            cells[name, viewer] = f"{time.monotonic() - start:.1f} s"
            except Exception as error:
                # The publisher itself failed: the viewers it did not reach are failures (or skipped) with its reason.
                for viewer, _, _ in columns:
                    if viewer not in done:
                        cells[name, viewer] = "skipped" if isinstance(error, Skip) else "FAILED"
                        with env.case(f"{name} seen by {viewer}"):
                            raise error
                if len(done) == len(columns):
                    with env.case(f"{name} leaves in good order"):
                        raise error
    print_table(cells)


def print_table(cells):
    print("      " + f"{'publisher':<16}" + "".join(f"{viewer:<12}" for viewer, _, _ in VIEWERS))
    for name, _, _ in PUBLISHERS:
        row = "".join(f"{cells.get((name, viewer), '–'):<12}" for viewer, _, _ in VIEWERS)
        print(f"      {name:<16}{row}", flush=True)
