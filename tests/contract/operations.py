"""Operations, and the clock."""

from __future__ import annotations

from launchpad.runner.host import Busy, Host
from tests.contract.world import World


def owner_of(host: Host, name: str) -> dict[str, object]:
    """Who holds the lock; AssertionError when nobody does."""
    try:
        with host.lock(name, {"who": "prober"}):
            pass
    except Busy as busy:
        assert busy.name == name
        return busy.owner
    raise AssertionError("nobody holds the lock")


def contract_a_lock_is_held_by_one_and_names_its_owner(host: Host, world: World) -> None:
    with host.lock(world.tenant, {"who": "alice", "operation": "op-1"}):
        assert owner_of(host, world.tenant) == {"who": "alice", "operation": "op-1"}
        with host.lock(f"{world.tenant}-other", {"who": "bob"}):
            pass
    with host.lock(world.tenant, {"who": "bob"}):
        assert owner_of(host, world.tenant) == {"who": "bob"}, "the earlier owner's name is still in the lock"


def contract_a_lock_is_let_go_when_its_block_fails(host: Host, world: World) -> None:
    try:
        with host.lock(world.tenant, {"who": "alice"}):
            raise ValueError
    except ValueError:
        pass
    with host.lock(world.tenant, {"who": "bob"}):
        pass


def contract_the_clock_goes_on_and_the_boot_stays(host: Host, world: World) -> None:
    boot, begun, since = host.boot_id(), host.now(), host.elapsed()
    host.wait(0.1)
    assert 0.09 <= host.now() - begun < 5, "the wait was no tenth of a second"
    assert 0.09 <= host.elapsed() - since < 5
    assert host.boot_id() == boot != ""
