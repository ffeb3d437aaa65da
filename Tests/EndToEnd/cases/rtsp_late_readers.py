"""RTSP readers who come late to a camera with ten seconds between its keyframes: they see it at once and undamaged."""

import contextlib
import statistics
import time

from harness.clock import ClockPublisher
from harness.rtsp_decoder import Decoder
from harness.runner import LONG, check, test

GOP_SECONDS = 10
# They fall on every part of the group.
JOINS, WATCH_SECONDS = (20, 2.5) if LONG else (8, 2.2)
# A start is sent ten times as fast as it was made, and the machine is shared.
AGE_SECONDS = 1.5


def joins(env, server, room, transport, name):
    with env.case(f"{JOINS} late joins over {name}"):
        seen = []
        for _ in range(JOINS):
            with contextlib.closing(Decoder(server, room, transport)) as reader:
                seen.append(reader.run(WATCH_SECONDS))
        heard, first = (sorted(1000 * getattr(reader, name) for reader in seen) for name in ("heard", "first"))
        ages = sorted(99 if reader.age is None else reader.age for reader in seen)
        print(f"      first packet after PLAY: median {statistics.median(heard):.0f}, worst {heard[-1]:.0f} ms; "
              f"first picture: median {statistics.median(first):.0f}, worst {first[-1]:.0f} ms; "
              f"last picture's age: median {1000 * statistics.median(ages):.0f}, worst {1000 * ages[-1]:.0f} ms; "
              f"most packets {max(reader.packets for reader in seen)}", flush=True)
        gaps, damaged = ([getattr(reader, name) for reader in seen] for name in ("gaps", "damaged"))
        if transport == "tcp":
            check(not any(gaps), f"missing or out of order: {gaps}")
            check(not any(damaged), f"damaged pictures: {damaged}")
        else:
            # A reader that waits for a core while the start comes loses datagrams in its own socket.
            env.budget(f"readers over {name} that missed packets, {gaps}", sum(map(bool, gaps)), 0, JOINS // 2, "")
            env.budget(f"readers over {name} with damaged pictures", sum(map(bool, damaged)), 0, JOINS // 2, "")
        env.budget(f"age of a reader's last picture over {name}", ages[-1], AGE_SECONDS, GOP_SECONDS + 1)
        # A reader that had to wait for a keyframe would take five seconds.
        env.budget(f"first packet over {name}, the worst", heard[-1], 500, 4000, "ms")
        env.budget(f"first picture over {name}", statistics.median(first), 1000, 4000, "ms")


@test("rtsp late readers of a camera with rare keyframes")
def late_readers(env):
    with env.server() as server, ClockPublisher(server.rtsp("clock"), GOP_SECONDS) as publisher:
        server.wait_for_room("clock", 20)
        with env.server(paths={"pulled": {"source": server.rtsp("clock")}}) as edge:
            edge.wait_for_room("pulled", 20)
            time.sleep(GOP_SECONDS / 2)
            # The first picture that a process decodes loads what decoding takes, and the machine is shared. Every reader of
            # those below is the first of its room too, as the one before it has left.
            with contextlib.closing(Decoder(server, "clock", "tcp")) as reader:
                reader.run(0.5)
            joins(env, server, "clock", "tcp", "TCP")
            joins(env, server, "clock", "udp", "UDP")
            joins(env, edge, "pulled", "tcp", "TCP, pulled")
            joins(env, edge, "pulled", "udp", "UDP, pulled")
        check(publisher.process.poll() is None, "FFmpeg has ended")
