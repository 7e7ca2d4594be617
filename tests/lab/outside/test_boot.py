"""A3: operations that begin while their host boots. Judged by HTTP from outside and by systemd."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence

import pytest

from tests.lab.world import World
from tests.tally import Tally, tallied

NAMES = ("alice", "bob", "carol")
NEVER_READY = "1.2.0"
EVIDENCE = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a3", request) as tally:
        yield tally


@pytest.fixture(scope="module", autouse=True)
def tenants(world: World) -> None:
    for name in NAMES:
        world.add_tenant(name)
        world.deploy(name)


def power_comes_back(world: World) -> None:
    """The boot unit begins some seconds late, so that an operation can begin before it."""
    world.host.write("/etc/systemd/system/launchpad-boot.service.d/late.conf", "[Service]\nExecStartPre=/bin/sleep 4\n")
    world.host.power_off_hard()
    world.host.start()


def boot_unit(world: World) -> str:
    shown = world.host.exec(["systemctl", "show", "-P", "ActiveState", "launchpad-boot.service"], check=False)
    return shown.stdout.strip()


def as_soon_as_it_is_taken(world: World, words: Sequence[str]) -> int:
    """Type the command until Docker is there and the host has taken it; its exit code. The boot still goes on then."""
    end = time.monotonic() + 60
    while (done := world.launchpad(*words, check=False)).code not in (0, 6) or "Docker" in done.err:
        assert time.monotonic() < end, done.err
    return done.code


def states(world: World) -> tuple[set[str], list[str]]:
    """Each tenant's state, and everything that status says was changed by hand."""
    told = json.loads(world.launchpad("--json", "status", check=False).out)
    return {item["state"] for item in told["tenants"]}, [line for item in told["tenants"] for line in item["drift"]]


@pytest.mark.parametrize(
    ("words", "version", "code"),
    [
        pytest.param(("restart", "alice"), "1.0.0", 0, id="a restart"),
        pytest.param(("deploy", "alice"), NEVER_READY, 6, id="a deploy that is undone", marks=EVIDENCE),
        pytest.param(("deploy", "alice"), "1.1.0", 0, id="a deploy", marks=EVIDENCE),
    ],
)
def test_whoever_begins_while_the_host_boots_leaves_nobody_down(
    world: World, holds: Tally, words: tuple[str, ...], version: str, code: int
) -> None:
    what = f"{' '.join(words)} {version}"
    world.set_tenant("alice", version=version)
    power_comes_back(world)
    told, changed = states(world)
    holds(f"{what}: status says that the host starts", "starting" in told, str(told))
    holds(f"{what}: status says of nothing that it was changed by hand", not changed, str(changed))
    ended = as_soon_as_it_is_taken(world, words)
    holds(f"{what}: the control: it ended as it should", ended == code, str(ended))
    if code:
        world.set_tenant("alice", version="1.0.0")
    served = [name for name in NAMES if answers(world, name)]
    holds(f"{what}: everybody is served again", served == list(NAMES), str(served))
    end = time.monotonic() + 60
    while boot_unit(world) == "activating" and time.monotonic() < end:
        time.sleep(0.5)
    holds(f"{what}: the boot unit is through", boot_unit(world) == "active", boot_unit(world))
    checked = world.launchpad("status", "--check", check=False)
    holds(f"{what}: status --check exits 0", checked.code == 0, checked.out + checked.err)


def answers(world: World, name: str) -> bool:
    try:
        world.wait_for(name, seconds=90)
    except AssertionError:
        return False
    return True
