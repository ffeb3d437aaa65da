"""Registers tests, runs them, prints one line for each, and the totals last."""

import contextlib
import os
import pathlib
import signal
import sys
import tempfile
import time
import traceback

REPOSITORY = pathlib.Path(__file__).resolve().parents[3]
ARTIFACTS = REPOSITORY / "artifacts" / "end-to-end"
IN_CI = os.environ.get("CI") == "true"
LONG = os.environ.get("MARTLET_LONG_TESTS") == "1"

# With more failures than this something is broken, and a second try would only hide how much.
SECOND_TRIES = 8

# A case that takes longer hangs: it is ended and counted as failed, and the others run.
CASE_SECONDS = 1200 if LONG else 300

# How much longer than said a wait of seconds goes on: it ends when the thing happens, and two busy cores are slow.
PATIENCE = 3

_tests = []


class Skip(Exception):
    """Something the test needs is not on this machine."""


class Hanging(AssertionError):
    """A case did not end within CASE_SECONDS."""


def _hanging(*_):
    signal.alarm(CASE_SECONDS)  # What cleans up may hang as well.
    raise Hanging(f"did not end within {CASE_SECONDS} s")


def test(name):
    """Registers a function that takes an Environment."""

    def register(function):
        _tests.append((name, function))
        return function

    return register


def check(condition, message):
    """An assertion that no interpreter flag turns off."""
    if not condition:
        raise AssertionError(message)


def patient(deadline):
    """How long a wait goes on that a quiet machine ends within `deadline` seconds. Short ones are meant as they are."""
    return deadline * PATIENCE if deadline >= 2 else deadline


def until(condition, deadline, what, interval=0.05):
    """Asks again and again until `condition` gives something true, which is returned."""
    end = time.monotonic() + patient(deadline)
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(f"not within {deadline} s: {what}")
        time.sleep(interval)


class Environment:
    """What tests share: the binary, the network address, the browser, and where results go."""

    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []
        self.unsteady = []
        self.over_budget = []
        self.address = os.environ.get("MARTLET_TEST_ADDRESS", "127.0.0.1")
        self.has_namespace = "MARTLET_TEST_ADDRESS" in os.environ
        self.binary = pathlib.Path(os.environ.get("MARTLET_BINARY", REPOSITORY / ".build" / "release" / "martlet"))
        self.directory = None
        self._browser = None
        self._current = ""
        self._cases = 0

    def server(self, **arguments):
        from harness.server import Server

        return Server(self, **arguments)

    @property
    def browser(self):
        if self._browser is None:
            from harness.browser import Browser

            self._browser = Browser()
        return self._browser

    def require_namespace(self, client):
        if not self.has_namespace:
            raise Skip(f"{client} does not connect over loopback, and no network namespace can be made without root")

    def budget(self, what, value, limit, bound, unit="s"):
        """Holds a figure that depends on real time to its budget.

        Other work on the machine makes such figures larger, so what is over `limit` is named at the end of the run, and
        only what is over `bound`, which no busy machine explains, fails. The long run, made on a quiet machine, fails
        over `limit`.
        """
        if value <= limit:
            return
        said = f"{what}: {value:.3g} {unit}, budget {limit:g} {unit}"
        check(value <= (limit if LONG else bound), said)
        self.over_budget.append(f"{self._current}: {said}")
        print(f"      over its budget: {said}", flush=True)

    @contextlib.contextmanager
    def case(self, name):
        """One row of a table: counted by itself, and a failure does not end the other rows."""
        self._cases += 1
        with self._counted(f"{self._current}: {name}"):
            yield

    @contextlib.contextmanager
    def _counted(self, name):
        start = time.monotonic()
        signal.alarm(CASE_SECONDS)
        try:
            yield
        except Skip as reason:
            (self.failed if IN_CI else self.skipped).append(name)
            print(f"{'FAIL' if IN_CI else 'skip'}  {name}: {reason}", flush=True)
        except Exception as error:
            self.failed.append(name)
            print(f"FAIL  {name}: {type(error).__name__}: {error}", flush=True)
            if not isinstance(error, AssertionError):
                traceback.print_exc()
        else:
            if name == self._current and self._cases:
                return  # A table is the sum of its rows.
            self.passed.append(name)
            print(f"ok    {name} ({time.monotonic() - start:.1f} s)", flush=True)
        finally:
            # The cases of a table are timed one by one, and so is what the table does between them.
            signal.alarm(CASE_SECONDS if name != self._current else 0)

    def run(self, name, function):
        self._current, self._cases = name, 0
        print(f"      {name}", flush=True)
        with tempfile.TemporaryDirectory(prefix="martlet-test-") as directory:
            self.directory = pathlib.Path(directory)
            try:
                with self._counted(name):
                    function(self)
            finally:
                self.directory = None

    def run_again(self, name, function):
        """A second try, alone and once, of a test that failed: real clients share two cores with everything else.

        What passes only now is counted as passed, and named at the end.
        """

        def belongs(entry):
            return entry == name or entry.startswith(f"{name}: ")

        before = [entry for entry in self.failed if belongs(entry)]
        for results in (self.passed, self.failed, self.skipped):
            results[:] = [entry for entry in results if not belongs(entry)]
        self.over_budget[:] = [entry for entry in self.over_budget if not belongs(entry)]
        print(f"again {name}", flush=True)
        self.run(name, function)
        self.unsteady += [entry for entry in before if entry not in self.failed]

    def close(self):
        if self._browser is not None:
            self._browser.close()


def main(arguments):
    words = [argument for argument in arguments if not argument.startswith("--")]
    chosen = [(name, function) for name, function in _tests if not words or any(word in name for word in words)]
    if "--list" in arguments:
        print("\n".join(name for name, _ in chosen))
        return 0
    ARTIFACTS.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGALRM, _hanging)
    environment = Environment()
    if not environment.binary.exists():
        sys.exit(f"there is no {environment.binary}: swift build -c release --static-swift-stdlib --product martlet")
    failing = []
    try:
        for name, function in chosen:
            failures = len(environment.failed)
            environment.run(name, function)
            if len(environment.failed) > failures:
                failing.append((name, function))
        for name, function in failing if len(failing) <= SECOND_TRIES else []:
            environment.run_again(name, function)
    finally:
        environment.close()
    for name in environment.unsteady:
        print(f"unsteady, passed when run again: {name}")
    for said in environment.over_budget:
        print(f"over its budget, perhaps for other work on the machine: {said}")
    for name in environment.failed:
        print(f"failed: {name}")
    print(f"{len(environment.passed)} passed, {len(environment.failed)} failed, {len(environment.skipped)} skipped")
    return 1 if environment.failed or not environment.passed else 0
