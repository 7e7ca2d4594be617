"""A host that loses its power, or reboots, with no operator near: it comes back whole, and its secrets lie nowhere."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.lab.world import World

SEARCHING = Path(__file__).with_name("searching.py").read_text()
ROOTS = ("/etc", "/home", "/opt", "/root", "/run", "/srv", "/tmp", "/var")
MOST_SECONDS = 120


@dataclass(frozen=True)
class Fleet:
    """The tenants of this host and what they are to keep secret."""

    world: World
    values: Mapping[str, str]
    """Tenant → the value of its secret."""
    healthy: tuple[str, ...]
    """Who is to answer after every boot."""


@pytest.fixture(scope="module")
def fleet(world: World) -> Fleet:
    """alice and bob run, carol is stopped; under evidence dora runs an OpenClaw."""
    values = {name: secrets.token_urlsafe(32) for name in ("alice", "bob", "carol")}
    for name, value in values.items():
        world.add_tenant(name)
        world.launchpad("secret", "set", name, "BEACON_TOKEN", stdin=value)
        world.deploy(name)
    world.launchpad("stop", "carol")
    healthy = ["alice", "bob"]
    if os.environ.get("LAUNCHPAD_EVIDENCE"):
        values["dora"] = secrets.token_urlsafe(32)
        world.add_tenant("dora", app="openclaw", version="2026.9.6", tier="standard")
        world.launchpad("secret", "set", "dora", "OPENCLAW_GATEWAY_TOKEN", stdin=values["dora"])
        world.deploy("dora")
        healthy.append("dora")
    for name in healthy:
        world.wait_for(name, seconds=120)
    return Fleet(world, values, tuple(healthy))


def test_after_a_power_cut_the_tenants_are_back_by_themselves(fleet: Fleet, measured: Callable[..., None]) -> None:
    boot, starts = boot_id(fleet.world), fleet.world.containers("alice")
    fleet.world.host.power_off_hard()
    begun = time.monotonic()
    fleet.world.host.start()
    comes_back(fleet, boot, begun, measured)
    assert fleet.world.containers("alice") != starts
    assert fleet.world.containers("carol") == {}, "a tenant that was stopped is not started by a boot"


def test_after_a_reboot_too_and_one_that_crashes_is_given_up_alone(
    fleet: Fleet, broken: str, measured: Callable[..., None]
) -> None:
    boot = boot_id(fleet.world)
    fleet.world.host.reboot()
    comes_back(fleet, boot, time.monotonic(), measured)
    wait_until(lambda: bool(standing(fleet.world, broken)["breaker"]), "the breaker of the crashing tenant", seconds=90)
    told = standing(fleet.world, broken)
    assert "died 5 times" in told["breaker"], told
    assert not [name for name in fleet.world.containers(broken) if "-web-" in name]
    for name in fleet.healthy:
        assert fleet.world.get(name, "/startupz").status == 200


def test_a_container_that_is_killed_by_hand_after_the_boot_is_started_again(fleet: Fleet) -> None:
    before = fleet.world.containers("alice")
    fleet.world.host.exec(["docker", "kill", "lp-alice-a-web-1"])
    wait_until(lambda: len(fleet.world.containers("alice")) == len(before), "alice's containers are back", seconds=30)
    assert fleet.world.wait_for("alice").status == 200
    assert fleet.world.containers("alice") != before


def test_no_secret_lies_about(fleet: Fleet, measured: Callable[..., None]) -> None:
    """Searched for after both boots: what was at rest then, in what Docker keeps and shows, in journals, in every
    process's words and environment, and in the disk's own blocks below the file system."""
    control = fleet.world.host
    control.write("/var/lib/docker/planted", f"…{fleet.values['bob']}…")
    planted = search(fleet, but=[])
    control.exec(["rm", "/var/lib/docker/planted"])
    where = {place.split("/")[1] for _, place in planted["found"]}
    assert ["bob", "/var/lib/docker/planted"] in planted["found"], "the control: what is there is found"
    assert "run" in where, "the control: in /run/launchpad they are in use"

    found = search(fleet, but=[f"/run/launchpad/{name}" for name in fleet.values])
    print(f"\nsearched {found['places']} places, {found['read'] >> 20} MiB: {found['found'] or 'no secret'}")
    measured("reboot-secrets-found", len(found["found"]), detail=f"{found['places']} places")
    assert not found["found"]


# --- what the tests are made of ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def broken(fleet: Fleet) -> Iterator[str]:
    """erin, whose program dies at every start from the next boot on."""
    world, name = fleet.world, "erin"
    world.add_tenant(name)
    world.deploy(name)
    world.wait_for(name)
    database = f"/srv/launchpad/tenants/{name}/data/marker/beacon.sqlite"
    world.host.exec(["sh", "-c", f"rm -f {database}* && mkdir {database}"])
    yield name
    world.launchpad("retire", name, "--purge", "--yes")


def comes_back(fleet: Fleet, boot: str, begun: float, measured: Callable[..., None]) -> None:
    """Every tenant answers over HTTPS with its secret in place, and only then somebody looks closer."""
    for name in fleet.healthy:
        fleet.world.wait_for(name, seconds=MOST_SECONDS)
    seconds = time.monotonic() - begun
    print(f"\n{', '.join(fleet.healthy)} answer {seconds:.1f} s after the boot began")
    measured("reboot-healthy-seconds", seconds, detail=f"{len(fleet.healthy)} tenants")
    assert seconds <= MOST_SECONDS
    assert boot_id(fleet.world) != boot, "the control: it did boot"
    for name in ("alice", "bob"):
        said = fleet.world.get(name, "/secret-hash").body.decode()
        assert said == hashlib.sha256(fleet.values[name].encode()).hexdigest(), f"{name} has its secret"


def boot_id(world: World) -> str:
    """Which boot this is, by the host's own process 1: its kernel's is this machine's."""
    return world.host.exec(["systemctl", "show", "--property=UserspaceTimestampMonotonic"]).stdout


def standing(world: World, tenant: str) -> dict[str, Any]:
    """What `status` says of the tenant, and why a breaker keeps it down."""
    told = json.loads(world.launchpad("--json", "status", check=False).out)
    found: dict[str, Any] = next(item for item in told["tenants"] if item["tenant"] == tenant)
    reasons = [text for text in (*found["drift"], *found["remarks"]) if "died" in text]
    return found | {"breaker": " ".join(reasons)}


def search(fleet: Fleet, *, but: list[str]) -> dict[str, Any]:
    """Where on the host the values are."""
    fleet.world.host.write("/root/searching.py", SEARCHING)
    asked = json.dumps({"values": fleet.values, "roots": ROOTS, "but": but})
    said = fleet.world.host.exec(["python3", "-I", "/root/searching.py"], stdin=asked + "\n", timeout=540)
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def wait_until(true: Callable[[], bool], what: str, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
