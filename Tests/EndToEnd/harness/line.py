"""A TCP line to the server that can be cut, to see how a page lives through that."""

import re
import socket
import threading


class Line:
    """Use as a context manager. `requests` has the bytes that clients sent, one entry for each connection."""

    def __init__(self, port):
        self.target = ("127.0.0.1", port)
        self.port = None
        self.requests = []
        self._listener = None
        self._sockets = set()
        self._lock = threading.Lock()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.mend()
        return self

    def __exit__(self, *_):
        self.cut()

    def mend(self):
        self._listener = socket.socket()
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._listener.bind(("127.0.0.1", self.port or 0))
        self._listener.listen(64)
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, args=[self._listener], daemon=True).start()

    def cut(self):
        """Ends every connection, and lets none in until mend()."""
        # A thread that waits in accept() is not woken by close() alone.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._lock:
            for one in self._sockets:
                try:
                    one.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
                one.close()
            self._sockets.clear()

    def sent(self, pattern):
        """Every match of the pattern in what clients have sent."""
        with self._lock:
            texts = [bytes(one).decode("latin-1") for one in self.requests]
        return [match for text in texts for match in re.findall(pattern, text, re.IGNORECASE)]

    def _accept(self, listener):
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self.target, 5)
            except OSError:
                client.close()
                continue
            record = bytearray()
            with self._lock:
                self._sockets |= {client, server}
                self.requests.append(record)
            threading.Thread(target=self._copy, args=[client, server, record], daemon=True).start()
            threading.Thread(target=self._copy, args=[server, client, None], daemon=True).start()

    def _copy(self, source, destination, record):
        try:
            while data := source.recv(65536):
                if record is not None:
                    with self._lock:
                        record += data
                destination.sendall(data)
        except OSError:
            pass
        for one in (source, destination):
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
