"""Speaking to cameras: the back channel of ONVIF (RTSP-26), and cameras that cannot stand the question (RTSP-Q6)."""

import contextlib
import time

from harness.camera import BACK_CHANNEL_TAG, Camera
from harness.rtsp_peer import Connection
from harness.runner import check, test, until

REQUIRE = f"Require: {BACK_CHANNEL_TAG}"
SILENCE = 4
PACKETS = 20


class Talker(Connection):
    """Reads a room inside the connection and speaks by its back channel."""

    def __init__(self, server, path):
        super().__init__(server, path)
        self.number = 0
        _, self.description = self.ask("DESCRIBE", headers=["Accept: application/sdp", REQUIRE])
        controls = [line.split(":", 1)[1] for line in self.description.splitlines() if line.startswith("a=control:track")]
        for index, control in enumerate(controls):
            self.ask("SETUP", f"{self.url}/{control}",
                     [f"Transport: RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1}", REQUIRE])
        self.ask("PLAY", headers=["Range: npt=0-", REQUIRE])

    def say(self, word, count=PACKETS):
        """Sends packets that can be told from anybody else's."""
        for _ in range(count):
            packet = (bytes([0x80, 0]) + self.number.to_bytes(2, "big") + (160 * self.number).to_bytes(4, "big")
                      + word * 3 + word * 40)
            self.number += 1
            self.socket.sendall(b"$\2" + len(packet).to_bytes(2, "big") + packet)
            time.sleep(0.02)


def words(camera):
    return [packet[-4:] for packet in camera.heard]


@test("rtsp talk: readers speak to a camera, one at a time")
def talk(env):
    with Camera(back_channel="is heard") as inside, Camera(back_channel="is heard") as beside:
        paths = {"tcp": {"source": inside.url, "rtspTransport": "tcp", "rtspBackChannel": True},
                 "udp": {"source": beside.url, "rtspBackChannel": True}}
        with env.server(settings={"rtspTalkSilence": f"{SILENCE}s"}, paths=paths) as server:
            for room, camera in (("tcp", inside), ("udp", beside)):
                server.wait_for_room(room)
                with contextlib.closing(Talker(server, room)) as first, contextlib.closing(Talker(server, room)) as second:
                    with env.case(f"the description has the back channel, over {room}"):
                        check("a=sendonly" in first.description and "a=recvonly" in first.description, first.description)
                        _, plain = Connection(server, room).ask("DESCRIBE", headers=["Accept: application/sdp"])
                        check("audio" not in plain, f"it was not asked for: {plain}")
                    with env.case(f"what is said is heard whole and in order, over {room}"):
                        first.say(b"word")
                        until(lambda: len(camera.heard) >= PACKETS, 10, "the camera hears")
                        numbers = [int.from_bytes(packet[2:4], "big") for packet in camera.heard]
                        check(all((b - a) & 0xFFFF == 1 for a, b in zip(numbers, numbers[1:])), f"{numbers}")
                        check(len({packet[8:12] for packet in camera.heard}) == 1, "several sources")
                    with env.case(f"who speaks is not interrupted, over {room}"):
                        second.say(b"WORD", 5)
                        first.say(b"word", 5)
                        until(lambda: len(camera.heard) >= PACKETS + 5, 10, "the camera hears on")
                        check(b"WORD" not in words(camera), "two spoke at once")
                    with env.case(f"after a pause the next one speaks, in the same stream, over {room}"):
                        time.sleep(SILENCE)
                        second.say(b"WORD", 5)
                        until(lambda: words(camera).count(b"WORD") == 5, 10, "the second is heard")
                        numbers = [int.from_bytes(packet[2:4], "big") for packet in camera.heard]
                        check(all((b - a) & 0xFFFF == 1 for a, b in zip(numbers, numbers[1:])), f"{numbers}")
                        check(len({packet[8:12] for packet in camera.heard}) == 1, "several sources")
                    with env.case(f"who leaves gives up the turn, over {room}"):
                        second.ask("TEARDOWN")
                        first.say(b"last", 3)
                        until(lambda: words(camera).count(b"last") == 3, 10, "the first is heard at once")
            values = server.samples()
            sent = values['martlet_rtsp_talk_packets_total{outcome="sent"}']
            check(sent == len(inside.heard) + len(beside.heard), f"{sent} packets were sent")
            check(values['martlet_rtsp_talk_packets_total{outcome="refused"}'] == 10, "packets out of turn")


@test("rtsp talk: cameras that cannot stand the question")
def question(env):
    for habit in ("refuses", "fails", "hangs up", "falls silent"):
        with Camera(back_channel=habit) as camera, env.case(f"a camera that {habit}"):
            paths = {"yard": {"source": camera.url, "rtspTransport": "tcp", "rtspBackChannel": True}}
            with env.server(paths=paths) as server:
                server.wait_for_room("yard")
                check(len(camera.times("asked for the back channel")) == 1, f"{camera.events}")
                description = Connection(server, "yard").ask("DESCRIBE", headers=[REQUIRE])[1]
                check("sendonly" not in description, description)
            check(len(camera.times("asked for the back channel")) == 1, f"asked again: {camera.events}")
    with Camera(back_channel="hangs up") as camera, env.case("it is not asked unless the settings say so"):
        with env.server(paths={"yard": {"source": camera.url}}) as server:
            server.wait_for_room("yard")
            check(not camera.times("asked for the back channel"), f"{camera.events}")
