"""Quiet neighbours: what is done to one tenant is not felt by another, but for a change of the sites themselves.

The host's stream_close_delay is 30 s here, so that the control shows within the test what a day shows on a real host.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tests.lab.visitors import Asked, visiting
from tests.lab.world import World

Measured = Callable[..., None]

CLOSE_DELAY = 30
RATE = 5.0


@dataclass(frozen=True)
class Pace:
    """How often a neighbour is deployed, and how far apart."""

    deploys: int
    seconds: float


PACE = Pace(10, 12.0) if os.environ.get("LAUNCHPAD_EVIDENCE") else Pace(4, 10.0)


@pytest.fixture(scope="module")
def tenants(world: World) -> World:
    """alice, who is deployed again and again, and bob, her neighbour."""
    for name in ("alice", "bob"):
        world.add_tenant(name)
        world.deploy(name)
        world.wait_for(name)
    return world


def test_deploys_are_not_felt_next_door(tenants: World, measured: Measured, say: Callable[[str], None]) -> None:
    """And the control: a new site does reload Caddy, after which its delay is all that a WebSocket has."""
    loads = len(config_loads(tenants))
    with visiting(tenants, "bob", mix=(Asked("GET", "/marker"),), rate=RATE) as visitors:
        begun = time.monotonic()
        for number in range(PACE.deploys):
            assert tenants.deploy("alice", version=("1.1.0", "1.0.0")[number % 2])["outcome"] == "done"
            time.sleep(max(0.0, begun + (number + 1) * PACE.seconds - time.monotonic()))  # the promised time
        reloads, cuts = len(config_loads(tenants)) - loads, len(visitors.standing.cuts)
        tenants.add_tenant("carol")
        tenants.deploy("carol")
        reloaded = config_loads(tenants)[loads + reloads :]
        assert wait_for(lambda: len(visitors.standing.cuts) > cuts, seconds=CLOSE_DELAY + 15), "it was never cut"
    lasts = visitors.standing.cuts[-1][0] - reloaded[0]
    failures = visitors.failures
    measured("neighbour-reloads", reloads, n=PACE.deploys)
    measured("neighbour-failures", len(failures), n=len(visitors.visits))
    measured("neighbour-websocket", cuts)
    measured("control-cut-seconds", lasts)
    say(
        f"{PACE.deploys} deploys next door: {reloads} reloads, {cuts} WebSockets cut, "
        f"{len(failures)} of {len(visitors.visits)} requests failed; a new site: cut after {lasts:.1f} s"
    )
    assert (reloads, cuts) == (0, 0)
    assert [(visit.detail, visit.seconds) for visit in failures] == []
    assert len(reloaded) == 1
    assert CLOSE_DELAY - 5 <= lasts <= CLOSE_DELAY + 10


def config_loads(world: World) -> list[float]:
    """When Caddy has loaded a configuration, by its own log."""
    text = world.host.exec(["sh", "-c", "docker logs launchpad-caddy 2>&1"]).stdout
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [line["ts"] for line in lines if line.get("logger") == "admin.api" and line["msg"] == "load complete"]


def wait_for(condition: Callable[[], bool], *, seconds: float) -> bool:
    """Whether it became true in time."""
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.2)
    return condition()
