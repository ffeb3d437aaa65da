"""The end of the server, and of clients that say nothing."""

import threading

from harness.obs import OBSPublisher
from harness.raw_peer import RawViewer
from harness.runner import check, test, until


@test("SIGTERM ends the server in good order")
def sigterm(env):
    for loops in (1, 2):
        with env.case(f"{loops} loop{'s' if loops > 1 else ''}"), env.server(loops=loops) as server:
            publisher = OBSPublisher(server.whip("end"), gop_seconds=2).start()
            viewers = [RawViewer(server.whep("end")).start() for _ in range(3)]
            try:
                until(lambda: all(viewer.of_kind("video")["packets"] > 20 for viewer in viewers), 10, "media flows")
                status, seconds = server.terminate(20)
                check(status == 0, f"exit status {status}: {server.log_tail()}")
                env.budget("the end", seconds, 5, 15)
                until(lambda: all(peer.was_closed_by_server for peer in viewers + [publisher]), 2,
                      "every client gets DTLS close_notify")
                check(all(peer.was_told_goodbye for peer in viewers + [publisher]), "not every client gets a BYE")
            finally:
                for peer in viewers + [publisher]:
                    peer.stop()


@test("SIGTERM without clients")
def sigterm_idle(env):
    with env.server() as server:
        status, seconds = server.terminate(20)
        check(status == 0, f"exit status {status}: {server.log_tail()}")
        env.budget("the end", seconds, 2, 10)


@test("two publishers at once: exactly one is live")
def race(env):
    with env.server(paths={"all_others": {"overridePublisher": False}}) as server:
        for round_number in range(10):
            peers = [OBSPublisher(server.whip(f"race-{round_number}"), gop_seconds=2) for _ in range(2)]
            threads = [threading.Thread(target=peer.post) for peer in peers]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            statuses = sorted(peer.response.status for peer in peers)
            check(statuses == [201, 409], f"round {round_number}: {statuses}")
            for peer in peers:
                if peer.response.status == 201:
                    check(peer.delete().status == 200, "DELETE is 200")
                peer.socket.close()
