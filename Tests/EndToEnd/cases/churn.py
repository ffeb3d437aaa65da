"""Joins and leaves leave nothing behind."""

import concurrent.futures
import os

from harness.obs import OBSPublisher
from harness.raw_peer import RawViewer
from harness.runner import LONG, check, test, until

ROUNDS, AT_ONCE = (20 if LONG else 1), 10
WARM_UP = 3 if LONG else 1
JOINS = 500
MEBIBYTE = 1 << 20


def join_and_leave(server, number):
    viewer = RawViewer(server.whep("churn"))
    try:
        viewer.connect(deadline=15)
        viewer.pump(0.05)
        # Three ways to go: DELETE, close_notify without DELETE, and both in the wrong order.
        if number % 3 == 1:
            viewer._tls.shutdown()
            viewer._flush_dtls()
            return
        response = viewer.delete()
        check(response.status == 200, f"DELETE: {response.status}")
        if number % 3 == 2:
            viewer._tls.shutdown()
            viewer._flush_dtls()
    finally:
        viewer.socket.close()


def one_round(server):
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        for future in [pool.submit(join_and_leave, server, number) for number in range(JOINS)]:
            future.result()


@test("500 joins and leaves leave no descriptor, session, tuple or timer and no memory behind")
def joins_and_leaves(env):
    for loops in (1, 2):
        with env.case(f"{loops} loop{'s' if loops > 1 else ''}"), env.server(
            loops=loops, settings={"logLevel": "warn"}
        ) as server:
            publisher = OBSPublisher(server.whip("churn"), gop_seconds=2).start()
            try:
                def settled():
                    return server.room("churn")["viewer_count"] == 0

                # The first rounds fill what is kept of events in bounded number.
                for _ in range(WARM_UP):
                    one_round(server)
                    until(settled, 30, "the viewers of the first rounds are gone")
                # The gauges and descriptors may take a moment longer than the count: wait for quiet, then remember.
                occupancy, descriptors = stable(server)
                memory, history = server.resident_bytes(), kept_events(server)
                for _ in range(ROUNDS):
                    one_round(server)
                    until(settled, 30, "the viewers are gone")
                until(lambda: server.descriptors() == descriptors, 10,
                      f"descriptors are {descriptors} again, not {server.descriptors()}")
                until(lambda: server.occupancy() == occupancy, 10, "the gauges are as before: " + difference(
                    occupancy, server.occupancy()))
                # Five minutes of events are kept in any case, up to a number that no test reaches.
                kept = kept_events(server) - history
                grown = server.resident_bytes() - memory - kept
                print(f"      after {ROUNDS * JOINS} joins: {grown / MEBIBYTE:+.2f} MiB beside {kept / MEBIBYTE:+.2f} MiB "
                      f"of events, {descriptors} descriptors", flush=True)
                check(grown <= MEBIBYTE, f"memory grew by {grown / MEBIBYTE:.2f} MiB")
                check(not publisher.was_closed_by_server, "the publisher was thrown out")
            finally:
                publisher.leave()
            check(os.path.exists(f"/proc/{server.process.pid}"), "the server is gone")


def kept_events(server):
    return server.metrics()[0]["martlet_feed_history_bytes"]


def stable(server):
    readings = []

    def unchanged():
        readings.append((server.occupancy(), server.descriptors()))
        return len(readings) > 4 and all(reading == readings[-1] for reading in readings[-4:])

    until(unchanged, 30, "the gauges settle", interval=0.5)
    return readings[-1]


def difference(before, after):
    return ", ".join(f"{name} {before.get(name)} → {after.get(name)}" for name in sorted({*before, *after})
                     if before.get(name) != after.get(name)) or "none differs"
