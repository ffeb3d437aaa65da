"""A UDP relay between clients and the server that does what bad networks do, without root or kernel modules.

    with Relay(server.media_address, env.address) as relay:
        relay.for_new.up.loss = 0.1              # for clients yet to come
        viewer = RawViewer(url, relay=relay)     # or relay.attach(page), or relay.rewrite(answer)
        relay.last.down.rate = 1_000_000         # for the client that came last, while it runs
        relay.last.flip()                        # the server sees it come from another port from now on

Answers are rewritten so that their only candidate is the relay. Every client address is a flow of its own, with an `up`
(client to server) and a `down` link, whose conditions may be changed at any time. What happens to a datagram follows from
the seed and the order of datagrams.
"""

import copy
import dataclasses
import heapq
import itertools
import random
import re
import select
import socket
import threading
import time

# IPv4 and UDP headers, which count against an MTU and a rate.
HEADER = 28
RECEIVE_BUFFER = 8 << 20


@dataclasses.dataclass
class Link:
    """What one direction does to datagrams. Shares are from 0 to 1, times in seconds, the rate in bits per second."""

    loss: float = 0.0
    # Mean length of a run of lost datagrams (Gilbert's model); 1 loses them independently of each other.
    burst: float = 1.0
    delay: float = 0.0
    # Added to the delay at random. Datagrams overtake each other by it only if `overtakes`: queues keep their order.
    jitter: float = 0.0
    overtakes: bool = False
    # Share of datagrams held back by `reorder_delay`, and so overtaken.
    reorder: float = 0.0
    reorder_delay: float = 0.03
    duplicate: float = 0.0
    rate: float = 0.0
    # The longest that a datagram waits for the rate; what would wait longer is lost.
    queue: float = 0.2
    black_hole: bool = False
    # The largest IP packet that passes.
    mtu: int = 65535


class Direction:
    """A link in use: its state and its counters."""

    def __init__(self, link, seed):
        self.link = link
        self.sent = self.lost = self.overflowed = self.too_large = 0
        self.bytes = 0
        self._dice = random.Random(seed)
        self._is_losing = False
        self._free_at = 0.0
        self._last_due = 0.0

    def plan(self, size, now):
        """When the datagram arrives: not at all, once or twice."""
        link = self.link
        self.sent += 1
        if size + HEADER > link.mtu:
            self.too_large += 1
            return ()
        if link.black_hole or self._loses(link):
            self.lost += 1
            return ()
        due = now
        if link.rate:
            took = (size + HEADER) * 8 / link.rate
            begins = max(self._free_at, now)
            if begins + took - now > link.queue:
                self.overflowed += 1
                return ()
            self._free_at = due = begins + took
        due += link.delay
        if link.jitter:
            due += self._dice.random() * link.jitter
            if not link.overtakes:
                due = max(due, self._last_due)
        self._last_due = due
        if link.reorder and self._dice.random() < link.reorder:
            due += link.reorder_delay
        self.bytes += size
        return (due, due) if link.duplicate and self._dice.random() < link.duplicate else (due,)

    def _loses(self, link):
        if not link.loss:
            self._is_losing = False
            return False
        if link.burst <= 1:
            return self._dice.random() < link.loss
        # The chances to enter and to leave a run that give the share and the mean length asked for.
        leave = 1 / link.burst
        enter = leave * link.loss / (1 - link.loss)
        self._is_losing = self._dice.random() < ((1 - leave) if self._is_losing else enter)
        return self._is_losing

    def __str__(self):
        return f"{self.sent} sent, {self.lost} lost, {self.overflowed} over the queue, {self.too_large} too large"


class Flow:
    """One client address, with a socket of its own towards the server."""

    def __init__(self, client, server, conditions, seed):
        self.client = client
        self._server = server
        self.up, self.down = conditions.up, conditions.down
        self.upward, self.downward = Direction(self.up, seed), Direction(self.down, seed + 1)
        self.socket = _udp_socket()
        self.socket.connect(server)
        self.wants_flip = False

    def flip(self):
        """Goes on from another port, as behind a NAT that forgot its binding."""
        self.wants_flip = True

    def black_hole(self, is_on=True):
        self.up.black_hole = self.down.black_hole = is_on


@dataclasses.dataclass
class Conditions:
    up: Link = dataclasses.field(default_factory=Link)
    down: Link = dataclasses.field(default_factory=Link)

    def both(self, **values):
        """Sets the same in both directions."""
        for name, value in values.items():
            setattr(self.up, name, value)
            setattr(self.down, name, value)
        return self


class Relay:
    def __init__(self, server, address="127.0.0.1", seed=1):
        self.server = server
        self.for_new = Conditions()
        self.flows = {}
        self._seed = seed
        self._socket = _udp_socket()
        self._socket.bind((address, 0))
        self.address = self._socket.getsockname()
        self._waiting = []
        self._order = itertools.count()
        self._poll = select.epoll()
        self._poll.register(self._socket.fileno(), select.EPOLLIN)
        self._by_descriptor = {}
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._is_stopping = True
        self._thread.join(5)
        for flow in self.flows.values():
            flow.socket.close()
        self._socket.close()
        self._poll.close()

    @property
    def last(self):
        """The flow of the client that came last."""
        return list(self.flows.values())[-1]

    @property
    def busiest(self):
        """The flow in use, of a client that tried the way from several addresses of its own."""
        return max(self.flows.values(), key=lambda flow: flow.upward.sent)

    # How clients get here

    def rewrite(self, description):
        """The answer with the relay as its only candidate."""
        host, port = self.address
        candidate = re.compile(r"(?mi)^a=candidate:.*\r?\n")
        first = candidate.search(description)
        if first is None:
            return description
        line = f"a=candidate:1 1 udp 2130706431 {host} {port} typ host\r\n"
        return description[: first.start()] + line + candidate.sub("", description[first.start():])

    def attach(self, page):
        """Lets all answers that a Playwright page or context gets to its offers name the relay."""

        def handle(route):
            if route.request.method != "POST":
                return route.continue_()
            response = route.fetch()
            body = response.text()
            route.fulfill(response=response, body=self.rewrite(body) if response.status in (200, 201) else body)

        page.route(re.compile(r"/(whip|whep)(\?|$)"), handle)
        return self

    # The thread

    def _run(self):
        while not self._is_stopping:
            now = time.monotonic()
            while self._waiting and self._waiting[0][0] <= now:
                _, _, flow, is_up, data = heapq.heappop(self._waiting)
                self._deliver(flow, is_up, data)
            for flow in list(self.flows.values()):
                if flow.wants_flip:
                    self._flip(flow)
            pause = min(0.05, self._waiting[0][0] - now) if self._waiting else 0.05
            for descriptor, _ in self._poll.poll(max(0.0, pause)):
                if descriptor == self._socket.fileno():
                    self._receive_from_clients()
                elif descriptor in self._by_descriptor:
                    self._receive_from_server(self._by_descriptor[descriptor])

    def _flip(self, flow):
        flow.wants_flip = False
        old = flow.socket
        self._forget(old)
        flow.socket = _udp_socket()
        flow.socket.connect(self.server)
        old.close()
        self._watch(flow)

    def _watch(self, flow):
        self._by_descriptor[flow.socket.fileno()] = flow
        self._poll.register(flow.socket.fileno(), select.EPOLLIN)

    def _forget(self, old):
        self._poll.unregister(old.fileno())
        del self._by_descriptor[old.fileno()]

    def _receive_from_clients(self):
        for _ in range(64):
            try:
                data, client = self._socket.recvfrom(65536)
            except OSError:
                return
            flow = self.flows.get(client)
            if flow is None:
                self._seed += 2
                flow = self.flows[client] = Flow(client, self.server, copy.deepcopy(self.for_new), self._seed)
                self._watch(flow)
            self._plan(flow, True, flow.upward, data)

    def _receive_from_server(self, flow):
        for _ in range(64):
            try:
                data = flow.socket.recv(65536)
            except OSError:
                return
            self._plan(flow, False, flow.downward, data)

    def _plan(self, flow, is_up, direction, data):
        now = time.monotonic()
        for due in direction.plan(len(data), now):
            if due <= now:
                self._deliver(flow, is_up, data)
            else:
                heapq.heappush(self._waiting, (due, next(self._order), flow, is_up, data))

    def _deliver(self, flow, is_up, data):
        try:
            if is_up:
                flow.socket.send(data)
            else:
                self._socket.sendto(data, flow.client)
        except OSError:
            pass  # As lost as on any network.


def _udp_socket():
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setblocking(False)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER)
    return made
