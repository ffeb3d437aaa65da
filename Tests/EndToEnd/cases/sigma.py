"""SigmaMediaServer's routes, as its players and OBS use them."""

import json
import socket

from harness import web
from harness.obs import OBSPublisher
from harness.raw_peer import Identity, RawViewer
from harness.runner import check, test, until
from harness.sdp import obs_offer, viewer_offer

TOKEN = "token-from-the-environment"


def events(server, count):
    """The first events of the feed, parsed."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"GET /notifications HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
        text = b""
        while text.count(b"data: ") <= count:
            part = connection.recv(65536)
            check(part, "the feed ended")
            text += part
    lines = [line for line in text.decode().splitlines() if line.startswith("data: ")]
    return [json.loads(line.removeprefix("data: ")) for line in lines[:count]]


def watched(server, target):
    """Watches by SigmaMediaServer's route until the picture moves."""
    viewer = RawViewer(f"{server.origin}/whep?target_id={target}")
    viewer.connect()
    check(viewer.response.status == 200, f"status {viewer.response.status}, SigmaPlayer wants 200")
    until(lambda: viewer.pump(0.1) or viewer.of_kind("video")["frames"] > 20, 10, "the picture moves", interval=0)
    return viewer


@test("SigmaMediaServer's routes")
def routes(env):
    with env.server(variables={"WHIP_TOKEN": TOKEN}) as server:
        endpoint = f"{server.origin}/whip"
        with env.case("POST /whip asks for WHIP_TOKEN"):
            for token in (None, "another"):
                response = web.post_offer(endpoint, obs_offer(Identity(), 1, 2), token)
                check(response.status == 401, f"status {response.status}")
        publisher = OBSPublisher(endpoint, TOKEN, gop_seconds=2).start()
        try:
            with env.case("POST /whip makes a room with a number"):
                check(publisher.response.status == 201, f"status {publisher.response.status}")
                check(len(server.rooms()) == 1, f"{server.rooms()}")
                check(0 <= server.rooms()[0]["id"] < 1 << 32, "the id has 32 bits")
            room = server.rooms()[0]
            with env.case("a second publisher gets a room of its own"):
                other = OBSPublisher(endpoint, TOKEN, gop_seconds=2)
                other.post()
                check(len({one["id"] for one in server.rooms()}) == 2, f"{server.rooms()}")
                check(other.delete().status == 200, "DELETE")
                other.socket.close()
            for name, target in {"number": room["id"], "path": room["name"]}.items():
                with env.case(f"POST /whep?target_id= takes the {name}"):
                    viewer = watched(server, target)
                    check(server.rooms()[0]["viewer_count"] == 1, f"{server.rooms()}")
                    check(viewer.leave().status == 200, "DELETE")
            with env.case("POST /whep without a room, and for one that is not there"):
                for target, status in {"": 400, "?target_id=": 400, "?target_id=nobody": 404}.items():
                    response = web.post_offer(f"{server.origin}/whep{target}", viewer_offer(Identity()))
                    check(response.status == status, f"{target}: {response.status}")
            with env.case("the routes answer a preflight"):
                for path in ("/whip", "/whep"):
                    response = web.request(server.origin, "OPTIONS", path, headers={
                        "Origin": "https://player.example", "Access-Control-Request-Method": "POST",
                        "Access-Control-Request-Headers": "content-type"})
                    check(response.status in (200, 204), f"{path}: {response.status}")
                    check("POST" in (response.header("Access-Control-Allow-Methods") or ""), "no POST")
                    allowed = response.header("Access-Control-Allow-Headers") or ""
                    check("content-type" in allowed.lower(), "no content-type")
            with env.case("GET /notifications repeats GET /rooms"):
                for event in events(server, 2):
                    check(event["rooms"] == server.rooms(), f"{event}")
        finally:
            check(publisher.leave().status == 200, "DELETE is 200")
        until(lambda: server.rooms() == [], 5, "the room is gone")
