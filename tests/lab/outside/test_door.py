"""For how long the door is closed when a tenant is changed: its app's own start, and at most five seconds more.

Judged by who was answered when, and by the app's own answers on the host, past the closed gate. Visitors come ten times
a second, a WebSocket sends each second, and something that takes seconds is under way whenever the change begins.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from measurement import tabulate
from websockets.exceptions import WebSocketException

from launchpad.runner.slots import address
from tests.lab.turns import Turn, Turns, stand_in, use
from tests.lab.visitors import CLIENT_TIMEOUT, Asked, Visitors, visiting
from tests.lab.world import World, write
from tests.tally import Tally, tallied

BEYOND_START = 5.0
"""Seconds for which the door may be closed beyond the app's own start."""
AROUND_SECONDS = 2.0
STEADY_SECONDS = 6
CALM_START = 2.5
"""Seconds: the light app is up within one, on a machine that has time for it. Where it takes longer than this, the rest
may take longer by the same factor: the machine has as little time for the one as for the other."""
EVIDENCE = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
QUICK = (Asked("GET", "/marker"), Asked("POST", "/"), Asked("GET", "/secret-hash"))
CLAW_QUICK = (Asked("GET", "/healthz"), Asked("GET", "/"))
CLAW_OLD, CLAW_NEW = "2026.9.5", "2026.9.6"
ROUNDS = 5
SURELY_HELD = 23.0
"""An app that starts within so many seconds sends nobody away: a request is held for 28 s."""


@dataclass(frozen=True)
class Kind:
    """An app, and how it is asked past the gate."""

    tenant: str
    port: int
    mix: tuple[Asked, ...]
    chatters: str
    """Where its WebSockets are."""


BEACON = Kind("alice", 8080, QUICK, "/ws")
CLAW = Kind("carol", 18789, CLAW_QUICK, "/")


@dataclass
class Went:
    """How a change went."""

    visitors: Visitors
    took: dict[str, float]
    """Seconds of each kind of step."""
    ready: float
    """When the app answered for the first time after its start, by time.time()."""
    started: float
    """When Docker started it."""
    slow: list[str] = field(default_factory=list)
    """What became of what took seconds."""

    @property
    def start(self) -> float:
        return self.ready - self.started

    @property
    def closed(self) -> float:
        """The longest time around the app's start in which nobody was answered."""
        ends = sorted(visit.at + visit.seconds for visit in self.visitors.of("answered"))
        gaps = ((later - earlier, earlier, later) for earlier, later in itertools.pairwise(ends))
        return max((gap for gap, earlier, later in gaps if earlier < self.ready and later > self.started), default=0.0)

    @property
    def in_time(self) -> bool:
        return self.closed <= self.start + BEYOND_START

    def row(self, change: str, turns: Sequence[Turn] = ()) -> dict[str, str]:
        drain, stop = self.took.get("drain", 0.0), self.took.get("stop-side", 0.0)
        lost = [turn for turn in turns if turn.lost]
        cells = {
            "change": change,
            "closed": self.closed,
            "drain": drain,
            "stop": stop,
            "start": self.start,
            "rest": self.closed - drain - stop - self.start,
            "awaited before": self.took.get("await-idle", 0.0),
        }
        return {key: value if isinstance(value, str) else f"{value:.1f} s" for key, value in cells.items()} | {
            "asked": str(len(self.visitors.visits)),
            "503": str(len(self.visitors.of("503"))),
            "cut": str(len(self.visitors.of("cut", "wrong", "error"))),
            "turns": str(len(turns)),
            "lost": str(len(lost)),
            "load": f"{os.getloadavg()[0]:.1f}",
        }


def changed(world: World, kind: Kind, *command: str, slow: Callable[[], str] | None = None) -> Went:
    """Make the change while visitors come, a WebSocket sends each second, and one slow thing follows the other."""
    ready: list[tuple[float, int]] = []
    said: list[str] = []
    with chattering(world, kind), visiting(world, kind.tenant, mix=kind.mix) as visitors:
        with asking(world, kind, ready), repeating(slow, said):
            time.sleep(AROUND_SECONDS)  # visitors before the change
            done = world.launchpad("--json", *command, timeout=900)
        time.sleep(AROUND_SECONDS)  # and after it
    events = [json.loads(line) for line in done.out.splitlines()]
    assert events[-1]["outcome"] == "done", events[-1]
    took: dict[str, float] = {}
    for event in events:
        if event.get("event") == "step-done":
            took.setdefault(event["step"], event["seconds"])
    took["drain"] = stopping(events) - closing(events)
    started = min(map(moment, world.containers(kind.tenant).values()))
    return Went(visitors, took, next(at for at, status in ready if at > started and status == 200), started, said)


def closing(events: Sequence[dict[str, Any]]) -> float:
    """When the door was closed for good."""
    closed = [item["at"] for item in events if item.get("step") == "hold-traffic" and item["event"] == "step-done"]
    again = [item["at"] for item in events if item.get("text") == "new requests are held again"]
    return float([*closed, *again][-1])


def stopping(events: Sequence[dict[str, Any]]) -> float:
    """When the old release was told to stop."""
    return float(next(item["at"] for item in events if item.get("step") == "stop-side"))


def moment(stamp: str) -> float:
    """Docker's time stamp, which has nanoseconds, as time.time() has it."""
    return datetime.fromisoformat(stamp[:26].rstrip("Z") + "+00:00").timestamp()


@contextmanager
def asking(world: World, kind: Kind, answers: list[tuple[float, int]]) -> Iterator[None]:
    """Ask both sides of the app on the host, past the gate, ten times a second: when they said what, by one clock."""
    slot = json.loads(world.host.exec(["cat", f"/srv/launchpad/tenants/{kind.tenant}/tenant.json"]).stdout)["slot"]
    sides = [str(address(slot, 0, "a")), str(address(slot, 0, "b"))]
    world.host.exec(["sh", "-c", "cat > /run/asking.py"], stdin=ASKING.encode())
    unit = ["systemd-run", "--quiet", "--unit=asking", "--collect", "--property=StandardOutput=file:/run/asking.log"]
    world.host.exec([*unit, "python3", "/run/asking.py", str(kind.port), *sides])
    try:
        yield
    finally:
        world.host.exec(["systemctl", "stop", "asking"])
        log = world.host.exec(["cat", "/run/asking.log"]).stdout
        answers += sorted((float(at), int(status)) for status, at in ANSWER.findall(log))


ANSWER = re.compile(r"(?m)^(\d{3}) (\d+\.\d{6})$")
ASKING = """
import socket, sys, threading, time

def ask(address, port):
    while True:
        with socket.socket() as stream:
            stream.settimeout(0.5)
            stream.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 0x4C50)
            try:
                stream.connect((address, port))
                stream.settimeout(5)
                stream.sendall(b"GET /startupz HTTP/1.0\\r\\nX-Forwarded-For: 192.0.2.1\\r\\n\\r\\n")
                print(f"{int(stream.recv(64).split()[1])} {time.time():.6f}\\n", end="", flush=True)
            except (OSError, IndexError):
                pass
        time.sleep(0.1)

for address in sys.argv[2:]:
    threading.Thread(target=ask, args=(address, int(sys.argv[1]))).start()
"""


@contextmanager
def chattering(world: World, kind: Kind) -> Iterator[None]:
    """A WebSocket on which something is sent each second; it comes back whenever it is cut."""
    over = threading.Event()

    def chatter() -> None:
        while not over.is_set():
            try:
                with world.websocket(kind.tenant, kind.chatters, timeout=CLIENT_TIMEOUT) as stream:
                    while not over.wait(1.0):
                        stream.ping()
            except (OSError, WebSocketException):
                over.wait(0.2)

    thread = threading.Thread(target=chatter)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def repeating(slow: Callable[[], str] | None, said: list[str]) -> Iterator[None]:
    """One slow thing after the other, with a breath between them, until the block ends; what each came to."""
    over = threading.Event()

    def repeat() -> None:
        while slow is not None and not over.is_set():
            said.append(slow())
            over.wait(2.0)

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


# --- the light app


@pytest.fixture(scope="module")
def tenants(world: World) -> World:
    """Alice, whose app has to be steady for longer than the door may be closed beyond its start."""
    write(world.root / "inventory/tiers.yaml", crowd={"memory": "512MiB", "cpus": 1, "pids": 512, "disk": "256MiB"})
    timings = {"start": "25s", "steady": f"{STEADY_SECONDS}s", "stop": "10s"}
    write(world.root / "inventory/apps/beacon.yaml", timings=timings)
    world.add_tenant("alice", tier="crowd")
    world.deploy("alice")
    world.wait_for("alice")
    return world


def test_the_door_is_closed_for_the_apps_own_start_and_five_seconds(
    tenants: World, request: pytest.FixtureRequest, say: Callable[[str], None]
) -> None:
    def slow() -> str:
        """A request that takes four seconds."""
        return str(tenants.get("alice", "/slow?ms=4000", timeout=40).status)

    def work() -> str:
        """Work of four seconds that no request waits for, and whether it was done at its end."""

        def done() -> int:
            return tenants.get("alice", "/", timeout=40).json["work"] or 0

        before = done()
        tenants.get("alice", "/work?ms=4000", timeout=40)
        end = time.monotonic() + 20
        while done() == before and time.monotonic() < end:
            time.sleep(0.5)
        return str(done() - before)

    with tallied("outside-c12", request) as tally:
        upgrade = ("upgrade", "alice", "--to", "2.0.0", "--yes", "--soak", "0s")
        judge(tally, "an upgrade", changed(tenants, BEACON, *upgrade, slow=slow), "200", say)
        judge(tally, "a restart", changed(tenants, BEACON, "restart", "alice", slow=work), "1", say)
        judge(tally, "a rollback", changed(tenants, BEACON, "rollback", "alice", "--yes", slow=slow), "200", say)
        tally("the old version is back", tenants.get("alice", "/").json["version"] == "1.0.0")


@EVIDENCE
def test_the_same_of_what_changes_no_version(
    tenants: World, request: pytest.FixtureRequest, say: Callable[[str], None]
) -> None:
    """A deploy of another value, and a generation that is brought back."""
    tenants.launchpad("snapshot", "alice")
    kept = tenants.launchpad("--json", "generations", "alice").json_document["generations"]
    newest = next(item["id"] for item in kept if item["why"] == "manual")
    tenants.set_tenant("alice", tier="standard")
    restore = ("restore", "alice", "--generation", newest, "--yes")
    with tallied("outside-c12", request) as tally:
        judge(tally, "a deploy", changed(tenants, BEACON, "deploy", "alice"), "", say)
        judge(tally, "a restore", changed(tenants, BEACON, *restore), "", say)


def judge(tally: Tally, change: str, went: Went, slow: str, say: Callable[[str], None]) -> None:
    row = went.row(change)
    say("  ".join(f"{key}: {text}" for key, text in row.items()))
    tabulate("door", row)
    beyond = BEYOND_START * max(1.0, went.start / CALM_START)
    tally(f"{change}: closed for the app's own start and five seconds", went.closed <= went.start + beyond, row)
    away = [f"{visit.asked} after {visit.seconds:.1f} s: {visit.detail}" for visit in went.visitors.failures]
    tally(f"{change}: nobody was sent away or cut", not away, away)
    if slow:
        tally(f"{change}: what was under way ended well", went.slow and set(went.slow) == {slow}, went.slow)


# --- the real app


@EVIDENCE
@pytest.mark.timeout(7200)
def test_the_same_of_openclaw_with_real_turns(
    tenants: World, request: pytest.FixtureRequest, say: Callable[[str], None]
) -> None:
    """Upgraded and rolled back five times each, while its own command line asks one thing after the other."""
    world = tenants
    found = [image for name in (CLAW_OLD, CLAW_NEW) for image in world.lab.images(f"openclaw:{name}")]
    pinned = {image.version: {"gateway": image.reference} for image in found}
    write(world.root / "inventory/apps/openclaw.yaml", images=pinned)
    world.add_tenant("carol", app="openclaw", version=CLAW_OLD, tier="standard")
    world.launchpad("deploy", "carol", timeout=900)
    world.wait_for("carol", "/healthz")
    stand_in(world.host, seconds=3)
    use(world, "carol")
    turns = Turns(world, "carol")
    turns.install(CLAW_NEW)
    assert not turns.take().lost, turns.done[-1]
    facts: list[tuple[str, bool, object]] = []
    for number in range(1, ROUNDS + 1):
        for change, command in (
            ("upgrade", ("upgrade", "carol", "--to", CLAW_NEW, "--soak", "15s", "--yes")),
            ("rollback", ("rollback", "carol", "--yes")),
        ):
            with turns.going_on() as taken:
                went = changed(world, CLAW, *command)
            title, lost = f"OpenClaw: {change} {number}", [turn for turn in taken if turn.lost]
            row = went.row(title, taken)
            say("  ".join(f"{key}: {text}" for key, text in row.items()))
            tabulate("door", row)
            facts.append((f"{title}: closed for its own start and five seconds", went.in_time, row))
            if went.start < SURELY_HELD:
                facts.append((f"{title}: nobody is sent away", not went.visitors.of("503"), row))
            if change == "rollback":
                facts.append((f"{title}: no turn is lost", not lost, lost))
    with tallied("outside-c12", request) as tally:  # at the end: one that does not hold keeps no other from being seen
        for what, fact, shown in facts:
            tally(what, fact, shown)
