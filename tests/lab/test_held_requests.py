"""What a change of the release means to visitors: requests are held and answered, and a WebSocket comes back.

A mix of GET, POST and WebSockets at ten a second, with a client's patience of 30 s, goes on during each change.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pytest
import yaml

from tests.lab.visitors import HEADINGS, MIX, Asked, Visitors, row, visiting
from tests.lab.world import World, write

Measured = Callable[..., None]

AROUND_SECONDS = 4.0
"""How long visitors come before the change begins and after it has ended."""
LONGEST_DRAIN, LONGEST_START = 5.0, 25.0
"""Up to here nobody is sent away; beyond, a visitor may be asked to come again."""


@dataclass(frozen=True)
class Change:
    """One change of a tenant under visitors."""

    title: str
    tenant: str
    changes: Mapping[str, object]
    outcome: str = "done"


CHANGES = (
    Change("swap", "alice", {"version": "1.1.0"}),
    Change("undone", "alice", {"version": "1.3.0"}, outcome="undone"),
    Change("slow start", "alice", {"version": "2.1.0"}),
    Change("beside", "bob", {"version": "1.1.0"}),
)
OPENCLAW = Change("OpenClaw", "carol", {"variables": {"timezone": "Europe/Vienna"}})
"""Two gigabytes and half a minute's start: only when evidence is taken."""


@pytest.fixture(scope="module")
def table(say: Callable[[str], None]) -> Iterator[list[tuple[str, ...]]]:
    """The rows that the tests add, printed at the end."""
    rows: list[tuple[str, ...]] = []
    yield rows
    lines = [("change", "drain", "start", *HEADINGS), *rows]
    widths = [max(len(line[index]) for line in lines) for index in range(len(lines[0]))]
    said = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
    say("\n".join(said))


@pytest.fixture(scope="module")
def tenants(world: World) -> World:
    """alice, of whom one may run, and bob, of whom two may."""
    # All who were held come at once, and beacon has a thread for each.
    crowd = {"memory": "512MiB", "cpus": 1, "pids": 512, "disk": "256MiB"}
    write(world.root / "inventory/tiers.yaml", crowd=crowd)
    path = world.root / "inventory/apps/beacon.yaml"
    beside = yaml.safe_load(path.read_text()) | {"strategy": "beside"}
    (path.parent / "beacon-beside.yaml").write_text(yaml.safe_dump(beside, sort_keys=False))
    for name, app in (("alice", "beacon"), ("bob", "beacon-beside")):
        world.add_tenant(name, app=app, tier="crowd")
        world.deploy(name)
        world.wait_for(name)
    return world


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title.replace(" ", "-"))
def test_no_visitor_is_sent_away(
    tenants: World, change: Change, table: list[tuple[str, ...]], measured: Measured
) -> None:
    before = tenants.get(change.tenant, "/").json["version"]
    went = carried_out(tenants, change)
    table.append(went.row())
    went.record(measured)
    went.judge()
    expected = before if change.outcome == "undone" else change.changes["version"]
    assert tenants.get(change.tenant, "/").json["version"] == expected


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="OpenClaw's two gigabytes: scripts/evidence asks it")
def test_no_visitor_of_openclaw_is_sent_away(tenants: World, table: list[tuple[str, ...]], measured: Measured) -> None:
    tenants.add_tenant(OPENCLAW.tenant, app="openclaw", version="2026.9.6", tier="standard")
    tenants.deploy(OPENCLAW.tenant)
    tenants.wait_for(OPENCLAW.tenant)
    mix = (
        Asked("GET", "/"),
        Asked("WebSocket", "/", echo=False),
        Asked("POST", "/none", status=tenants.request(OPENCLAW.tenant, "POST", "/none", body=b"{}").status),
        Asked("GET", "/healthz"),
    )
    went = carried_out(tenants, OPENCLAW, mix=mix, rate=5)
    table.append(went.row())
    went.record(measured)
    went.judge()


@dataclass(frozen=True)
class Went:
    """How a change went for its visitors."""

    change: Change
    visitors: Visitors
    drain: float
    start: float
    """From the start to proven readiness, in seconds."""

    @property
    def promised(self) -> bool:
        return self.drain < LONGEST_DRAIN and self.start < LONGEST_START

    def row(self) -> tuple[str, ...]:
        return (self.change.title, f"{self.drain:.1f} s", f"{self.start:.1f} s", *row(self.visitors))

    def record(self, measured: Measured) -> None:
        visitors, asked = self.visitors, len(self.visitors.visits)
        measured("swap-connection-errors", len(visitors.of("error")), n=asked, detail=self.change.title)
        if self.promised:
            failures = len(visitors.failures) + visitors.repeated()
            measured("swap-failures", failures, n=asked, detail=self.change.title)
        if held := visitors.held:
            measured("swap-held-median", statistics.median(held), n=len(held), detail=self.change.title)
            measured("swap-held-most", max(held), n=len(held), detail=self.change.title)
        for seconds in visitors.standing.back:
            measured("swap-websocket-back", seconds, detail=self.change.title)

    def judge(self) -> None:
        """Everybody was answered, whatever was asked was done once, and who was cut is back."""
        sent_away = self.visitors.failures if self.promised else self.visitors.of("cut", "wrong", "error")
        assert [f"{visit.asked} after {visit.seconds:.1f} s: {visit.detail}" for visit in sent_away] == []
        assert self.visitors.repeated() == 0
        assert self.visitors.standing.cuts, "the change was not felt at all: was there one?"
        assert len(self.visitors.standing.back) == len(self.visitors.standing.cuts)


def carried_out(world: World, change: Change, *, mix: Sequence[Asked] = MIX, rate: float = 10) -> Went:
    """Make the change while visitors come and go."""
    world.set_tenant(change.tenant, **change.changes)
    with visiting(world, change.tenant, mix=mix, rate=rate) as visitors:
        time.sleep(AROUND_SECONDS)  # visitors before the change
        done = world.launchpad("--json", "deploy", change.tenant, check=False)
        time.sleep(AROUND_SECONDS)  # and after it
    assert change.outcome in done.out.splitlines()[-1]
    return Went(change, visitors, *seconds_of(done.out))


def seconds_of(text: str) -> tuple[float, float]:
    """How long draining took, and from the start to proven readiness, by the operation's own events."""
    events = [json.loads(line) for line in text.splitlines()]
    took: dict[str, float] = {}
    for event in events:
        if event.get("event") == "step-done":
            took[event["step"]] = took.get(event["step"], 0.0) + event["seconds"]
    return took.get("drain", 0.0), took.get("start-side", 0.0) + took.get("await-probes", 0.0)
