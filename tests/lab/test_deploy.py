"""A tenant's life on a real host, seen from outside: deployed, changed, left alone, mended, stopped, retired."""

from __future__ import annotations

from tests.lab.world import World


def test_a_tenant_comes_changes_and_goes(world: World) -> None:
    world.add_tenant("alice")
    assert world.deploy("alice")["outcome"] == "done"
    assert world.wait_for("alice", "/").json["version"] == "1.0.0"
    world.request("alice", "POST", "/marker", body=b"first")

    starts, reloads = world.containers("alice"), world.reloads()
    assert world.deploy("alice")["outcome"] == "unchanged"
    assert (world.containers("alice"), world.reloads()) == (starts, reloads)

    assert world.deploy("alice", version="1.1.0")["outcome"] == "done"
    answer = world.wait_for("alice", "/").json
    assert (answer["version"], answer["marker"]) == ("1.1.0", "first")
    assert world.reloads() == reloads, "a deploy reloaded Caddy"

    world.launchpad("stop", "alice")
    assert world.containers("alice") == {}
    world.launchpad("start", "alice")
    assert world.wait_for("alice", "/").json["marker"] == "first"

    world.launchpad("retire", "alice", "--yes")
    assert world.containers("alice") == {}
    assert world.host.exists("/srv/launchpad/tenants/alice/data")
    world.launchpad("retire", "alice", "--purge", "--yes")
    assert not world.host.exists("/srv/launchpad/tenants/alice")


def test_a_release_that_does_not_become_healthy_leaves_the_old_one_serving(world: World) -> None:
    world.add_tenant("bob")
    world.deploy("bob")
    world.wait_for("bob")
    for bad in ("1.3.0", "1.4.0"):
        outcome = world.deploy("bob", version=bad, check=False)
        assert "undone" in str(outcome)
        assert world.wait_for("bob", "/").json["version"] == "1.0.0"
    world.set_tenant("bob", version="1.0.0")
    assert world.deploy("bob")["outcome"] == "unchanged"
