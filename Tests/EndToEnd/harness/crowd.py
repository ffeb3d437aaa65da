"""Viewers that have made their sessions beforehand and connect at the same moment, in processes of their own.

    with Crowd(url, 500) as crowd:      # every session exists now, and no media flows
        figures = crowd.connect()       # all at once

One process of Python makes some hundred handshakes in a second at most; several share the cores.
"""

import json
import pathlib
import select
import subprocess
import sys
import time

PROCESSES = 4
DEADLINE = 60


class Crowd:
    def __init__(self, url, count):
        self._counts = [count // PROCESSES + (index < count % PROCESSES) for index in range(PROCESSES)]
        self._url = url
        self._processes = []

    def __enter__(self):
        for count in self._counts:
            self._processes.append(subprocess.Popen(
                [sys.executable, "-m", "harness.crowd", self._url, str(count)], text=True,
                cwd=pathlib.Path(__file__).resolve().parents[1], stdin=subprocess.PIPE, stdout=subprocess.PIPE))
        for process in self._processes:
            line = process.stdout.readline()
            if line != "ready\n":
                self.__exit__()
                raise AssertionError(f"a part of the crowd did not get its sessions: {line!r}")
        return self

    def connect(self):
        """Lets all of them connect; seconds from then until the first and the last was connected, how many were, and
        how many of these have got video a second later. Figures of `at` are on the clock of time.monotonic()."""
        begin = time.monotonic()
        for process in self._processes:
            process.stdin.write("go\n")
            process.stdin.flush()
        parts = [json.loads(process.stdout.readline()) for process in self._processes]
        connected = sorted(at for part in parts for at in part["connected"]) or [begin]
        return {
            "begin": begin, "first": connected[0] - begin, "last": connected[-1] - begin, "connected": len(connected),
            "watching": sum(part["watching"] for part in parts),
            "busiest": max(sum(1 for other in connected if 0 <= other - one < 1) for one in connected)}

    def __exit__(self, *_):
        for process in self._processes:
            process.stdin.close()
        for process in self._processes:
            try:
                process.wait(DEADLINE)
            except subprocess.TimeoutExpired:
                process.kill()


def take_part(url, count):
    from harness.raw_peer import RawViewer

    class Onlooker(RawViewer):
        """Counts packets by their headers, which are in the clear: decrypting for hundreds takes a machine of its own."""

        def _received_srtp(self, datagram):
            if not 192 <= datagram[1] < 224:
                self.received_rtp(datagram)

    viewers = [Onlooker(url) for _ in range(count)]
    poll = select.epoll()
    by_descriptor = {}
    for viewer in viewers:
        if viewer.post().status != 201:
            print(f"{viewer.response.status} {viewer.response.text[:100]}".replace("\n", " "), flush=True)
            return
        viewer.prepare()
        by_descriptor[viewer.socket.fileno()] = viewer
        poll.register(viewer.socket.fileno(), select.EPOLLIN)
    connected = {}

    def serve(end, is_done):
        looked = 0.0
        while time.monotonic() < end and not is_done():
            for descriptor, _ in poll.poll(0.01):
                viewer = by_descriptor[descriptor]
                viewer.pump(0)
                if viewer.is_connected and viewer not in connected:
                    connected[viewer] = time.monotonic()
            # Checks and handshakes that were lost are sent again.
            if time.monotonic() - looked > 0.1:
                for viewer in viewers:
                    viewer.pump(0)
                looked = time.monotonic()

    print("ready", flush=True)
    sys.stdin.readline()
    serve(time.monotonic() + DEADLINE, lambda: len(connected) == count)
    serve(time.monotonic() + 1, lambda: False)
    watching = sum(viewer.of_kind("video")["packets"] > 0 for viewer in viewers)
    print(json.dumps({"connected": list(connected.values()), "watching": watching}), flush=True)
    sys.stdin.read()
    for viewer in viewers:
        viewer.leave()


if __name__ == "__main__":
    take_part(sys.argv[1], int(sys.argv[2]))
