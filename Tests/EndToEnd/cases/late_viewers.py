"""Viewers who come late, publishers that cannot be asked, and publishers that come back (protocols.md 5.4)."""

import statistics
import time

from harness.clock import ClockPublisher, viewer_script
from harness.runner import check, test, until

JOINS = 20
GOP_SECONDS = 10
EDGE_MILLISECONDS = 400


def joins_over_a_group(env, server, page, count=JOINS):
    """`count` viewers in one browser, one after the other over a group of pictures; what each of them saw."""
    page.evaluate(viewer_script(EDGE_MILLISECONDS))
    return page.evaluate(
        f"""Promise.all(Array.from({{ length: {count} }}, async (_, index) => {{
            await new Promise((resolve) => setTimeout(resolve, index * {GOP_SECONDS * 1000 / count}));
            return window.clockViewer('{server.whep("clock")}');
        }}))""")


def summary(name, values):
    values = sorted(value for value in values if value is not None)
    print(
        f"      {name}: median {statistics.median(values):.0f}, worst {values[-1]:.0f} ms over {len(values)}",
        flush=True)
    return values[-1]


@test("late viewers of a publisher that ignores PLI")
def fast_start(env):
    with env.server() as server, ClockPublisher(server.whip("clock"), GOP_SECONDS) as publisher:
        until(lambda: server.room("clock"), 10, "FFmpeg publishes")
        time.sleep(GOP_SECONDS / 2)
        with env.browser.page(f"{server.origin}/rooms") as page:
            seen = joins_over_a_group(env, server, page)
        check(publisher.process.poll() is None, "FFmpeg has ended")
        for index, one in enumerate(seen):
            print(f"      {index:2d} " + " ".join(
                f"{key} {value:.0f}" if isinstance(value, float) else f"{key} {value}" for key, value in one.items()))
        check(all(one["shown"] is not None and one["edge"] is not None for one in seen), f"{seen}")
        summary("answer", [one["answered"] for one in seen])
        decoded = summary("first frame decoded", [one["decoded"] for one in seen])
        summary("first frame shown", [one["shown"] for one in seen])
        edge = summary("at the live edge", [one["edge"] for one in seen])
        delay = summary("jitter buffer after 3 s", [one["videoDelay"] for one in seen])
        check(decoded < 500, f"first frame after {decoded:.0f} ms")
        check(edge < 2000, f"at the live edge after {edge:.0f} ms")
        check(delay < 300, f"jitter buffer of {delay:.0f} ms")
