"""A camera of few words: an RTSP server that answers as it is told to and remembers what it was asked and sent."""

import re
import socket
import threading
import time

DESCRIPTION = ("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
               "a=control:trackID=0\r\n")
BACK_CHANNEL = "m=audio 0 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na=sendonly\r\na=control:trackID=1\r\n"
BACK_CHANNEL_TAG = "www.onvif.org/ver20/backchannel"
INTERVAL = 0.04


class Camera:
    """Use as a context manager. One client at a time.

    `names_ports`: whether the answer to SETUP says where datagrams come from; `sends_from_named`: whether that is true;
    `timeout`: of the session, in seconds; `back_channel`: what becomes of a client that asks for it: it "is heard", or the
    camera "refuses", "fails", "hangs up", "falls silent"."""

    def __init__(self, names_ports=True, sends_from_named=True, timeout=5, back_channel="refuses"):
        self.names_ports = names_ports
        self.back_channel = back_channel
        # RTP packets of the client's.
        self.heard = []
        self.timeout = timeout
        # (seconds since the start, what): methods, "rtp datagram", "rtcp datagram", "report".
        self.events = []
        self._start = time.monotonic()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"rtsp://127.0.0.1:{self._listener.getsockname()[1]}/cam"
        self._rtp, self._rtcp = self._bound(), self._bound()
        self._sender = self._rtp if sends_from_named else self._bound()
        self._ended = threading.Event()

    @staticmethod
    def _bound():
        made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        made.bind(("127.0.0.1", 0))
        return made

    def __enter__(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        for made in {self._listener, self._rtp, self._rtcp, self._sender}:
            made.close()

    def _note(self, what):
        self.events.append((time.monotonic() - self._start, what))

    def times(self, what):
        return [when for when, event in list(self.events) if event == what]

    def _note_control(self, packet):
        # A receiver report with a block in it, not the empty one that opens the way.
        if len(packet) >= 32 and packet[1] == 201 and packet[0] & 0x1F:
            self._note("report")

    def _receive(self, name, port, flags=0):
        while True:
            try:
                packet = port.recv(2048, flags)
            except OSError:
                return
            self._note(f"{name} datagram")
            if name == "rtp" and packet[1] & 0x7F == 0:
                self.heard.append(packet)
            if name == "rtcp":
                self._note_control(packet)

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client):
        with client:
            rest, way, ended = b"", None, threading.Event()
            try:
                while data := client.recv(65536):
                    rest += data
                    while True:
                        if rest[:1] == b"$":
                            size = int.from_bytes(rest[2:4], "big")
                            if len(rest) < 4 + size:
                                break
                            self._note_control(rest[4:4 + size])
                            if rest[1] == 2:
                                self.heard.append(rest[4:4 + size])
                            rest = rest[4 + size:]
                            continue
                        head, found, tail = rest.partition(b"\r\n\r\n")
                        if not found:
                            break
                        rest = tail
                        chosen = self._answer(client, head.decode(), way, ended)
                        # Media goes where the first track was set up.
                        way = way or chosen
            except OSError:
                pass
            finally:
                ended.set()

    def _answer(self, client, head, way, ended):
        method = head.split(" ", 1)[0]
        ports = (("rtp", self._rtp), ("rtcp", self._rtcp))
        if method == "PLAY":
            # What is there by now came before.
            for name, port in ports:
                self._receive(name, port, socket.MSG_DONTWAIT)
                threading.Thread(target=self._receive, args=(name, port), daemon=True).start()
        self._note(method)
        number = re.search(r"CSeq: *(\d+)", head).group(1)
        fields, body, chosen = "", "", None
        asks = f"Require: {BACK_CHANNEL_TAG}" in head
        if asks and method == "DESCRIBE" and self.back_channel != "is heard":
            self._note("asked for the back channel")
            if self.back_channel == "hangs up":
                client.shutdown(socket.SHUT_RDWR)
            elif self.back_channel != "falls silent":
                status = "551 Option not supported" if self.back_channel == "refuses" else "500 Internal Server Error"
                client.sendall(f"RTSP/1.0 {status}\r\nCSeq: {number}\r\n\r\n".encode())
            return None
        if method == "OPTIONS":
            fields = "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN\r\n"
        elif method == "DESCRIBE":
            body = DESCRIPTION + (BACK_CHANNEL if asks else "")
            fields = f"Content-Base: {self.url}/\r\nContent-Length: {len(body)}\r\n"
        elif method == "SETUP":
            ports = re.search(r"client_port=(\d+)-", head)
            if ports:
                chosen = ("127.0.0.1", int(ports.group(1)))
                named = f";server_port={self._rtp.getsockname()[1]}-{self._rtcp.getsockname()[1]}"
                transport = "RTP/AVP;unicast" + (named if self.names_ports else "")
            else:
                chosen = client
                transport = "RTP/AVP/TCP;unicast;" + re.search(r"interleaved=\d+-\d+", head).group(0)
            fields = f"Transport: {transport}\r\nSession: 77;timeout={self.timeout}\r\n"
        client.sendall(f"RTSP/1.0 200 OK\r\nCSeq: {number}\r\n{fields}\r\n{body}".encode())
        if method == "PLAY":
            threading.Thread(target=self._send, args=(way, ended), daemon=True).start()
        return chosen

    def _send(self, way, ended):
        number = 0
        while not ended.wait(INTERVAL) and not self._ended.is_set():
            packet = (bytes([0x80, 0x80 | 96]) + (number & 0xFFFF).to_bytes(2, "big") + (number * 3600).to_bytes(4, "big")
                      + b"\0\0\0\1" + b"\x65\x88" + bytes(40))
            number += 1
            try:
                if isinstance(way, tuple):
                    self._sender.sendto(packet, way)
                else:
                    way.sendall(b"$\0" + len(packet).to_bytes(2, "big") + packet)
            except OSError:
                return
