"""What strikes an operation on a real host, at just the step that is wanted, and a neighbour who must not notice."""

from __future__ import annotations

import contextlib
import http.client
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from labkit import Host

from tests.lab.world import World

FOLDER = "/root/breakpoint"
UNIT = "/etc/systemd/system/launchpad-operation@.service.d/breakpoint.conf"
JOURNALS = "/var/lib/launchpad/operations"
STORAGE = "/srv/launchpad"
OUTAGE_SECONDS = 6
CLIENT_SECONDS = 30
"""What a visitor's browser waits for an answer; a disk that runs full stalls everybody's writes for some of them."""
REACH_SECONDS = 90
SETTLE_SECONDS = 150
SIGBUS = str(128 + 7)
"""The exit status of a container whose process died of it."""


def until(true: Callable[[], object], what: str, *, seconds: float) -> None:
    """Wait until it is true; AssertionError otherwise."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


# --- a breakpoint in the runner ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Breakpoint:
    """Stops an operation at a step. Seen from above the host, whose root is a folder of this machine."""

    host: Host

    def install(self) -> None:
        """Have operations run with a breakpoint; until one is asked for, they run as ever."""
        self.host.write(f"{FOLDER}/run.py", Path(__file__).with_name("breakpoint.py").read_text())
        command = f"/usr/bin/python3 -IS {FOLDER}/run.py %i"
        self.host.write(UNIT, f"[Service]\nExecStart=\nExecStart={command}\n")
        self.host.exec(["systemctl", "daemon-reload"])

    def ask(self, kind: str, when: str) -> None:
        self.forget()
        self.host.write(f"{FOLDER}/at", f"{kind} {when}")

    def forget(self) -> None:
        for name in ("at", "hit"):
            self._file(name).unlink(missing_ok=True)

    def wait(self, operator: subprocess.Popen[str]) -> str:
        """The process that stands there; AssertionError when the operation is over without having come by."""
        until(lambda: self._file("hit").exists() or operator.poll() is not None, "the step", seconds=REACH_SECONDS)
        assert self._file("hit").exists(), f"the operation never came by: {operator.communicate()}"
        return self._file("hit").read_text()

    def _file(self, name: str) -> Path:
        return self.host.root / FOLDER.lstrip("/") / name


# --- the disasters ----------------------------------------------------------------------------------------------------


def kill(host: Host, process: str) -> None:
    host.exec(["kill", "-KILL", process])


def kill_halfway(host: Host, process: str) -> None:
    """Not at the step's beginning but a moment into it, in the middle of what it asks of Docker."""
    host.exec(["kill", "-CONT", process])
    time.sleep(0.15)
    host.exec(["kill", "-KILL", process], check=False)


def reboot(host: Host, _process: str) -> None:
    host.power_off_hard()
    host.start()


@contextlib.contextmanager
def disk_full(host: Host) -> Iterator[None]:
    """Not a byte left, neither for the tenants nor for the journals."""
    try:
        for path in (STORAGE, JOURNALS):
            host.fill_disk(path)
        yield
    finally:
        for path in (STORAGE, JOURNALS):
            host.free_disk(path)


def put_journals(host: Host, *, on_own_disk: bool) -> None:
    """Have the journals on a disk that can be filled, for the host's root disk is this machine's too; it is not
    mounted again at a boot. While no operation is open."""
    is_so = host.exec(["mountpoint", "-q", JOURNALS], check=False).status == 0
    if is_so and not on_own_disk:
        host.exec(["umount", JOURNALS])
    if on_own_disk and not is_so:
        image = host.root / "srv/journals.ext4"
        if not image.exists():
            with image.open("wb") as file:
                file.truncate(64 << 20)
            subprocess.run(["mkfs.ext4", "-q", "-m", "0", "-F", image], check=True)
        host.exec(["mount", "-o", "loop", "/srv/journals.ext4", JOURNALS])


@contextlib.contextmanager
def docker_down(host: Host) -> Iterator[None]:
    host.exec(["systemctl", "stop", "docker.socket", "docker.service"])
    try:
        yield
    finally:
        # Starts that systemd counts against Docker when they come so often.
        host.exec(["systemctl", "reset-failed", "docker.service", "docker.socket"])
        host.exec(["systemctl", "start", "docker.service", "docker.socket"])


def lasting(fault: Callable[[Host], contextlib.AbstractContextManager[None]]) -> Callable[[Host, str], None]:
    """A state of the host that the operation goes on into, and that ends after it gave up or after a while."""

    def strike(host: Host, process: str) -> None:
        with fault(host):
            host.exec(["kill", "-CONT", process])
            end = time.monotonic() + OUTAGE_SECONDS
            while open_operations(host) and time.monotonic() < end:
                time.sleep(0.05)

    return strike


@dataclass(frozen=True)
class Fault:
    when: str
    strike: Callable[[Host, str], None]
    """Given the host and the process that stands at the step."""
    restarts: bool = False
    """Whether everybody's containers start again by it."""
    fills: bool = False
    """Whether it takes a disk of the journals' own."""


FAULTS = {
    "killed": Fault("begun", kill),
    "killed halfway": Fault("begun", kill_halfway),
    "rebooted": Fault("applied", reboot, restarts=True),
    "disk full": Fault("begun", lasting(disk_full), fills=True),
    "Docker down": Fault("begun", lasting(docker_down)),
}


def open_operations(host: Host) -> list[str]:
    return [path.name for path in (host.root / "var/lib/launchpad/open").iterdir()]


# --- the neighbour ----------------------------------------------------------------------------------------------------


@dataclass
class Neighbour:
    """A tenant that nobody operates on, asked again and again by somebody outside."""

    world: World
    name: str
    failures: list[str] = field(default_factory=list)
    asked: int = 0
    _over: threading.Event = field(default_factory=threading.Event)

    @contextlib.contextmanager
    def watched(self, *, starved: bool = False) -> Iterator[None]:
        """Asked for as long as the block lasts; AssertionError at its end for any answer but the right one, another
        start of its containers, or another byte among its data.

        Where the disk runs full its containers may have died of that themselves, and been started again: on Btrfs the
        kernel ends (SIGBUS) whoever writes to a file that it has mapped, as SQLite has its WAL's index, when there is
        no room for a copy of the page. Nobody may have ended them, and nobody who asks may see it."""
        before, since = self.state(), self._now()
        self.failures, self.asked = [], 0
        self._over.clear()
        asking = threading.Thread(target=self._ask)
        asking.start()
        try:
            yield
        finally:
            self._over.set()
            asking.join()
        assert not self.failures, f"{len(self.failures)} of {self.asked} requests to {self.name}: {self.failures[:3]}"
        assert self.asked
        if starved:
            running = [key for key in before if key.startswith("/")]
            until(lambda: self.world.containers(self.name).keys() >= set(running), "it runs again", seconds=60)
            dead = self._starved_since(since)
            before = {key: value for key, value in before.items() if key not in dead}
            self._compare(before, {key: value for key, value in self.state().items() if key not in dead})
            return
        self._compare(before, self.state())

    @contextlib.contextmanager
    def rebooted(self) -> Iterator[None]:
        """As `watched`, over a reboot: it is started again, and is back within the time."""
        before = self.state()
        yield
        self.world.wait_for(self.name, "/marker", seconds=120)
        after = self.state()
        started = {key: start for key, start in before.items() if key.startswith("/") and key in after}
        self._compare(before, after | started)

    def state(self) -> dict[str, str]:
        """Its containers' starts by their names, "/…", a digest of each of its files, "./…", but what the app writes at
        every visit, and what it remembers."""
        folder = f"{STORAGE}/tenants/{self.name}"
        words = f"cd {folder} && find . -type f ! -name '*.sqlite-*' ! -name store.sqlite | xargs sha256sum"
        files = (line.split() for line in self.world.host.exec(["sh", "-c", words]).stdout.splitlines())
        seen = {name: digest for digest, name in files}
        marker = self.world.get(self.name, "/marker").body.decode()
        return seen | self.world.containers(self.name) | {"marker": marker}

    def _starved_since(self, since: str) -> set[str]:
        """Its containers that the kernel ended with SIGBUS, and nobody else, as Docker's own events have it."""
        words = ["docker", "events", "--since", since, "--until", self._now()]
        words += ["--filter", f"label=launchpad.tenant={self.name}", "--filter", "event=die", "--filter", "event=kill"]
        words += ["--format", "{{.Action}} /{{.Actor.Attributes.name}} {{.Actor.Attributes.exitCode}}"]
        events = [line.split() for line in self.world.host.exec(words).stdout.splitlines()]
        killed = {name for action, name, *_ in events if action == "kill"}
        return {name for action, name, code in events if (action, code) == ("die", SIGBUS)} - killed

    def _now(self) -> str:
        return self.world.host.exec(["date", "+%s.%N"]).stdout.strip()

    def _compare(self, before: dict[str, str], after: dict[str, str]) -> None:
        changed = {key: (before.get(key), after.get(key)) for key in {*before, *after}}
        touched = {key: pair for key, pair in changed.items() if pair[0] != pair[1]}
        assert not touched, f"{self.name} was touched: {touched}"

    def _ask(self) -> None:
        while not self._over.wait(0.2):
            self.asked += 1
            if failure := self._failure():
                self.failures.append(failure)

    def _failure(self) -> str:
        """What went wrong with one request, "" when nothing did. One that came in with a reload of Caddy, as a site
        comes or goes, may find its connection closed with nothing said (golang/go#75591): it is sent again, once."""
        for again in (False, True):
            try:
                answer = self.world.get(self.name, "/marker", timeout=CLIENT_SECONDS)
                return "" if answer.status == 200 else f"{answer.status} {answer.body[:60]!r}"
            except http.client.RemoteDisconnected as error:
                if again:
                    return f"{error}, twice"
            except OSError as error:
                return str(error)
        return ""
