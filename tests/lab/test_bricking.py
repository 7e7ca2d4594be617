"""What can go wrong in an upgrade, on a real host: each fault ends in new and healthy or old and healthy, with that
version's data, without a hand. The end is judged from outside, by a marker in the data.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from labkit import Host

from launchpad.runner import slots
from launchpad.runner.plan import other
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
from tests.lab.world import World, write

Measured = Callable[..., None]

OLD, MIGRATES = "1.0.0", "2.0.0"
TENANT = "/srv/launchpad/tenants/alice"
IN_THE_SOAK = "written in the soak"


@dataclass(frozen=True)
class Bad:
    """A version that goes wrong by itself."""

    version: str
    ends: str = OLD
    soak: int = 0
    keeps: bool = False
    """Whether data is kept that came in before it was taken back."""


VERSIONS = {
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
}


@pytest.fixture(scope="module")
def alice(world: World) -> World:
    """Alice on a version that reads only what older ones wrote."""
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "15s", "steady": "1s", "stop": "5s"})
    world.add_tenant("alice", version=OLD)
    world.deploy("alice")
    world.wait_for("alice")
    Breakpoint(world.host).install()
    return world


@pytest.fixture
def marked(alice: World, request: pytest.FixtureRequest, measured: Measured) -> World:
    """Alice on the old version, with a marker of this test's own in her data."""
    if serves(alice)[0] != OLD:
        begun = time.monotonic()
        alice.launchpad("rollback", "alice", "--yes")
        assert serves(alice)[0] == OLD
        measured("rollback-seconds", time.monotonic() - begun)
    mark(alice, request.node.name)
    return alice


def mark(world: World, text: str) -> None:
    assert world.request("alice", "POST", "/marker", body=text.encode()).status == 200


def serves(world: World) -> tuple[str, str]:
    """The version and the marker that a visitor gets."""
    answer = world.wait_for("alice", "/", seconds=SETTLE_SECONDS).json
    return answer["version"], answer["marker"]


def upgrade(version: str, soak: int = 0) -> tuple[str, ...]:
    return ("--json", "upgrade", "alice", "--to", version, "--yes", "--soak", f"{soak}s", "--no-rehearsal")


def kept(world: World) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(world.launchpad("--json", "generations", "alice").out)["generations"]
    return found


def judge_at_peace(world: World) -> None:
    """One side runs, alone; nobody is mute, nothing is half taken, nothing is open."""
    host = world.host
    assert not open_operations(host)
    until(lambda: len(world.containers("alice")) == 2, "what died on a full disk runs again", seconds=SETTLE_SECONDS)
    muted = json.loads(host.exec(["nft", "--json", "list", "set", "inet", "launchpad_gate", "muted"]).stdout)
    assert not any("elem" in item.get("set", {}) for item in muted["nftables"]), "somebody is still mute"
    names = set(host.exec(["ls", "-A", f"{TENANT}/generations"]).stdout.split())
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


@pytest.mark.parametrize("fault", VERSIONS)
def test_a_bad_version_ends_well(marked: World, fault: str, request: pytest.FixtureRequest, measured: Measured) -> None:
    with counted(measured, fault):
        judge_bad_version(marked, VERSIONS[fault], request.node.name)
    if VERSIONS[fault].ends == OLD:
        measured("undo-seconds", undo_seconds(marked), n=1, detail=fault)


def judge_bad_version(marked: World, bad: Bad, marker: str) -> None:
    before = len(kept(marked))
    with visited_in_the_soak(marked, bad.version) if bad.keeps else nullcontext():
        done = marked.launchpad(*upgrade(bad.version, bad.soak), check=False)
    assert (done.code == 0) is (bad.ends != OLD), done
    assert serves(marked) == (bad.ends, marker)
    judge_at_peace(marked)
    if bad.keeps:
        (soaked,) = [item for item in kept(marked)[: len(kept(marked)) - before] if item["why"] == "soak"]
        store = f"{TENANT}/generations/{soaked['id']}/marker"
        assert marked.host.exec(["grep", "-rqa", IN_THE_SOAK, store], check=False).status == 0, "what came in is lost"


def undo_seconds(world: World) -> float:
    """How long the newest operation took from deciding to undo to the old version's being back."""
    newest = world.host.exec(["sh", "-c", f"ls -td {JOURNALS}/*/ | head -1"]).stdout.strip()
    lines = world.host.exec(["cat", f"{newest}/journal.jsonl"]).stdout.splitlines()
    at = {event["event"]: event["at"] for event in map(json.loads, filter(None, lines))}
    return float(at["operation-finished"] - at["undo-started"])


@contextmanager
def visited_in_the_soak(world: World, version: str) -> Iterator[None]:
    """Somebody writes as soon as the new version is let in."""
    done: list[str] = []

    def visit() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and not done:
            try:
                if world.get("alice", "/", timeout=30).json["version"] == version:
                    mark(world, IN_THE_SOAK)
                    done.append(version)
            except (OSError, ValueError):
                time.sleep(0.2)

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        yield
    finally:
        visitor.join()
    assert done, "nobody came by in the soak"


# --- what happens to the host meanwhile -------------------------------------------------------------------------------


@contextmanager
def registry_down(host: Host) -> Iterator[None]:
    host.exec(["nft", "add table inet away; add chain inet away out { type filter hook output priority 0; }"])
    host.exec(["nft", "add rule inet away out tcp dport 5000 reject"])
    try:
        yield
    finally:
        host.exec(["nft", "delete", "table", "inet", "away"])


def docker_restarted(host: Host, process: str) -> None:
    host.exec(["kill", "-CONT", process])
    host.exec(["systemctl", "restart", "docker.service"])


def caddy_killed(host: Host, process: str) -> None:
    caddy = host.exec(["docker", "inspect", "-f", "{{.State.Pid}}", "launchpad-caddy"]).stdout.strip()
    host.exec(["kill", "-KILL", caddy])
    host.exec(["kill", "-CONT", process])


def with_disk_full(host: Host, process: str) -> None:
    with disk_full(host):
        host.exec(["kill", "-CONT", process])
        time.sleep(6)


@dataclass(frozen=True)
class Strike:
    """Something that happens to the host when the upgrade has come to a step."""

    step: str
    when: str
    act: Callable[[Host, str], None]
    fills: bool = False


STRIKES = {
    "runner killed at the generation": Strike("take-generation", "applied", kill),
    "runner killed while it migrates": Strike("start-side", "begun", kill),
    "runner killed in the soak": Strike("soak", "begun", kill),
    "runner killed at the commit": Strike("commit", "begun", kill),
    "host rebooted after the migration": Strike("start-side", "applied", reboot),
    "host rebooted in the soak": Strike("soak", "begun", reboot),
    "disk full before the generation": Strike("take-generation", "begun", with_disk_full, fills=True),
    "disk full while it migrates": Strike("start-side", "begun", with_disk_full, fills=True),
    "Docker restarted in the soak": Strike("soak", "begun", docker_restarted),
    "Caddy killed before traffic": Strike("keep-new", "begun", caddy_killed),
}


@pytest.mark.parametrize("fault", STRIKES)
def test_an_upgrade_that_is_struck_ends_well(
    marked: World, fault: str, request: pytest.FixtureRequest, measured: Measured
) -> None:
    with counted(measured, fault):
        judge_strike(marked, STRIKES[fault], request.node.name)
    put_journals(marked.host, on_own_disk=False)
    assert marked.launchpad("adopt", "alice", check=False).code in (0, 4)


def judge_strike(marked: World, strike: Strike, marker: str) -> None:
    host, breakpoint = marked.host, Breakpoint(marked.host)
    put_journals(host, on_own_disk=strike.fills)
    breakpoint.ask(strike.step, strike.when)
    operator = marked.start(*upgrade(MIGRATES, soak=4))
    try:
        strike.act(host, breakpoint.wait(operator))
        until(lambda: not open_operations(host), "the host settles it by itself", seconds=SETTLE_SECONDS)
    finally:
        operator.kill()
        operator.communicate()
        breakpoint.forget()
    assert serves(marked) in ((OLD, marker), (MIGRATES, marker))
    judge_at_peace(marked)


def test_an_operator_who_is_killed_is_not_needed(marked: World, request: pytest.FixtureRequest) -> None:
    breakpoint = Breakpoint(marked.host)
    breakpoint.ask("await-probes", "begun")
    operator = marked.start(*upgrade(MIGRATES))
    process = breakpoint.wait(operator)
    operator.kill()
    operator.communicate()
    marked.host.exec(["kill", "-CONT", process])
    until(lambda: not open_operations(marked.host), "it ends without its operator", seconds=60)
    assert serves(marked) == (MIGRATES, request.node.name)
    judge_at_peace(marked)
    marked.launchpad("adopt", "alice")


def test_an_image_that_is_gone_and_a_registry_that_is_down_leave_all_as_it_is(
    marked: World, request: pytest.FixtureRequest
) -> None:
    path = marked.root / "inventory/apps/beacon.yaml"
    text = path.read_text()
    missing = marked.images[f"beacon:{OLD}"].partition("@")[0] + f"@sha256:{'0' * 64}"
    versions = yaml.safe_load(text)["versions"]
    write(path, versions=[*versions, {"version": "9.9.9", "images": {"beacon": missing}}])
    host, before = marked.host, marked.containers("alice")
    host.exec(["docker", "rmi", "-f", marked.images[f"beacon:{MIGRATES}"]], check=False)
    faults: dict[str, AbstractContextManager[None]] = {"9.9.9": nullcontext(), MIGRATES: registry_down(host)}
    for version, fault in faults.items():
        with fault:
            assert marked.launchpad(*upgrade(version), check=False).code == 6
        assert marked.containers("alice") == before
    path.write_text(text)
    assert serves(marked) == (OLD, request.node.name)
    judge_at_peace(marked)


def test_an_address_that_somebody_took_takes_the_upgrade_back(marked: World, request: pytest.FixtureRequest) -> None:
    host = marked.host
    record = json.loads(host.read(f"{TENANT}/tenant.json"))
    address = slots.address(record["slot"], 0, other(record["side"]))
    squat = ["docker", "run", "-d", "--name", "squatter", "--network", "lp-alice", "--ip", str(address)]
    host.exec([*squat, "--entrypoint", "sleep", marked.images[f"beacon:{OLD}"], "600"])
    try:
        assert marked.launchpad(*upgrade(MIGRATES), check=False).code == 6
        assert serves(marked) == (OLD, request.node.name)
    finally:
        host.exec(["docker", "rm", "-f", "squatter"])
    judge_at_peace(marked)
