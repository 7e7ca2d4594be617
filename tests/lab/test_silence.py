"""What a change of the version means to the people outside: how long it takes, who waits, who is sent away; and how
long a generation takes that there is much of.

A mix of GET, POST and WebSockets at ten a second goes on during each change; a client waits 30 s, and as long as the
app itself takes.
"""

from __future__ import annotations

import itertools
import json
import os
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import yaml
from measurement import tabulate

from tests.lab.visitors import MIX, Asked, Visitors, visiting
from tests.lab.world import World, write

Measured = Callable[..., None]

AROUND_SECONDS = 4.0
"""How long visitors come before the change begins and after it has ended."""
MOST_BACK_SECONDS = 120.0
GIGABYTES = 5
MOST_GENERATION_SECONDS = 1.0
SNAPSHOTS = 5
EVIDENCE = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
COLUMNS = ("change", "takes", "undo", "silence", "asked", "answered", "held", "held at most", "503", "cut", "other")


@dataclass(frozen=True)
class Change:
    """One change of a tenant's version under visitors."""

    title: str
    command: tuple[str, ...]
    ends: str
    """The version that serves at the end."""
    undone: bool = False
    breaks: bool = False
    """Whether the new version itself goes down while it serves, so that requests may be cut."""
    tenant: str = "alice"
    mix: tuple[Asked, ...] = MIX
    rate: float = 10.0


def upgrade(version: str, *more: str, tenant: str = "alice") -> tuple[str, ...]:
    return ("--json", "upgrade", tenant, "--to", version, "--yes", *more)


OLD, NEW, MIGRATES, CRASHES, NEVER_READY, DIES_IN_THE_SOAK = "1.0.0", "1.1.0", "2.0.0", "1.3.0", "1.2.0", "3.5.0"
CHANGES = (
    Change("upgrade, rehearsed, soak of 5 s", upgrade(MIGRATES, "--soak", "5s"), MIGRATES),
    Change("rollback, with the data", ("--json", "rollback", "alice", "--yes"), OLD),
    Change("undo: crashes on its start", upgrade(CRASHES, "--no-rehearsal"), OLD, undone=True),
    Change("undo: never ready in 25 s", upgrade(NEVER_READY, "--no-rehearsal"), OLD, undone=True),
    Change(
        "undo: dies in the soak", upgrade(DIES_IN_THE_SOAK, "--no-rehearsal", "--soak", "30s"), OLD, True, breaks=True
    ),
    Change("undo: fails in the rehearsal", upgrade(CRASHES), OLD, undone=True),
)
CLAW_MIX = (Asked("GET", "/"), Asked("WebSocket", "/", echo=False), Asked("GET", "/healthz"))
CLAW_OLD, CLAW_NEW = "2026.9.5", "2026.9.6"
OPENCLAW = (
    Change("upgrade of OpenClaw, soak of 15 s", upgrade(CLAW_NEW, "--soak", "15s", tenant="carol"), CLAW_NEW),
    Change("rollback of OpenClaw", ("--json", "rollback", "carol", "--yes"), CLAW_OLD),
)


@pytest.fixture(scope="module")
def table(say: Callable[[str], None]) -> Iterator[list[dict[str, str]]]:
    """The rows that the tests add, printed at the end."""
    rows: list[dict[str, str]] = []
    yield rows
    lines = [COLUMNS, *(tuple(row.values()) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(COLUMNS))]
    said = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in lines]
    say("\n".join(said))


@pytest.fixture(scope="module")
def tenants(world: World) -> World:
    """Alice, with the wider limits of an app that many visit at once."""
    crowd = {"memory": "512MiB", "cpus": 1, "pids": 512, "disk": "256MiB"}
    write(world.root / "inventory/tiers.yaml", crowd=crowd)
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "25s", "steady": "3s", "stop": "10s"})
    world.add_tenant("alice", version=OLD, tier="crowd")
    world.deploy("alice")
    world.wait_for("alice")
    return world


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.title.replace(" ", "-"))
def test_how_long_it_takes_and_who_is_sent_away(
    tenants: World, change: Change, table: list[dict[str, str]], measured: Measured
) -> None:
    judge(tenants, change, table, measured)
    assert tenants.get("alice", "/").json["version"] == change.ends


@EVIDENCE
def test_the_same_of_openclaw(tenants: World, table: list[dict[str, str]], measured: Measured) -> None:
    found = [image for name in (CLAW_OLD, CLAW_NEW) for image in tenants.lab.images(f"openclaw:{name}")]
    write(
        tenants.root / "inventory/apps/openclaw.yaml",
        images={image.version: {"gateway": image.reference} for image in found},
    )
    tenants.add_tenant("carol", app="openclaw", version=CLAW_OLD, tier="standard")
    tenants.deploy("carol")
    tenants.wait_for("carol", "/healthz")
    for change in OPENCLAW:
        there = Change(change.title, change.command, change.ends, tenant="carol", mix=CLAW_MIX, rate=5)
        judge(tenants, there, table, measured)
    tenants.launchpad("retire", "carol", "--purge", "--yes")


def judge(world: World, change: Change, table: list[dict[str, str]], measured: Measured) -> None:
    """Make the change while visitors come and go, write down how it went, and say no when it is not as promised."""
    with visiting(world, change.tenant, mix=change.mix, rate=change.rate) as visitors:
        time.sleep(AROUND_SECONDS)  # visitors before the change
        begun = time.monotonic()
        done = world.launchpad(*change.command, check=False)
        took = time.monotonic() - begun
        time.sleep(AROUND_SECONDS)  # and after it
    undo = undo_seconds(done.out)
    table.append(row(change, took, undo, visitors))
    tabulate("silence", table[-1])
    assert ("undone" if change.undone else '"done"') in done.out.splitlines()[-1], done
    if change.undone:
        measured("undo-seconds", undo, detail=change.title)
        assert undo <= MOST_BACK_SECONDS
    if "rollback" in change.command:
        measured("rollback-seconds", took, detail=change.title)
        assert took <= MOST_BACK_SECONDS
    sent_away = () if change.breaks else visitors.of("cut", "wrong", "error")
    assert [f"{visit.asked} after {visit.seconds:.1f} s: {visit.detail}" for visit in sent_away] == []
    assert visitors.of("answered")


def undo_seconds(text: str) -> float:
    """From the decision to undo to the old version's being back, by the operation's own events; 0 without an undo."""
    at = {event["event"]: event["at"] for event in map(json.loads, text.splitlines()) if "at" in event}
    return float(at["operation-finished"] - at["undo-started"]) if "undo-started" in at else 0.0


def silence(visitors: Visitors) -> float:
    """The longest time in which nobody was answered, in seconds."""
    answered = sorted(visit.at + visit.seconds for visit in visitors.of("answered"))
    return max((later - earlier for earlier, later in itertools.pairwise(answered)), default=0.0)


def row(change: Change, took: float, undo: float, visitors: Visitors) -> dict[str, str]:
    """What became of the visitors, as COLUMNS says."""
    held = visitors.held
    cells = (
        change.title,
        f"{took:.1f} s",
        f"{undo:.1f} s" if change.undone else "",
        f"{silence(visitors):.1f} s",
        str(len(visitors.visits)),
        str(len(visitors.of("answered"))),
        f"{len(held)}, median {statistics.median(held):.1f} s" if held else "0",
        f"{max(held):.1f} s" if held else "",
        str(len(visitors.of("503"))),
        str(len(visitors.of("cut"))),
        str(len(visitors.of("wrong", "error"))),
    )
    return dict(zip(COLUMNS, cells, strict=True))


@EVIDENCE
def test_a_generation_of_five_gigabytes(tenants: World, say: Callable[[str], None], measured: Measured) -> None:
    """Of data that no file system can make small, while the app is written to."""
    host, root = tenants.host, tenants.root
    hosts = yaml.safe_load((root / "inventory/hosts.yaml").read_text())
    hosts["web-1"]["resources"]["disk"] = "14GiB"
    hosts["web-1"]["storage"] = {"loop": "14GiB"}
    (root / "inventory/hosts.yaml").write_text(yaml.safe_dump(hosts))
    tenants.launchpad("provision", "web-1", timeout=600)
    write(root / "inventory/tiers.yaml", large={"memory": "512MiB", "cpus": 1, "pids": 512, "disk": "8GiB"})
    tenants.add_tenant("dora", version=OLD, tier="large")
    tenants.deploy("dora")
    tenants.wait_for("dora")
    data = "/srv/launchpad/tenants/dora/data/marker"
    fill = f"for n in $(seq {GIGABYTES * 10}); do head -c 100M /dev/urandom > {data}/part-$n; done; sync"
    host.exec(["sh", "-c", f"{fill}; chown --reference={data} {data}/part-*"], timeout=900)
    used = int(host.exec(["du", "-sm", data]).stdout.split()[0])
    assert used >= GIGABYTES * 1000 * 1000 * 1000 / 2**20 * 0.999
    took = []
    with visiting(tenants, "dora", rate=5):
        for _ in range(SNAPSHOTS):
            done = tenants.launchpad("--json", "snapshot", "dora")
            events = [json.loads(line) for line in done.out.splitlines()]
            steps = [item for item in events if item.get("event") == "step-done"]
            took.append(next(item["seconds"] for item in steps if item["step"] == "take-generation"))
    say(f"a generation of {used} MiB takes, in s: {took}")
    measured("generation-5gb-seconds", max(took), n=len(took))
    tenants.launchpad("retire", "dora", "--purge", "--yes")
    assert max(took) < MOST_GENERATION_SECONDS
