"""What a host's watch costs while nothing happens: of a core, and of memory, with 12 and with 20 tenants."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

import pytest
from measurement import record

from tests.lab.world import World

pytestmark = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
FEW, MANY = 12, 20
SECONDS = 180
"""Long enough for everything that is done once in two minutes; what is done once an hour is spread by a look before."""
SETTLED_SECONDS = 100
MOST_MEGABYTES = 80


@pytest.mark.timeout(1500)
@pytest.mark.parametrize("count", [FEW, MANY])
def test_what_the_watch_costs(world: World, count: int, say: Callable[[str], None]) -> None:
    names = [f"tenant-{number:02}" for number in range(count)]
    for name in names:
        if not (world.root / f"inventory/tenants/{name}.yaml").exists():
            world.add_tenant(name)
    world.launchpad("apply", "--yes", timeout=900)
    for name in names:
        world.wait_for(name)
    time.sleep(SETTLED_SECONDS)
    before, begun = ticks(world), time.monotonic()
    time.sleep(SECONDS)
    used = (ticks(world) - before) / os.sysconf("SC_CLK_TCK")
    share = 100 * used / (time.monotonic() - begun)
    megabytes = resident(world)
    say(f"the watch of {count} tenants: {share:.2f} % of a core, {megabytes:.0f} MiB; load {os.getloadavg()[0]:.1f}")
    if count == MANY:
        record("ops-watch-cpu", round(share, 3))
        record("ops-watch-memory", round(megabytes, 1))
        assert megabytes <= MOST_MEGABYTES


def main_process(world: World, unit: str) -> str:
    return world.host.exec(["systemctl", "show", "--property=MainPID", "--value", unit]).stdout.strip()


def ticks(world: World, unit: str = "launchpad-watch") -> int:
    """The CPU time of a unit's process and of each program that it started and that ended."""
    fields = world.host.read(f"/proc/{main_process(world, unit)}/stat").rpartition(")")[2].split()
    return sum(map(int, fields[11:15]))


def resident(world: World, unit: str = "launchpad-watch") -> float:
    lines = world.host.exec(["cat", f"/proc/{main_process(world, unit)}/status"]).stdout.splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("VmRSS"))) / 1024
