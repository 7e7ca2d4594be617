"""A gateway that hangs is seen and repaired by its host alone; what is not the host's to repair is left. For real."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import yaml
from measurement import record

from tests.lab.world import World, write

SEEN_SECONDS, REPAIRED_SECONDS = 60, 180
WEB = "lp-alice-a-web-1"
KEY = {"layer": "provider", "name": "anthropic", "secret": "ANTHROPIC_API_KEY"}
WORKS = json.dumps({"checks": [KEY | {"state": "works"}]})


@pytest.fixture(scope="module", autouse=True)
def tenants(world: World) -> None:
    app = world.root / "inventory/apps/beacon.yaml"
    actions = [item for item in yaml.safe_load(app.read_text())["actions"] if item["name"] != "check"]
    says = {"name": "check", "service": "web", "argv": ["cat", "/data/check.json"]}
    takes = "import time; time.sleep(0.5); x = b'x' * (1 << 30)"
    hogs = {"name": "hog", "service": "web", "argv": ["python3", "-c", takes]}
    write(app, actions=[*actions, says, hogs])
    for name, tier in (("alice", "standard"), ("bob", "light")):  # a check of keys needs room; the hog shall have none
        world.add_tenant(name, tier=tier)
        world.deploy(name)
        world.host.write(f"/srv/launchpad/tenants/{name}/data/marker/check.json", WORKS)
        world.wait_for(name)


def until(true: Callable[[], bool], what: str, *, seconds: float) -> float:
    """Wait until it is true, and for how long it was not."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(0.5)
    return time.monotonic() - begun


def account(world: World) -> list[dict[str, Any]]:
    """The facts, as the host itself has them: no operator's machine takes part."""
    return list(json.loads(world.host.exec(["cat", "/run/launchpad/watch.json"]).stdout)["health"])


def wrong(world: World, tenant: str) -> set[tuple[str, str]]:
    """Layer and grade of each of the tenant's facts that is not ok."""
    mine = [fact for fact in account(world) if fact.get("tenant") == tenant]
    return {(fact["layer"], fact["grade"]) for fact in mine if fact["grade"] != "ok"}


def done_by_watch(world: World, tenant: str) -> list[str]:
    lines = world.host.exec(["sh", "-c", "cat /var/lib/launchpad/watch.jsonl || true"]).stdout.splitlines()
    return [item["message"] for item in map(json.loads, filter(None, lines)) if item["tenant"] == tenant]


@contextmanager
def hanging(world: World, container: str = WEB) -> Iterator[None]:
    """Every process in the container is stopped, as one that waits for ever: it lives and does not answer."""
    pids = world.host.exec(["docker", "top", container, "-eo", "pid"]).stdout.split()[1:]
    world.host.exec(["kill", "-STOP", *pids])
    try:
        yield
    finally:
        world.host.exec(["kill", "-CONT", *pids], check=False)


def well(world: World, tenant: str) -> bool:
    mine = [fact for fact in account(world) if fact.get("tenant") == tenant]
    return {"process", "ready", "edge"} <= {fact["layer"] for fact in mine} and not wrong(world, tenant)


def test_the_host_finds_each_tenant_well(world: World) -> None:
    for name in ("alice", "bob"):
        until(lambda name=name: well(world, name), f"{name} is well in every layer", seconds=90)  # type: ignore[misc]


def test_an_app_that_hangs_is_seen_and_repaired_with_no_operator_and_its_neighbour_is_not_touched(
    world: World, say: Callable[[str], None]
) -> None:
    until(lambda: well(world, "alice") and well(world, "bob"), "both are well", seconds=90)
    neighbours, before = world.containers("bob"), len(done_by_watch(world, "alice"))
    with hanging(world):
        begun = time.monotonic()
        seen = until(lambda: ("ready", "critical") in wrong(world, "alice"), "it is seen", seconds=SEEN_SECONDS)
        assert wrong(world, "alice") == {("ready", "critical")}, "by this layer and by no other"
        left = REPAIRED_SECONDS - (time.monotonic() - begun)
        until(lambda: len(done_by_watch(world, "alice")) > before, "it is restarted", seconds=left)
        world.wait_for("alice", seconds=REPAIRED_SECONDS - (time.monotonic() - begun))
        repaired = time.monotonic() - begun
    say(f"a hanging app: seen after {seen:.0f} s, answers again after {repaired:.0f} s")
    record("ops-hang-seen", seen)
    record("ops-hang-repaired", repaired)
    (told,) = done_by_watch(world, "alice")[before:]
    assert "web:8080/startupz does not answer for" in told and told.endswith("the watch restarted it")
    assert world.containers("bob") == neighbours and done_by_watch(world, "bob") == []
    until(lambda: well(world, "alice"), "it is well in every layer", seconds=90)
    assert told in world.launchpad("--json", "history", "alice").out


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="two minutes of waiting: scripts/evidence asks it")
def test_an_app_that_hangs_while_an_operation_is_under_way_is_the_operation_s(world: World) -> None:
    until(lambda: well(world, "bob"), "bob is well", seconds=90)
    before = done_by_watch(world, "bob")
    with hanging(world, "lp-bob-a-web-1"):
        # The kernel's lock, as an operation holds it; nobody else starts or stops its containers meanwhile.
        lock = "/run/launchpad/locks/tenant-bob"
        holds = world.host.popen(["flock", lock, "sh", "-c", f"echo '{{}}' > {lock}; exec sleep 110"])
        try:
            starts = world.containers("bob")
            time.sleep(100)  # nothing else tells that nothing happens
            assert world.containers("bob") == starts and done_by_watch(world, "bob") == before
            assert not any(layer == "ready" for layer, _ in wrong(world, "bob"))
        finally:
            holds.terminate()
            holds.wait()
    until(lambda: well(world, "bob"), "bob is well again", seconds=120)


def test_a_provider_that_refuses_the_key_is_seen_and_nobody_is_restarted(
    world: World, say: Callable[[str], None]
) -> None:
    def provider() -> list[str]:
        mine = [fact for fact in account(world) if fact.get("tenant") == "alice" and fact["layer"] == "provider"]
        return [fact["grade"] for fact in mine if fact.get("subject") == "anthropic"]

    until(lambda: provider() == ["ok"], "the key works", seconds=90)
    starts, before = world.containers("alice"), done_by_watch(world, "alice")
    refused = json.dumps({"checks": [KEY | {"state": "refused"}]})
    world.host.write("/srv/launchpad/tenants/alice/data/marker/check.json", refused)
    world.get("alice", "/v1/messages?status=401")  # beacon writes down what it was asked for
    seen = until(lambda: provider() == ["warning"], "the refusal is seen", seconds=60)
    say(f"a refused key: seen {seen:.0f} s after the app wrote of it")
    record("ops-key-seen", seen)
    time.sleep(70)  # nothing else tells that nothing happens
    assert world.containers("alice") == starts and done_by_watch(world, "alice") == before
    assert wrong(world, "alice") == {("provider", "warning")}
    shown = json.loads(world.launchpad("--json", "status", "alice").out)["tenants"][0]
    assert any(fact["layer"] == "provider" and fact["grade"] == "warning" for fact in shown["health"])
    assert shown["good"], "the customer's own trouble is a warning"


def test_where_memory_ends_an_action_is_ended_and_not_the_app(world: World) -> None:
    starts = world.containers("bob")
    done = world.launchpad("act", "bob", "hog", check=False)
    assert done.code == 6 and "hog ended with exit status 137" in done.err, done
    assert world.containers("bob") == starts
    assert world.get("bob", "/startupz").status == 200
