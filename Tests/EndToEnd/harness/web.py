"""Plain HTTP/1.1, with nothing between the test and the bytes that matter."""

import http.client
import json
import urllib.parse


class Response:
    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body

    def header(self, name):
        """The field's value, fields of the same name joined; None when it is absent."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        return ", ".join(values) if values else None

    def all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    @property
    def text(self):
        return self.body.decode("utf-8", "replace")

    def json(self):
        return json.loads(self.body)


def request(origin, method, target, body=None, headers=None, timeout=10):
    """One request on a connection of its own. Headers are sent as given; Content-Length is added to a body."""
    parts = urllib.parse.urlsplit(origin)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=timeout)
    try:
        connection.putrequest(method, target, skip_accept_encoding=True)
        fields = dict(headers or {})
        if isinstance(body, str):
            body = body.encode()
        if body is not None and not any(key.lower() == "content-length" for key in fields):
            fields["Content-Length"] = str(len(body))
        elif body is None and method in ("POST", "PATCH", "PUT"):
            fields.setdefault("Content-Length", "0")
        for key, value in fields.items():
            connection.putheader(key, value)
        connection.endheaders()
        if body:
            try:
                connection.send(body)
            except (BrokenPipeError, ConnectionResetError):
                pass  # The server may have answered before it had everything.
        answer = connection.getresponse()
        return Response(answer.status, answer.getheaders(), answer.read())
    finally:
        connection.close()


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def post_offer(url, offer, token=None, content_type="application/sdp", extra=None):
    parts = urllib.parse.urlsplit(url)
    headers = {**bearer(token), **(extra or {})}
    if content_type is not None:
        headers["Content-Type"] = content_type
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    return request(f"{parts.scheme}://{parts.netloc}", "POST", target, offer, headers)


def session_target(response):
    """The path of the session a 201 made."""
    location = response.header("Location")
    return urllib.parse.urlsplit(location).path if location else None
