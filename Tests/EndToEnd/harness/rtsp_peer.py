"""An RTSP publisher and a reader that show every byte: what is sent and what is read can be compared."""

import contextlib
import select
import socket
import struct
import threading
import time

from harness.runner import check


class Connection:
    """One RTSP connection: requests, and what comes between the answers."""

    def __init__(self, server, path):
        self.url = server.rtsp(path)
        self.socket = socket.create_connection(("127.0.0.1", server.rtsp_port), timeout=10)
        self.buffer = b""
        self.sequence = 0
        self.session = ""
        self.frames = []

    def ask(self, method, url=None, headers=(), body=b""):
        self.sequence += 1
        lines = [f"{method} {url or self.url} RTSP/1.0", f"CSeq: {self.sequence}", *headers]
        if self.session:
            lines.append(f"Session: {self.session}")
        if body:
            lines.append(f"Content-Length: {len(body)}")
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        while True:
            self.take_frames()
            if b"\r\n\r\n" in self.buffer and not self.buffer.startswith(b"$"):
                break
            self.more()
        head, _, self.buffer = self.buffer.partition(b"\r\n\r\n")
        text = head.decode(errors="replace")
        check(text.split()[1] == "200", f"{method} was answered {text.splitlines()[0]}")
        fields = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in text.splitlines()[1:]}
        self.session = fields.get("session", self.session).split(";")[0]
        length = int(fields.get("content-length", 0))
        while len(self.buffer) < length:
            self.more()
        content, self.buffer = self.buffer[:length], self.buffer[length:]
        return fields, content.decode()

    def more(self):
        data = self.socket.recv(1 << 18)
        check(data, "the server closed the connection")
        self.buffer += data

    def take_frames(self):
        while self.buffer[:1] == b"$" and len(self.buffer) >= 4:
            length = int.from_bytes(self.buffer[2:4], "big")
            if len(self.buffer) < 4 + length:
                return
            self.frames.append((self.buffer[1], self.buffer[4:4 + length]))
            self.buffer = self.buffer[4 + length:]

    def close(self):
        self.socket.close()


class Publisher(Connection):
    """Announces one medium and sends packets inside the connection."""

    def __init__(self, server, path, medium):
        """`medium`: the lines of the media section from `m=` on, without a control."""
        super().__init__(server, path)
        lines = ["v=0", "o=- 0 0 IN IP4 127.0.0.1", "s=x", "t=0 0", *medium, "a=control:streamid=0"]
        self.ask("ANNOUNCE", headers=["Content-Type: application/sdp"], body="".join(f"{line}\r\n" for line in lines).encode())
        self.ask("SETUP", f"{self.url}/streamid=0",
                 ["Transport: RTP/AVP/TCP;unicast;interleaved=0-1;mode=record"])
        self.ask("RECORD", headers=["Range: npt=0-"])

    def send(self, packet):
        self.socket.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)

    @contextlib.contextmanager
    def sending(self, packets, interval):
        """Sends groups of packets, one each `interval` seconds, over and over until the block is left."""
        stop = threading.Event()

        def run():
            due = time.monotonic()
            for group in packets:
                for packet in group:
                    self.send(packet)
                due += interval
                # Reports of the server are read and passed over.
                while select.select([self.socket], [], [], 0)[0]:
                    if not self.socket.recv(65536):
                        return
                if stop.wait(max(0, due - time.monotonic())):
                    return

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield
            check(thread.is_alive(), "the publisher ended by itself")
        finally:
            stop.set()
            thread.join()


class Reader(Connection):
    """Plays the first medium of a room and keeps its RTP packets."""

    def __init__(self, server, path, transport, receive_buffer=1 << 22):
        """`receive_buffer`: of the socket for datagrams; None leaves it as the system makes it."""
        super().__init__(server, path)
        _, self.description = self.ask("DESCRIBE", headers=["Accept: application/sdp"])
        base = self.url + "/"
        control = next(line.split(":", 1)[1] for line in self.description.splitlines()
                       if line.startswith("a=control:") and line != "a=control:*")
        self.datagrams = None
        if transport == "tcp":
            wanted = "RTP/AVP/TCP;unicast;interleaved=0-1"
        else:
            self.datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            if receive_buffer:
                self.datagrams.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            self.datagrams.bind(("127.0.0.1", 0))
            port = self.datagrams.getsockname()[1]
            wanted = f"RTP/AVP;unicast;client_port={port}-{port + 1}"
        self.ask("SETUP", control if "://" in control else base + control, [f"Transport: {wanted}"])
        self.ask("PLAY", headers=["Range: npt=0-"])

    def read(self, seconds):
        """RTP packets until none has come for so long."""
        packets = []
        while True:
            if self.datagrams:
                if not select.select([self.datagrams], [], [], seconds)[0]:
                    return packets
                packets.append(self.datagrams.recv(65536))
                continue
            self.take_frames()
            packets += [data for channel, data in self.frames if channel == 0]
            self.frames = []
            if not select.select([self.socket], [], [], seconds)[0]:
                return packets
            self.more()

    def close(self):
        super().close()
        if self.datagrams:
            self.datagrams.close()


def rtp(payload_type, number, timestamp, payload, marker):
    return struct.pack("!BBHII", 0x80, payload_type | (0x80 if marker else 0), number & 0xFFFF,
                       timestamp & 0xFFFFFFFF, 0x4D41) + payload
