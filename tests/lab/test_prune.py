"""A prune of a real host, judged by Docker's and Btrfs's own word: what a rollback needs is still there."""

from __future__ import annotations

import json

import pytest

from tests.lab.world import World, write

TENANT = "/srv/launchpad/tenants/alice"


def on_host(world: World, *words: str) -> str:
    return str(world.host.exec(list(words)).stdout)


def beacons(world: World) -> set[str]:
    """The versions of the test app whose images are on the host."""
    there = on_host(world, "docker", "images", "--digests", "--format", "{{.Digest}}")
    named = {name.partition(":")[2]: image.partition("@")[2] for name, image in world.images.items()}
    return {version for version, digest in named.items() if digest in there and f"beacon:{version}" in world.images}


@pytest.fixture(scope="module")
def alice(world: World) -> World:
    """Alice on 1.1.0 after 1.0.0, both pulled by her own operations; other versions were put on the host by hand."""
    write(world.root / "inventory/apps/beacon.yaml", timings={"start": "15s", "steady": "1s", "stop": "5s"})
    for version in ("1.0.0", "1.1.0"):
        on_host(world, "docker", "rmi", world.images[f"beacon:{version}"])
    world.add_tenant("alice")
    world.deploy("alice")
    world.launchpad("upgrade", "alice", "--to", "1.1.0", "--yes", "--no-rehearsal", "--soak", "0s")
    return world


def test_what_runs_and_what_a_rollback_needs_stays(alice: World) -> None:
    assert {"1.0.0", "1.1.0", "1.2.0"} <= beacons(alice)
    on_host(alice, "btrfs", "subvolume", "snapshot", f"{TENANT}/data", f"{TENANT}/clone")
    told = json.loads(alice.launchpad("--json", "prune", "--dry-run").out)
    assert told["steps"] == ["clean up after alice: 1 rest", "wait until the space is free"]
    done = alice.launchpad("prune", "web-1")
    assert done.out.startswith("web-1: pruned in ") and "freed " in done.out
    assert "clone" not in on_host(alice, "ls", TENANT)
    assert {"1.0.0", "1.1.0", "1.2.0"} <= beacons(alice)
    alice.launchpad("rollback", "alice", "--yes", "--soak", "0s")
    assert alice.wait_for("alice", "/").json["version"] == "1.0.0"
    assert alice.launchpad("prune").out == "web-1: nothing to remove\n"


def test_what_nothing_needs_goes_and_somebody_elses_stays(alice: World) -> None:
    alice.launchpad("retire", "alice", "--yes")
    done = json.loads(alice.launchpad("--json", "prune").out.strip().splitlines()[-1])
    assert len(done["removed"]) == 2 and done["outcome"] == "done"
    left = beacons(alice)
    assert not left & {"1.0.0", "1.1.0"} and "1.2.0" in left
    assert "data" in on_host(alice, "ls", TENANT)
    alice.deploy("alice")
    assert alice.wait_for("alice", "/").json["version"] == "1.0.0"
