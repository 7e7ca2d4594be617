"""What a change of the release means to visitors: requests are held and answered, and a WebSocket comes back.

A mix of GET, POST and WebSockets at ten a second, with a client's patience of 30 s, goes on during each change.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml

from tests.lab.visitors import HEADINGS, Visitors, row, visiting
from tests.lab.world import World

Measured = Callable[..., None]

AROUND_SECONDS = 4.0
"""How long visitors come before the change begins and after it has ended."""
EVIDENCE = bool(os.environ.get("LAUNCHPAD_EVIDENCE"))


@dataclass(frozen=True)
class Change:
    """One change of a tenant under visitors."""

    title: str
    tenant: str
    changes: dict[str, object]
    version: str
    """What answers afterwards."""
    outcome: str = "done"


CHANGES = (
    Change("swap", "alice", {"version": "1.1.0"}, "1.1.0"),
    Change("undone", "alice", {"version": "1.3.0"}, "1.1.0", outcome="undone"),
    Change("slow start", "alice", {"version": "2.1.0"}, "2.1.0"),
    Change("beside", "bob", {"version": "1.1.0"}, "1.1.0"),
)


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
    path = world.root / "inventory/apps/beacon.yaml"
    beside = yaml.safe_load(path.read_text()) | {"strategy": "beside"}
    (path.parent / "beacon-beside.yaml").write_text(yaml.safe_dump(beside, sort_keys=False))
    for name, app in (("alice", "beacon"), ("bob", "beacon-beside")):
        world.add_tenant(name, app=app, tier="standard")
        world.deploy(name)
        world.wait_for(name)
    return world


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title.replace(" ", "-"))
def test_no_visitor_is_sent_away(
    tenants: World, change: Change, table: list[tuple[str, ...]], measured: Measured
) -> None:
    tenants.set_tenant(change.tenant, **change.changes)
    with visiting(tenants, change.tenant) as visitors:
        time.sleep(AROUND_SECONDS)  # visitors before the change
        done = tenants.launchpad("--json", "deploy", change.tenant, check=False)
        time.sleep(AROUND_SECONDS)  # and after it
    assert change.outcome in done.out.splitlines()[-1]
    drain, start = seconds_of(done.out)
    table.append((change.title, f"{drain:.1f} s", f"{start:.1f} s", *row(visitors)))
    assert tenants.get(change.tenant, "/").json["version"] == change.version
    record(visitors, measured)
    judge(visitors)


def seconds_of(text: str) -> tuple[float, float]:
    """How long draining took, and from the first start to proven readiness, by the operation's own events."""
    events = [json.loads(line) for line in text.splitlines()]
    took: dict[str, float] = {}
    for event in events:
        if event.get("event") == "step-done":
            took[event["step"]] = took.get(event["step"], 0.0) + event["seconds"]
    return took.get("drain", 0.0), took.get("start-side", 0.0) + took.get("await-probes", 0.0)


def record(visitors: Visitors, measured: Measured) -> None:
    asked = len(visitors.visits)
    measured("swap-connection-errors", len(visitors.of("error")), n=asked)
    measured("swap-failures", len(visitors.failures) + visitors.repeated(), n=asked)
    if visitors.held:
        held = sorted(visitors.held)
        measured("swap-held-median", held[len(held) // 2], n=len(held))
        measured("swap-held-most", held[-1], n=len(held))
    for seconds in visitors.standing.back:
        measured("swap-websocket-back", seconds)


def judge(visitors: Visitors) -> None:
    """Everybody was answered, whatever was asked was done once, and who was cut is back."""
    assert [(visit.asked.kind, visit.asked.path, visit.detail) for visit in visitors.failures] == []
    assert visitors.repeated() == 0
    assert len(visitors.standing.back) == len(visitors.standing.cuts)
