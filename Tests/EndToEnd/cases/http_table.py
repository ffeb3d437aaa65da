"""WHIP and WHEP over raw HTTP: which request gets which answer."""

import json
import re
import socket

from harness import web
from harness.obs import OBSPublisher
from harness.raw_peer import Identity, RawPeer
from harness.runner import check, test
from harness.sdp import obs_offer, viewer_offer

TOKEN, OTHER_TOKEN = "right-token", "token-of-the-other-room"
FRAGMENT_TYPE = "application/trickle-ice-sdpfrag"


def offer(**changes):
    return obs_offer(Identity(), 1111, 2222, **changes)


def expect(response, *statuses):
    wanted = " or ".join(map(str, statuses))
    check(response.status in statuses, f"{response.status}, wanted {wanted}: {response.text[:200]!r}")
    return response


def restart_fragment(identity):
    return f"a=ice-ufrag:{identity.ufrag}\r\na=ice-pwd:{identity.password}\r\n"


def candidate_fragment(identity, extra=()):
    return "\r\n".join([
        f"a=ice-ufrag:{identity.ufrag}", f"a=ice-pwd:{identity.password}", "m=audio 9 UDP/TLS/RTP/SAVPF 111", "a=mid:0",
        "a=candidate:1 1 udp 2130706431 192.0.2.77 50000 typ host",
        "a=candidate:2 1 udp 2130706431 1f4712db-ea17-4bcf-a596-105139dfd8bf.local 50001 typ host",
        "a=end-of-candidates", *extra]) + "\r\n"


@test("WHIP and WHEP status table")
def status_table(env):
    paths = {
        "locked": {"publishToken": TOKEN, "readToken": TOKEN},
        "other": {"publishToken": OTHER_TOKEN},
        "single": {"overridePublisher": False},
        # With rooms named, others exist only when this says so.
        "all_others": {},
    }
    settings = {"webrtcICEServers2": [{"url": "stun:192.0.2.9:3478"},
                                      {"url": "turn:192.0.2.9:3478", "username": "u", "password": "p"}]}
    with env.server(paths=paths, settings=settings) as server:
        origin = server.origin

        def post(room, body, kind="whip", **arguments):
            return web.post_offer(f"{origin}/{room}/{kind}", body, **arguments)

        def request(method, target, body=None, **headers):
            return web.request(origin, method, target, body, {
                key.replace("_", "-"): value for key, value in headers.items()})

        with env.case("A1 a valid offer"):
            response = expect(post("a1", offer()), 201)
            check(response.header("Content-Type").startswith("application/sdp"), "Content-Type")
            check(re.fullmatch(r'"[^"]+"', response.header("ETag") or ""), f"ETag {response.header('ETag')}")
            check(response.header("Location"), "Location")
            check("no-store" in (response.header("Cache-Control") or ""), "Cache-Control")
            check(response.text.startswith("v=0") and len(response.text) < 8192, "the answer's shape")
            check("a=ice-lite" in response.text and "a=end-of-candidates" in response.text, "ice-lite, all candidates")
            check(response.text.count("a=recvonly") == 2, "both media are received")
            check("Location" in (response.header("Access-Control-Expose-Headers") or ""), "exposed headers")
        with env.case("A2 media type in capitals with a parameter"):
            expect(post("a2", offer(), content_type="APPLICATION/SDP; charset=utf-8"), 201)
        with env.case("A3 another media type"):
            expect(post("a3", offer(), content_type="application/json"), 415)
        with env.case("A4 no media type"):
            expect(post("a4", offer(), content_type=None), 400, 415)
        with env.case("A5 an empty body"):
            expect(post("a5", ""), 400)
        with env.case("A6 no fingerprint"):
            expect(post("a6", re.sub(r"a=fingerprint:[^\r]*\r\n", "", offer())), 400, 422)
        with env.case("A7 unknown codecs only, WHIP"):
            unknown = offer(video_lines=["a=rtpmap:96 X-UNKNOWN/90000"]).replace(
                "a=rtpmap:111 opus/48000/2", "a=rtpmap:111 X-NOISE/48000/2")
            expect(post("a7", unknown), 422)
        with env.case("A8 two pictures"):
            base = offer()
            video = base[base.index("m=video"):].replace("a=mid:1", "a=mid:2")
            expect(post("a8", base.replace("BUNDLE 0 1", "BUNDLE 0 1 2") + video), 422)
        with env.case("A9 an ICE-lite client"):
            expect(post("a9", offer().replace("s=-\r\n", "s=-\r\na=ice-lite\r\n")), 422)
        with env.case("A10 a body that is too long"):
            expect(post("a10", offer() + "a=x-padding:" + "x" * 70_000 + "\r\n"), 413)
        with env.case("A11 no token, and a wrong one"):
            for token in (None, "wrong"):
                response = expect(post("locked", offer(), token=token), 401)
                check("Bearer" in (response.header("WWW-Authenticate") or ""), "WWW-Authenticate")
            expect(post("locked", "this is no SDP"), 401)
        with env.case("A12 the token of another room"):
            expect(post("locked", offer(), token=OTHER_TOKEN), 403)
        with env.case("A13 the room is live"):
            expect(post("single", offer()), 201)
            expect(post("single", offer()), 409)
        with env.case("errors are problem documents"):
            response = post("locked", offer())
            check(response.header("Content-Type").startswith("application/problem+json"), "Content-Type")
            problem = response.json()
            check(problem["status"] == 401 and problem["title"], f"{problem}")
            check("no-store" in (response.header("Cache-Control") or ""), "Cache-Control")

        publisher = RawPeer(f"{origin}/patch/whip", lambda identity: obs_offer(identity, 1, 2))
        publisher.post()
        session, etag = publisher.session, publisher.response.header("ETag")
        fragment = candidate_fragment(publisher.identity)

        with env.case("A15 a candidate is added"):
            response = expect(request("PATCH", session, fragment, Content_Type=FRAGMENT_TYPE, If_Match=etag), 204)
            check(response.body == b"" and response.header("ETag") is None, "no body and no ETag")
        with env.case("A16 the wrong entity tag"):
            expect(request("PATCH", session, fragment, Content_Type=FRAGMENT_TYPE, If_Match='"wrong"'), 412)
        with env.case("A17 a restart without If-Match"):
            expect(request("PATCH", session, restart_fragment(Identity()), Content_Type=FRAGMENT_TYPE), 428)
        with env.case("A18 restarts of whatever generation"):
            for condition in ("*", '"*"', None):
                response = expect(request("PATCH", session, restart_fragment(Identity()), Content_Type=FRAGMENT_TYPE,
                                          If_Match=condition or etag), 200)
                check(response.header("Content-Type") == FRAGMENT_TYPE, "Content-Type")
                previous, etag = etag, response.header("ETag")
                check(re.fullmatch(r'"[^"]+"', etag) and etag != previous, f"ETag {etag}")
                for line in ("a=ice-lite", "a=ice-ufrag:", "a=ice-pwd:", "a=candidate:", "a=end-of-candidates"):
                    check(f"\n{line}" in "\n" + response.text, f"{line} is missing from {response.text}")
                check(re.findall("(?m)^a=ice-options:.*$", response.text)
                      == re.findall("(?m)^a=ice-options:.*$", publisher.response.text), "a=ice-options")
                check(publisher.answer.ufrag not in response.text, "the credentials are old ones")
        with env.case("A19 the entity tag before a restart"):
            fragment_of_restart = restart_fragment(Identity())
            expect(request("PATCH", session, fragment_of_restart, Content_Type=FRAGMENT_TYPE, If_Match=previous), 412)
        with env.case("A20 an offer by PATCH"):
            expect(request("PATCH", session, offer(), Content_Type="application/sdp"), 415, 422)
        with env.case("A22 PATCH of an unknown session"):
            unknown = re.sub(r"[^/]+$", "0123456789abcdef0123456789abcdef", session)
            expect(request("PATCH", unknown, fragment, Content_Type=FRAGMENT_TYPE), 404)
        with env.case("A23 a malformed fragment"):
            for broken in ("\0\0\0", "a=ice-ufrag:onlyufrag\r\n", "m=\r\na=candidate:\r\n"):
                expect(request("PATCH", session, broken, Content_Type=FRAGMENT_TYPE, If_Match=etag), 400)
            expect(request("PATCH", session, fragment, Content_Type=FRAGMENT_TYPE, If_Match=etag), 204)
        with env.case("A29 GET of endpoint and session"):
            for target in ("/patch/whip", session):
                response = request("GET", target)
                check(200 <= response.status < 300 and response.body == b"", f"{target}: {response.status}")
        with env.case("A24 DELETE with any entity tag"):
            expect(request("DELETE", session, If_Match='"nonsense"'), 200)
        with env.case("A25 DELETE twice"):
            expect(request("DELETE", session), 404)
        publisher.socket.close()

        with env.case("A26 DELETE with somebody else's token"):
            response = expect(post("locked", offer(), token=TOKEN), 201)
            target = web.session_target(response)
            for token in (None, OTHER_TOKEN):
                expect(web.request(origin, "DELETE", target, headers=web.bearer(token)), 401, 403, 404)
            expect(web.request(origin, "DELETE", target, headers=web.bearer(TOKEN)), 200)
        with env.case("A27 preflight"):
            response = expect(request("OPTIONS", "/locked/whip", Origin="https://elsewhere.example",
                                      Access_Control_Request_Method="POST"), 200, 204)
            for method in ("POST", "PATCH", "DELETE", "OPTIONS"):
                check(method in response.header("Access-Control-Allow-Methods"), f"{method} is not allowed")
            for header in ("Authorization", "Content-Type", "If-Match"):
                allowed = response.header("Access-Control-Allow-Headers").lower()
                check(header.lower() in allowed, f"{header} is not allowed")
            check(response.header("Access-Control-Allow-Origin") is not None, "Access-Control-Allow-Origin")
            check("credential" not in (response.header("Link") or ""), "TURN credentials are given to anybody")
        with env.case("A28 OPTIONS with a token"):
            response = expect(request("OPTIONS", "/locked/whip", Authorization=f"Bearer {TOKEN}"), 200, 204)
            check("application/sdp" in (response.header("Accept-Post") or ""), "Accept-Post")
            links = response.all("Link")
            check(any(re.match(r'<stun:192\.0\.2\.9:3478>; rel="ice-server"', link) for link in links), f"{links}")
            check(any(link.startswith("<turn:") and 'credential="p"' in link for link in links), f"{links}")
        with env.case("A30 HEAD of the WHEP endpoint"):
            response = expect(request("HEAD", "/a1/whep"), 200)
            check(response.header("Content-Type").startswith("application/sdp"), "Content-Type")
        with env.case("A31 PUT"):
            response = expect(request("PUT", "/a1/whip", "x"), 405)
            check("POST" in (response.header("Allow") or ""), "Allow")
        with env.case("A32 WHEP on an idle room"):
            response = expect(post("nobody", viewer_offer(Identity()), kind="whep"), 409, 404)
            check(response.status == 404 or int(response.header("Retry-After")) > 0, "Retry-After")
        with env.case("a byte order mark and a leading line break"):
            expect(post("bom", "\ufeff" + offer()), 201)
            expect(post("newline", "\r\n" + offer()), 201)
        with env.case("bearer in any case"):
            for word in ("bearer", "BEARER"):
                authorization = {"Authorization": f"{word} {OTHER_TOKEN}"}
                expect(web.post_offer(f"{origin}/other/whip", offer(), extra=authorization), 201)
        with env.case("session ids cannot be guessed"):
            ids = [web.session_target(expect(post(f"ids-{number}", offer()), 201)).rsplit("/", 1)[1]
                   for number in range(20)]
            check(len(set(ids)) == 20 and all(len(one) >= 22 for one in ids), f"{ids[:2]}")
            check(len({one[:4] for one in ids}) > 10, "the ids have a common beginning")


@test("A14 a full server")
def full(env):
    with env.server(settings={"maxSessions": 2}) as server:
        for number in range(2):
            expect(web.post_offer(server.whip(f"full-{number}"), offer()), 201)
        response = expect(web.post_offer(server.whip("full-2"), offer()), 503)
        check(int(response.header("Retry-After")) > 0, "Retry-After")


@test("A7 WHEP: nothing the viewer can decode")
def undecodable(env):
    with env.server() as server:
        publisher = OBSPublisher(server.whip("h264"), gop_seconds=2).start()
        try:
            lines = viewer_offer(Identity(), "VP8").replace("opus/48000/2", "X-NOISE/48000/2")
            response = expect(web.post_offer(server.whep("h264"), lines), 406)
            check(response.header("Content-Type") == "application/sdp", "the counter-offer's type")
            check(b"H264/90000" in response.body and b"a=setup:actpass" in response.body, "the counter-offer")
        finally:
            publisher.leave()


@test("sessions that were never made leave nothing behind")
def refused(env):
    with env.server() as server:
        expect(web.post_offer(server.whip("r"), "v=0\r\n"), 400, 422)
        before = server.occupancy()
        for number in range(300):
            # An offer that is cut may still be whole; without its fingerprint it is none.
            cut = re.sub(r"a=fingerprint:[^\r]*\r\n", "", offer())[: 20 + number * 5]
            broken = cut if number % 2 else "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" * 5
            response = web.post_offer(server.whip(f"refused-{number}"), broken)
            check(400 <= response.status < 500, f"{response.status} for {broken[:60]!r}")
        check(server.occupancy() == before, f"{before} is now {server.occupancy()}")


@test("HTTP/1.1 as clients speak it")
def protocol(env):
    with env.server() as server:
        def raw(text, wait=3):
            with socket.create_connection(("127.0.0.1", server.port), timeout=wait) as connection:
                connection.sendall(text.encode("latin-1"))
                answer = b""
                while True:
                    try:
                        part = connection.recv(65536)
                    except (TimeoutError, ConnectionResetError):
                        return answer.decode("latin-1")
                    if not part:
                        return answer.decode("latin-1")
                    answer += part

        body = offer()
        head = "Host: x\r\nContent-Type: application/sdp\r\n"
        post = f"POST /s/whip HTTP/1.1\r\n{head}"
        with env.case("two requests in one packet"):
            answer = raw(f"OPTIONS /pipe/whip HTTP/1.1\r\nHost: x\r\n\r\nPOST /pipe/whip HTTP/1.1\r\n{head}"
                         f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}")
            statuses = re.findall(r"HTTP/1\.1 (\d+)", answer)
            check(len(statuses) == 2 and statuses[0] in ("200", "204") and statuses[1] == "201", f"{statuses}")
        with env.case("a chunked body"):
            chunks = "".join(f"{len(part):x}\r\n{part}\r\n" for part in (body[:100], body[100:])) + "0\r\n\r\n"
            answer = raw(f"POST /chunk/whip HTTP/1.1\r\n{head}Transfer-Encoding: chunked\r\n"
                         f"Connection: close\r\n\r\n{chunks}")
            check(" 201 " in answer.split("\r\n")[0], answer[:80])
        with env.case("Expect: 100-continue"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(f"POST /expect/whip HTTP/1.1\r\n{head}Content-Length: {len(body)}\r\n"
                                   f"Expect: 100-continue\r\nConnection: close\r\n\r\n".encode())
                check(b" 100 " in connection.recv(4096), "no 100")
                connection.sendall(body.encode())
                check(b" 201 " in connection.recv(65536), "no 201")
        for name, text in {
            "length and chunks": f"{post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "two lengths": f"{post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "a folded header": "GET / HTTP/1.1\r\nHost: x\r\nA: b\r\n c\r\n\r\n",
            "a space before the colon": "GET / HTTP/1.1\r\nHost : x\r\n\r\n",
            "a bare carriage return": "GET / HTTP/1.1\r\nHost: x\rY: z\r\n\r\n",
            "no host": "GET / HTTP/1.1\r\n\r\n",
        }.items():
            with env.case(f"refused: {name}"):
                check(re.match(r"HTTP/1\.1 400", raw(text)), raw(text)[:80])
        with env.case("a line break in a path does not reach a header"):
            answer = raw("GET /a%0d%0aX-Injected:%201 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            check("\nX-Injected" not in answer, answer[:200])


@test("/rooms and /notifications")
def rooms(env):
    with env.server() as server:
        check(server.rooms() == [], "no rooms at first")
        publisher = OBSPublisher(server.whip("feed"), gop_seconds=2).start()
        try:
            room = server.wait_for_room("feed")
            check(isinstance(room["id"], int) and 0 <= room["id"] < 1 << 32, f"id {room['id']}")
            check(room["viewer_count"] == 0 and room["publisher"] == "whip", f"{room}")
            with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
                connection.sendall(b"GET /notifications HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n")
                text = b""
                while text.count(b"data: ") < 2:
                    text += connection.recv(65536)
            check(b"text/event-stream" in text, "the type of the stream")
            event = re.search(rb"data: (\{.*\})\r?\n", text)
            check(json.loads(event.group(1))["rooms"][0]["name"] == "feed", f"{event}")
        finally:
            publisher.leave()


# SSE-9. A page cannot have its EventSource send a token, but may fetch one for it.
EVENT_SOURCE = """
async ([origin, token]) => {
  const answer = await fetch(`${origin}/v1/events/token`, {
    method: "POST", credentials: "include", headers: token ? { Authorization: `Bearer ${token}` } : {} });
  if (answer.status !== 201) return `the token was answered ${answer.status}`;
  const given = (await answer.json()).token;
  const open = () => new Promise((resolve) => {
    const source = new EventSource(`${origin}/v1/events?room=cam&token=${given}`, { withCredentials: true });
    source.addEventListener("snapshot", () => { source.close(); resolve("snapshot"); });
    source.onerror = () => { source.close(); resolve("refused"); };
  });
  return [await open(), await open()].join(" ");
}
"""


@test("a page of another origin opens the feed with a token of a minute")
def feed_token(env):
    with env.server() as pages:
        settings = {"webrtcAllowOrigins": [pages.origin]}
        with env.server(settings=settings, paths={"cam": {"readToken": TOKEN}, "other": {}}) as server, \
                env.browser.page(f"{pages.origin}/rooms") as page:
            with env.case("with the room's token"):
                result = page.page.evaluate(EVENT_SOURCE, [server.origin, TOKEN])
                check(result == "snapshot snapshot", result)
            with env.case("with a wrong one, or none"):
                for token in ("wrong", ""):
                    result = page.page.evaluate(EVENT_SOURCE, [server.origin, token])
                    check(result == "the token was answered 401", result)
            with env.case("with one that was never given out"):
                expect(web.request(server.origin, "GET", "/v1/events?room=cam&token=feed-AAAAAAAAAAAAAAAAAAAAAA"), 401)
                # In the URL the token itself counts only where the operator allows it.
                expect(web.request(server.origin, "GET", f"/v1/events?room=cam&token={TOKEN}"), 401)
            check("feed-" not in server.log_file.read_text(errors="replace"), "a token is in the log")
