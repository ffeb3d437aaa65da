"""Reads the H.264 of a room over RTSP and decodes it, with an eye on every packet."""

import base64
import contextlib
import queue
import select
import threading
import time

import av

from harness import clock
from harness.rtsp_peer import Reader
from harness.runner import check

START = b"\0\0\0\1"


class H264Units:
    """Puts access units together, in Annex B, of payloads that come in order (RFC 6184)."""

    def __init__(self):
        self.unit = self._fragment = b""

    def push(self, payload, marker):
        """The access unit that ends with this payload, if one does."""
        kind = payload[0] & 31 if payload else 0
        if kind == 28:
            if payload[1] & 0x80:
                self._fragment = bytes([payload[0] & 0xE0 | payload[1] & 31])
            self._fragment += payload[2:]
            if payload[1] & 0x40:
                self.unit += START + self._fragment
        elif kind == 24:
            place = 1
            while place + 2 <= len(payload):
                size = int.from_bytes(payload[place:place + 2], "big")
                self.unit += START + payload[place + 2:place + 2 + size]
                place += 2 + size
        elif payload:
            self.unit += START + payload
        if not marker:
            return None
        unit, self.unit = self.unit, b""
        return unit


class Decoder(Reader):
    """What is seen: `heard` is the time from the answer to PLAY to the first packet, `first` that to the first decoded
    picture, which is the decoder's work too and takes the first one in a process longer, `age` how old the picture
    decoded last was, `gaps` the places where packets were missing or out of order."""

    def __init__(self, server, path, transport):
        # What FFmpeg asks for: nobody is to be kept from losing packets by a larger buffer.
        super().__init__(server, path, transport, receive_buffer=393_216)
        self._arrived, self._is_over = queue.Queue(), threading.Event()
        # As players do: who decodes in the thread that reads loses what comes meanwhile.
        self._taker = threading.Thread(target=self._take_datagrams, daemon=True)
        if self.datagrams:
            self.datagrams.settimeout(0.2)
            self._taker.start()
        self.began = time.monotonic()
        self._codec = av.CodecContext.create("h264", "r")
        self._codec.thread_count = 1
        self._units = H264Units()
        self._expected = None
        self.heard = self.first = self.age = None
        self.packets = self.pictures = self.damaged = self.gaps = 0
        for line in self.description.splitlines():
            if "sprop-parameter-sets=" in line:
                sets = line.split("sprop-parameter-sets=", 1)[1].split(";")[0].split(",")
                self._units.unit = b"".join(START + one for one in map(base64.b64decode, sets))

    def run(self, seconds):
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if self.datagrams:
                try:
                    self._packet(self._arrived.get(timeout=left))
                except queue.Empty:
                    break
                continue
            if not self.frames and not select.select([self.socket], [], [], left)[0]:
                break
            self.take_frames()
            frames, self.frames = self.frames, []
            for channel, data in frames:
                if channel == 0:
                    self._packet(data)
            if not frames:
                self.more()
        check(self.pictures, f"nothing was decoded of {self.packets} packets")
        return self

    def _take_datagrams(self):
        while not self._is_over.is_set():
            with contextlib.suppress(TimeoutError):
                self._arrived.put(self.datagrams.recv(65536))

    def close(self):
        self._is_over.set()
        if self.datagrams:
            self._taker.join()
        super().close()

    def _packet(self, packet):
        number = int.from_bytes(packet[2:4], "big")
        if self.heard is None:
            self.heard = time.monotonic() - self.began
        if self._expected is not None and number != self._expected:
            self.gaps += 1
        self._expected = (number + 1) & 0xFFFF
        self.packets += 1
        unit = self._units.push(packet[12:], packet[1] & 0x80)
        if unit:
            self._decode(unit)

    def _decode(self, data):
        try:
            pictures = self._codec.decode(av.Packet(data))
        except av.error.InvalidDataError:
            self.damaged += 1
            return
        now = time.monotonic()
        for picture in pictures:
            self.pictures += 1
            if self.first is None:
                self.first = now - self.began
            made = clock.read(picture.to_ndarray(format="gray8"))
            self.damaged += picture.is_corrupt or made is None
            if made is not None:
                self.age = (int(time.time() * 1000) - made & 0xFFFFFFFF) / 1000

