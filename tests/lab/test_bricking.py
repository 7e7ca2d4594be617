"""What can go wrong in an upgrade, on a real host: each fault ends in new and healthy or old and healthy, with that
version's data, without a hand. The end is judged from outside: by somebody who writes to the data in every phase, and
by what lies on the host.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import yaml
from labkit import Host

from tests.lab.conditions import (
    TENANT,
    backups_that_fail,
    clock_that_can_be_set,
    plugin_of_tomorrow,
    registry_down,
    set_clock,
    squatted,
    wrong_key,
)
from tests.lab.disasters import (
    JOURNALS,
    SETTLE_SECONDS,
    Breakpoint,
    disk_full,
    kill,
    open_operations,
    put_journals,
    reboot,
    until,
)
from tests.lab.witness import Witness, witnessed
from tests.lab.world import World, write

Measured = Callable[..., None]
Condition = Callable[[World], AbstractContextManager[None]]

OLD, MIGRATES = "1.0.0", "2.0.0"
MARKER = 'import sqlite3; print(sqlite3.connect("beacon.sqlite").execute("SELECT * FROM marker").fetchone()[0])'
GONE = "9.9.9"


@dataclass(frozen=True)
class Bad:
    """An upgrade that goes wrong by itself, or by what the host is like."""

    version: str
    ends: str = OLD
    soak: int = 0
    keeps: bool = False
    """Whether data is kept that came in before it was taken back."""
    under: Condition = lambda _world: nullcontext()
    touches: bool = True
    """Whether the tenant's containers are touched at all."""


BAD = {
    "crashes on its start": Bad("1.3.0"),
    "gives up for good on its start": Bad("1.4.0"),
    "never ready": Bad("1.2.0"),
    "no more ready in the soak": Bad("1.5.0", soak=30, keeps=True),
    "dies in the soak": Bad("3.5.0", soak=30, keeps=True),
    "migration crashes": Bad("3.0.0"),
    "migration corrupts the state": Bad("3.1.0"),
    "migration hangs": Bad("3.2.0"),
    "migration takes all memory": Bad("3.3.0"),
    "migration fills the tenant's disk": Bad("3.4.0"),
    "probe flaps": Bad("3.6.0", ends="3.6.0", soak=20),
    "a plugin is newer than the version": Bad("3.7.0", under=plugin_of_tomorrow),
    "key is wrong": Bad("3.8.0", under=wrong_key),
    "image is gone": Bad(GONE, touches=False),
    "registry is down": Bad(MIGRATES, under=registry_down, touches=False),
    "address is taken": Bad(MIGRATES, under=squatted),
    "backup's target is down": Bad(MIGRATES, ends=MIGRATES, soak=3, under=backups_that_fail),
    "backup's key is another": Bad("3.1.0", under=partial(backups_that_fail, foreign=True)),
}


@pytest.fixture(scope="module")
def alice(world: World) -> World:
    """Alice on a version that reads only what older ones wrote."""
    app = world.root / "inventory/apps/beacon.yaml"
    missing = world.images[f"beacon:{OLD}"].partition("@")[0] + f"@sha256:{'0' * 64}"
    versions = [*yaml.safe_load(app.read_text())["versions"], {"version": GONE, "images": {"beacon": missing}}]
    write(app, timings={"start": "30s", "steady": "1s", "stop": "5s"}, versions=versions)
    world.add_tenant("alice", version=OLD)
    world.deploy("alice")
    world.wait_for("alice")
    Breakpoint(world.host).install()
    return world


@pytest.fixture
def old(alice: World, measured: Measured) -> World:
    """Alice on the old version."""
    if served(alice) != OLD:
        begun = time.monotonic()
        alice.launchpad("rollback", "alice", "--yes")
        assert served(alice) == OLD
        measured("rollback-seconds", time.monotonic() - begun)
    return alice


def served(world: World) -> str:
    """The version that a visitor gets."""
    return str(world.wait_for("alice", "/", seconds=SETTLE_SECONDS).json["version"])


def upgrade(version: str, soak: int = 0) -> tuple[str, ...]:
    return ("--json", "upgrade", "alice", "--to", version, "--yes", "--soak", f"{soak}s", "--no-rehearsal")


def kept(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(world.launchpad("--json", "generations", "alice").out)["generations"]
    return found


def judge_at_peace(world: World) -> None:
    """One side runs, alone; nobody is mute, nothing is half taken, nothing is open."""
    host = world.host
    until(lambda: not open_operations(host), "what goes on beside the upgrade is over", seconds=SETTLE_SECONDS)
    until(lambda: len(world.containers("alice")) == 2, "what died on a full disk runs again", seconds=SETTLE_SECONDS)
    muted = json.loads(host.exec(["nft", "--json", "list", "set", "inet", "launchpad_gate", "muted"]).stdout)
    assert not any("elem" in item.get("set", {}) for item in muted["nftables"]), "somebody is still mute"
    names = set(host.exec(["ls", "-A", f"{TENANT}/generations"], check=False).stdout.split())
    assert {name for name in names if not name.endswith(".json")} == {
        name[:-5] for name in names if name.endswith(".json")
    }
    assert set(host.exec(["ls", "-A", TENANT]).stdout.split()).isdisjoint({"clone", ".data.launchpad-partial"})


@contextmanager
def counted(measured: Measured, fault: str) -> Iterator[None]:
    """Evidence of one fault: bricked unless the block ends well."""
    bricked = 1
    try:
        yield
        bricked = 0
    finally:
        measured("bricked", bricked, n=1, detail=fault)


@pytest.mark.parametrize("fault", BAD)
def test_an_upgrade_that_goes_wrong_ends_well(old: World, fault: str, measured: Measured) -> None:
    bad = BAD[fault]
    with counted(measured, fault), bad.under(old):
        judge_bad(old, bad, fault)
    if bad.ends == OLD and (took := undo_seconds(old)) is not None:
        measured("undo-seconds", took, n=1, detail=fault)


def judge_bad(world: World, bad: Bad, fault: str) -> None:
    before, ran = {item["id"] for item in kept(world)}, world.containers("alice")
    with witnessed(world, "alice", fault) as witness:
        done = world.launchpad(*upgrade(bad.version, bad.soak), check=False)
    assert (done.code == 0) is (bad.ends != OLD), done
    assert witness.version == bad.ends
    judge_at_peace(world)
    assert bad.touches or world.containers("alice") == ran
    if bad.keeps:
        judge_kept(world, bad, witness, before)


def judge_kept(world: World, bad: Bad, witness: Witness, before: set[str]) -> None:
    """What came in during the soak is in a generation of its own."""
    assert bad.version in witness.newest, "nobody came by in the soak"
    (soaked,) = [item for item in kept(world) if item["why"] == "soak" and item["id"] not in before]
    script = f"cp -r {TENANT}/generations/{soaked['id']}/marker /tmp/soaked && cd /tmp/soaked && python3 -c '{MARKER}'"
    said = world.host.exec(["sh", "-c", f"rm -rf /tmp/soaked; {script}"]).stdout.strip()
    assert said in witness.left(bad.version), "what came in is lost"


def undo_seconds(world: World) -> float | None:
    """How long the newest operation on alice took from deciding to undo to the old version's being back; None when it
    undid nothing."""
    newest = world.host.exec(["sh", "-c", f"grep -l '\"upgrade\"' $(ls -td {JOURNALS}/*/operation.json)"]).stdout
    folder = newest.splitlines()[0].rpartition("/")[0]
    lines = world.host.exec(["cat", f"{folder}/journal.jsonl"]).stdout.splitlines()
    at = {event["event"]: event["at"] for event in map(json.loads, filter(None, lines))}
    return float(at["operation-finished"] - at["undo-started"]) if "undo-started" in at else None


# --- what happens to the host meanwhile -------------------------------------------------------------------------------


def go_on(host: Host, process: str) -> None:
    host.exec(["kill", "-CONT", process])


def docker_restarted(host: Host, process: str) -> None:
    go_on(host, process)
    host.exec(["systemctl", "restart", "docker.service"])


def caddy_killed(host: Host, process: str) -> None:
    caddy = host.exec(["docker", "inspect", "-f", "{{.State.Pid}}", "launchpad-caddy"]).stdout.strip()
    host.exec(["kill", "-KILL", caddy])
    go_on(host, process)


def with_disk_full(host: Host, process: str) -> None:
    with disk_full(host):
        go_on(host, process)
        time.sleep(6)


def clock_set(offset: str) -> Callable[[Host, str], None]:
    def strike(host: Host, process: str) -> None:
        set_clock(host, offset)
        go_on(host, process)

    return strike


def with_a_clock(world: World) -> AbstractContextManager[None]:
    return clock_that_can_be_set(world.host)


@dataclass(frozen=True)
class Strike:
    """Something that happens to the host when the upgrade has come to a step."""

    step: str
    when: str
    act: Callable[[Host, str], None]
    fills: bool = False
    without_operator: bool = False
    """Whether the operator's machine dies first."""
    under: Condition = lambda _world: nullcontext()
    ends: tuple[str, ...] = (OLD, MIGRATES)


STRIKES: Mapping[str, Strike] = {
    "runner killed at the generation": Strike("take-generation", "applied", kill),
    "runner killed while it migrates": Strike("start-side", "begun", kill),
    "runner killed in the soak": Strike("soak", "begun", kill),
    "runner killed at the commit": Strike("commit", "begun", kill),
    "operator killed": Strike("await-probes", "begun", go_on, without_operator=True, ends=(MIGRATES,)),
    "host rebooted after the migration": Strike("start-side", "applied", reboot),
    "host rebooted in the soak": Strike("soak", "begun", reboot),
    "disk full before the generation": Strike("take-generation", "begun", with_disk_full, fills=True),
    "disk full while it migrates": Strike("start-side", "begun", with_disk_full, fills=True),
    "Docker restarted in the soak": Strike("soak", "begun", docker_restarted),
    "Caddy killed before traffic": Strike("keep-new", "begun", caddy_killed),
    "clock set back in the soak": Strike("soak", "begun", clock_set("-30d"), under=with_a_clock, ends=(MIGRATES,)),
    "clock set forth while it migrates": Strike(
        "start-side", "begun", clock_set("+30d"), under=with_a_clock, ends=(MIGRATES,)
    ),
}


@pytest.mark.parametrize("fault", STRIKES)
def test_an_upgrade_that_is_struck_ends_well(old: World, fault: str, measured: Measured) -> None:
    strike = STRIKES[fault]
    with counted(measured, fault), strike.under(old):
        judge_strike(old, strike, fault)
    put_journals(old.host, on_own_disk=False)
    assert old.launchpad("adopt", "alice", check=False).code in (0, 4)


def judge_strike(world: World, strike: Strike, fault: str) -> None:
    host, breakpoint = world.host, Breakpoint(world.host)
    put_journals(host, on_own_disk=strike.fills)
    breakpoint.ask(strike.step, strike.when)
    with witnessed(world, "alice", fault) as witness:
        operator = world.start(*upgrade(MIGRATES, soak=4))
        try:
            process = breakpoint.wait(operator)
            if strike.without_operator:
                operator.kill()
            strike.act(host, process)
            until(lambda: not open_operations(host), "the host settles it by itself", seconds=SETTLE_SECONDS)
        finally:
            operator.kill()
            operator.communicate()
            breakpoint.forget()
            # Its end was not reported, and what came between is in a journal on another disk: the next one is meant.
            shutil.rmtree(world.root / ".launchpad/begun", ignore_errors=True)
    assert witness.version in strike.ends
    judge_at_peace(world)
