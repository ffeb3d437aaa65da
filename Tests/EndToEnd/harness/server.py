"""Starts the real server and looks at it from outside: HTTP, metrics, /proc."""

import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time

from harness import web
from harness.runner import ARTIFACTS, REPOSITORY, until

START_DEADLINE = 15
STOP_DEADLINE = 10


def free_port(kind=socket.SOCK_STREAM):
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("0.0.0.0", 0))
        return probe.getsockname()[1]


def free_port_pair():
    """An even UDP port and the one behind it: players send their RTCP there, whatever a server says of its ports."""
    for _ in range(100):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as first, \
                socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as second:
            first.bind(("0.0.0.0", 0))
            port = first.getsockname()[1]
            try:
                # The other of the two, whichever was given.
                second.bind(("0.0.0.0", port ^ 1))
            except OSError:
                continue
            return port & ~1, port | 1
    raise RuntimeError("there is no free pair of UDP ports")


class Server:
    """Use as a context manager. `settings` and `paths` are laid over the test's configuration file, `variables` over
    its environment."""

    def __init__(self, environment, loops=2, settings=None, paths=None, variables=None):
        self.environment = environment
        self.loops = loops
        self.port = free_port()
        self.metrics_port = free_port()
        self.udp_port = free_port(socket.SOCK_DGRAM)
        self.rtsp_port = free_port()
        rtp_port, rtcp_port = free_port_pair()
        # Browsers lend cameras only to secure origins, and 127.0.0.1 counts as one.
        self.origin = f"http://127.0.0.1:{self.port}"
        self.media_address = (environment.address, self.udp_port)
        self.configuration = {
            "logLevel": "debug",
            "webRoot": str(REPOSITORY / "web-player"),
            "webrtcAddress": f":{self.port}",
            "webrtcLocalUDPAddress": f":{self.udp_port}",
            "webrtcIPsFromInterfaces": False,
            "webrtcAdditionalHosts": [environment.address],
            "mediaLoops": loops,
            "rtspAddress": f"127.0.0.1:{self.rtsp_port}",
            "rtpAddress": f"127.0.0.1:{rtp_port}",
            "rtcpAddress": f"127.0.0.1:{rtcp_port}",
            "metrics": True,
            "metricsAddress": f"127.0.0.1:{self.metrics_port}",
            "httpRequestsPerSecond": 0,
            "httpRequestBurst": 1000000,
            **(settings or {}),
        }
        if paths:
            self.configuration["paths"] = paths
        self.variables = variables or {}
        self.process = None
        self.log = None

    def __enter__(self):
        file = self.environment.directory / f"martlet-{self.port}.yml"
        # JSON is YAML.
        file.write_text(json.dumps(self.configuration, indent=2))
        self.log_file = ARTIFACTS / f"server-{re.sub(r'[^a-z0-9]+', '-', self.environment._current.lower())}.log"
        self.log = open(self.log_file, "ab")
        settings = re.compile(r"(MTX|RTSP|MARTLET)_|WHIP_TOKEN$|FRONTEND_URL$")
        clean = {key: value for key, value in os.environ.items() if not settings.match(key)}
        self.process = subprocess.Popen(
            [str(self.environment.binary), "--config", str(file)],
            cwd=self.environment.directory, env={**clean, **self.variables},
            stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
        )
        try:
            until(self._answers, START_DEADLINE, "the server answers GET /rooms", interval=0.02)
        except AssertionError:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(STOP_DEADLINE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.log.close()

    def _answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {self.log_tail()}")
        try:
            return web.request(self.origin, "GET", "/rooms").status == 200
        except OSError:
            return False

    def log_tail(self, lines=5):
        return " | ".join(self.log_file.read_text(errors="replace").splitlines()[-lines:])

    @property
    def is_running(self):
        return self.process.poll() is None

    def terminate(self, deadline):
        """SIGTERM; the exit status and how long it took."""
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(deadline)
        return status, time.monotonic() - start

    # URLs

    def whip(self, room):
        return f"{self.origin}/{room}/whip"

    def whep(self, room):
        return f"{self.origin}/{room}/whep"

    def rtsp(self, path):
        return f"rtsp://127.0.0.1:{self.rtsp_port}/{path}"

    # What the outside sees

    def rooms(self):
        return json.loads(web.request(self.origin, "GET", "/rooms").body)["rooms"]

    def room(self, name):
        return next((room for room in self.rooms() if room["name"] == name), None)

    def wait_for_room(self, name, deadline=20):
        return until(lambda: self.room(name), deadline, f"room {name} is listed")

    def metrics(self):
        """Every sample as {name: sum over its labels}, and the set of names that are gauges."""
        text = web.request(f"http://127.0.0.1:{self.metrics_port}", "GET", "/metrics").body.decode()
        values, gauges = {}, set()
        for line in text.splitlines():
            kind = re.match(r"# TYPE (\S+) gauge", line)
            if kind:
                gauges.add(kind.group(1))
            sample = re.match(r"([A-Za-z_:][\w:]*)(?:\{.*\})? (\S+)", line)
            if sample:
                values[sample.group(1)] = values.get(sample.group(1), 0.0) + float(sample.group(2))
        return values, gauges

    def samples(self):
        """Every sample by its name with its labels, as it is written."""
        text = web.request(f"http://127.0.0.1:{self.metrics_port}", "GET", "/metrics").body.decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if line and not line.startswith("#"))
        return {name: float(value) for name, _, value in lines}

    def occupancy(self):
        """The gauges that count things a leaving client must give back."""
        values, gauges = self.metrics()
        wanted = re.compile(r"session|tuple|timer|viewer|reader|publisher|peer|room|path|conn")
        traffic = re.compile(r"bytes|packets")
        return {name: values.get(name, 0.0) for name in gauges if wanted.search(name) and not traffic.search(name)}

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def resident_bytes(self):
        pages = int(pathlib.Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self):
        """CPU time of all threads so far: the program's own, and the kernel's on its behalf."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return tuple(int(field) / os.sysconf("SC_CLK_TCK") for field in fields[11:13])
