"""What dies is started again, what dies too often is not, and what somebody changed by hand is told: on a real host."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.world import World

WEB = "lp-alice-a-web-1"


@pytest.fixture(scope="module", autouse=True)
def tenants(world: World) -> None:
    for name in ("alice", "bob"):
        world.add_tenant(name)
        world.deploy(name)


def until(true: Callable[[], bool], what: str, *, seconds: float = 60) -> float:
    """Wait until it is true, and for how long it was not."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.1)
    return time.monotonic() - begun


def standing(world: World, tenant: str = "alice") -> dict[str, Any]:
    """The tenant as `status` tells it."""
    told = json.loads(world.launchpad("--json", "status", check=False).out)
    return next(item for item in told["tenants"] if item["tenant"] == tenant)


def runs(world: World, container: str = WEB) -> bool:
    said = world.host.exec(["docker", "inspect", "-f", "{{.State.Running}}", container], check=False)
    return said.stdout.strip() == "true"


def test_a_container_that_is_killed_is_back_within_seconds_and_its_neighbour_is_not_touched(world: World) -> None:
    before = world.containers("bob")
    world.host.exec(["docker", "kill", WEB])
    assert until(lambda: runs(world), "the container is back") < 10
    world.wait_for("alice")
    assert standing(world)["good"]
    assert world.containers("bob") == before


def test_what_dies_again_and_again_is_given_up_and_start_brings_it_back(world: World) -> None:
    breaker = "/srv/launchpad/tenants/alice/breaker.json"

    def kill_again() -> bool:
        if runs(world):
            world.host.exec(["docker", "kill", WEB], check=False)
        return world.host.exists(breaker)

    until(kill_again, "the breaker trips", seconds=90)
    told = standing(world)
    assert not told["good"]
    assert "died 5 times" in " ".join([*told["drift"], *told["remarks"]]), told
    time.sleep(5)  # nothing else tells that nothing happens
    assert not runs(world)
    world.launchpad("start", "alice")
    assert world.wait_for("alice").status == 200
    assert not world.host.exists(breaker)
    assert standing(world)["good"]


@dataclass(frozen=True)
class Hand:
    """Something that a person does on the host as root, how it is made good, and what status says of it meanwhile."""

    does: str
    undoes: str
    says: str


TENANT = "/srv/launchpad/tenants/alice"
SITE = "/srv/launchpad/caddy/sites/alice.caddy"
HANDS = {
    "a release's file": Hand(
        f"echo >> {TENANT}/current/compose.yaml",
        f"sed -i '$d' {TENANT}/current/compose.yaml",
        "compose.yaml of release",
    ),
    "a link for a file": Hand(
        f"cd {TENANT}/current/ && mv site.caddy /root/ && ln -s /etc/shadow site.caddy",
        f"mv /root/site.caddy {TENANT}/current/site.caddy",
        "is a symbolic link",
    ),
    "a site": Hand(f"echo >> {SITE}", f"sed -i '$d' {SITE}", "its site file was changed"),
    "the link": Hand(
        f"cd {TENANT} && cp -P current /root/ && ln -sfn releases current",
        f"mv -T /root/current {TENANT}/current",
        "current points to",
    ),
    "a secret in use": Hand(
        "mv /run/launchpad/alice /run/launchpad/.alice",
        "mv /run/launchpad/.alice /run/launchpad/alice",
        "secret BEACON_TOKEN is missing in /run",
    ),
    "a stop": Hand(f"docker pause {WEB}", f"docker unpause {WEB}", "web is paused"),
}


@pytest.mark.parametrize("hand", HANDS.values(), ids=HANDS.keys())
def test_what_somebody_changed_by_hand_is_told_until_it_is_made_good(world: World, hand: Hand) -> None:
    assert standing(world)["drift"] == []
    world.host.exec(["sh", "-c", hand.does])
    try:
        assert any(hand.says in line for line in standing(world)["drift"]), standing(world)["drift"]
    finally:
        world.host.exec(["sh", "-c", hand.undoes])
    assert standing(world)["drift"] == []


def test_following_logs_goes_on_over_a_restart_and_shows_no_secret(world: World) -> None:
    token = world.host.exec(["sh", "-c", "cat /run/launchpad/alice/*/BEACON_TOKEN"]).stdout.strip()
    assert len(token) >= 24
    following = world.start("logs", "-f", "alice", "bob")
    try:
        assert following.stdout is not None
        first = [following.stdout.readline() for _ in range(2)]
        assert all("alice" in line or "bob" in line for line in first)
        world.launchpad("restart", "alice")
        assert world.get("alice", f"/?a={token}").status == 200
        lines: list[str] = []
        while not any("[secret]" in line for line in lines):
            lines.append(following.stdout.readline())
            assert lines[-1], "it ended"
            assert token not in lines[-1]
    finally:
        following.terminate()
        following.communicate()
