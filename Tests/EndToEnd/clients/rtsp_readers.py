"""Reads a room many times over RTSP, inside the connections, and checks every sequence number.

Each line on standard input is answered with the figures of all readers; its end ends them.
"""

import argparse
import json
import re
import selectors
import socket
import sys
import time
import urllib.parse

READ_SIZE = 1 << 18


class Reader:
    def __init__(self, url, receive_buffer):
        self.url = url
        place = urllib.parse.urlparse(url)
        self.socket = socket.socket()
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect((place.hostname, place.port))
        self.socket.settimeout(10)
        self.number, self.session, self.buffer = 0, None, bytearray()
        self.sequences, self.packets, self.lost, self.gaps, self.clean_gaps = {}, 0, 0, 0, 0
        self.is_open = True
        began = time.monotonic()
        description = self.ask("DESCRIBE", url, "Accept: application/sdp")
        for index, control in enumerate(re.findall(r"(?m)^m=.*?^a=control:(\S+)", description, re.DOTALL)):
            self.ask("SETUP", f"{url}/{control}", f"Transport: RTP/AVP/TCP;unicast;interleaved={2 * index}-{2 * index + 1}")
        self.ask("PLAY", url, "Range: npt=0-")
        self.set_up_seconds = time.monotonic() - began
        self.socket.setblocking(False)

    def ask(self, method, url, field):
        self.number += 1
        session = f"Session: {self.session}\r\n" if self.session else ""
        self.socket.sendall(f"{method} {url} RTSP/1.0\r\nCSeq: {self.number}\r\n{session}{field}\r\n\r\n".encode())
        while b"\r\n\r\n" not in self.buffer:
            self._receive_blocking()
        head, _, rest = bytes(self.buffer).partition(b"\r\n\r\n")
        text = head.decode()
        if not text.startswith("RTSP/1.0 200"):
            raise RuntimeError(f"{method}: {text.splitlines()[0]}")
        length = re.search(r"(?i)^content-length: *(\d+)", text, re.MULTILINE)
        length = int(length.group(1)) if length else 0
        while len(rest) < length:
            self.buffer.clear()
            self._receive_blocking()
            rest += bytes(self.buffer)
        found = re.search(r"(?i)^session: *(\w+)", text, re.MULTILINE)
        self.session = found.group(1) if found else self.session
        self.buffer = bytearray(rest[length:])
        return rest[:length].decode()

    def _receive_blocking(self):
        data = self.socket.recv(READ_SIZE)
        if not data:
            raise RuntimeError("the server closed the connection")
        self.buffer += data

    def receive(self):
        """Takes what came; `False` at the end."""
        try:
            data = self.socket.recv(READ_SIZE)
        except BlockingIOError:
            return True
        except OSError:
            data = b""
        if not data:
            self.is_open = False
            return False
        self.buffer += data
        offset = 0
        while len(self.buffer) - offset >= 4:
            if self.buffer[offset] != 0x24:
                raise RuntimeError("this is no frame")
            length = int.from_bytes(self.buffer[offset + 2:offset + 4], "big")
            if len(self.buffer) - offset < 4 + length:
                break
            if self.buffer[offset + 1] % 2 == 0:
                self.received(self.buffer[offset + 1], memoryview(self.buffer)[offset + 4:offset + 4 + length])
            offset += 4 + length
        del self.buffer[:offset]
        return True

    def received(self, channel, packet):
        number = packet[2] << 8 | packet[3]
        expected = self.sequences.get(channel)
        self.packets += 1
        if expected is not None and number != expected:
            self.lost += number - expected & 0xFFFF
            self.gaps += 1
            # Parameter sets or an IDR picture, whole, aggregated or in fragments.
            kind = packet[12] & 31
            kind = packet[13] & 31 if kind == 28 else packet[15] & 31 if kind == 24 else kind
            self.clean_gaps += channel != 0 or kind in (5, 7)
        self.sequences[channel] = number + 1 & 0xFFFF
        packet.release()

    @property
    def figures(self):
        return {"packets": self.packets, "lost": self.lost, "gaps": self.gaps, "clean_gaps": self.clean_gaps,
                "open": self.is_open, "set_up": round(self.set_up_seconds, 4)}


def report(event, **values):
    print(json.dumps({"event": event, **values}), flush=True)


def main(options):
    waiting = selectors.DefaultSelector()
    readers = [Reader(options.url, options.receive_buffer) for _ in range(options.count)]
    for reader in readers:
        waiting.register(reader.socket, selectors.EVENT_READ, reader)
    waiting.register(sys.stdin, selectors.EVENT_READ, None)
    is_playing = False
    while True:
        for key, _ in waiting.select(1):
            if key.data is None:
                if not sys.stdin.readline():
                    return
                report("figures", readers=[reader.figures for reader in readers])
            elif not key.data.receive():
                waiting.unregister(key.fileobj)
        if not is_playing and all(reader.packets for reader in readers):
            is_playing = True
            report("playing")


parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("url")
parser.add_argument("--count", type=int, default=1)
parser.add_argument("--receive-buffer", type=int, default=0)
main(parser.parse_args())
