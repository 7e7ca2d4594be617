"""A slot is given again when no host has anything of its tenant, and to nobody before."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.keeping.store import NewTenant
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import AppName, DomainName, HostName, SecretName, TenantName, TierName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.moving.free_slot import SlotReceipts, free_slot, slot_of_removed
from launchpad.operations.tenants.deploy import deploy
from launchpad.operations.tenants.renumber import renumber
from launchpad.operations.tenants.retire import plan_retirement, retire
from launchpad.runner import paths
from launchpad.runner.moving.tombstone import Tombstone
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import canonical, record_as_json
from launchpad.workspace import Workspace
from tests.memory.fleet import FleetHost, MemoryFleet, memory_fleet

ALICE = TenantName("alice")


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    """alice and bob on two hosts, in a fleet whose other slots were all assigned."""
    made = memory_fleet(tmp_path, {"alice": "web-1", "bob": "web-2"})
    (made.root / "inventory/slots.yaml").write_text("highest: 4095\ngone: {}\n")
    return made


def remove(workspace: Workspace, *, purge: bool = True) -> SlotReceipts:
    """Remove alice from web-1 and from the inventory."""
    what = plan_retirement(workspace, "alice", purge=purge)
    assert retire(workspace, what, confirm=what.digest).outcome == "done"
    slot = workspace.fleet.remove_tenant(ALICE).slot
    return free_slot(workspace, ALICE, slot)


def add(workspace: Workspace, name: str, host: str = "web-1") -> Tenant:
    new = NewTenant(
        name=TenantName(name),
        app=AppName("echo"),
        tier=TierName("light"),
        host=HostName(host),
        domains=(DomainName(f"{name}.example.com"),),
    )
    made = workspace.fleet.add_tenant(new)
    workspace.secrets.set(made.name, SecretName("ECHO_TOKEN"), Secret("a-token-of-a-tenant"))
    return made


def left_behind(host: FleetHost, epoch: int) -> None:
    """The tombstone of alice, who moved to web-2 before all this; a purge keeps it."""
    texts = dict.fromkeys(("address", "generation", "app", "version", "release", "operation", "by"), "")
    empty: dict[str, Any] = {**texts}
    stone = Tombstone(tenant="alice", slot=1, epoch=epoch, to="web-2", at=1.0, **empty)
    host.write(paths.tombstone("alice"), canonical(record_as_json(stone)))


@pytest.mark.parametrize("host", ["web-1", "web-2"])
def test_after_the_receipt_another_tenant_gets_the_slot(fleet: MemoryFleet, host: str) -> None:
    workspace = fleet.workspace()
    assert remove(workspace).missing == {}
    carol = add(workspace, "carol", host)
    assert (carol.slot, carol.epoch) == (1, 2), "above the epoch that alice had on web-1"
    assert deploy(workspace, "carol").outcome == "done"
    assert fleet.runs("carol")
    assert (read_record(fleet.hosts[host], "carol") or {})["epoch"] == 2
    with pytest.raises(InventoryError, match="all 4095 slots of this fleet are taken"):
        add(workspace, "dave")


def test_a_tombstone_of_an_earlier_tenant_of_that_name_and_slot_forbids_nothing(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    left_behind(fleet.hosts["web-2"], epoch=1_790_000_000)  # a fence counts in seconds
    remove(workspace)
    again = add(workspace, "alice", "web-2")
    assert (again.slot, again.epoch) == (1, 1_790_000_001)
    assert deploy(workspace, "alice").outcome == "done"
    file = fleet.root / "inventory/tenants/alice.yaml"
    file.write_text(file.read_text().replace("epoch: 1790000001\n", "").replace("web-2", "web-1"))
    left_behind(fleet.hosts["web-1"], epoch=1_790_000_000)
    with pytest.raises(StateError, match="alice moved from this host to web-2"):  # the control
        deploy(workspace, "alice")


def test_a_silent_host_keeps_the_slot_until_it_answers(fleet: MemoryFleet) -> None:
    """It may be the host that alice was moved from, with her data, or one that a fence left for dead."""
    fleet.hosts["web-2"].dead = True
    workspace = fleet.workspace()
    assert list(remove(workspace).missing) == ["web-2"]
    with pytest.raises(InventoryError, match="all 4095 slots") as refused:
        add(workspace, "carol")
    assert refused.value.hint == "free the slots of removed tenants (alice): launchpad tenant remove TENANT"
    fleet.hosts["web-2"].dead = False
    assert slot_of_removed(workspace, "alice") == 1
    assert free_slot(workspace, ALICE, 1).missing == {}
    assert slot_of_removed(workspace, "alice") is None
    assert add(workspace, "carol").slot == 1


def test_kept_data_keeps_the_slot_until_it_is_purged(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    (why,) = remove(workspace, purge=False).missing.values()
    assert why == "web-1 still has alice: launchpad retire alice --host web-1 --purge"
    what = plan_retirement(workspace, "alice", host="web-1", purge=True)
    retire(workspace, what, confirm=what.digest)
    assert free_slot(workspace, ALICE, 1).missing == {}


def test_a_running_operation_keeps_the_slot(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    workspace.fleet.remove_tenant(ALICE)
    fleet.hosts["web-1"].stuck = {"alice"}
    what = plan_retirement(workspace, "alice", host="web-1", purge=True)
    operation = {"kind": "retire", "tenant": "alice", "purge": what.purge}
    body = {"id": "retire-000001", "operation": operation, "secrets": {}, "follow": False}
    host = workspace.fleet.load().host("web-1")
    assert workspace.hosts is not None
    with workspace.hosts.reach(host) as runner:
        list(runner.exchange("submit", body))
    assert free_slot(workspace, ALICE, 1).missing == {"web-1": "web-1: an operation on alice is running"}


def test_a_host_that_comes_back_after_it_was_removed_runs_nobody_else_in_the_slot(fleet: MemoryFleet) -> None:
    """web-1 was given up with alice on it, and is bought again."""
    workspace = fleet.workspace()
    workspace.fleet.remove_tenant(ALICE)
    hosts = fleet.root / "inventory/hosts.yaml"
    both = hosts.read_text()
    workspace.fleet.remove_host(HostName("web-1"))
    assert free_slot(workspace, ALICE, 1).missing == {}
    hosts.write_text(both)
    assert add(workspace, "carol", "web-1").slot == 1
    with pytest.raises(StateError, match="slot: 1 belongs to alice on this host") as refused:
        deploy(workspace, "carol")
    assert "launchpad retire alice --host" in refused.value.hint
    assert fleet.runs("alice")


def test_a_workspace_from_an_old_backup_gets_nobody_into_a_slot_in_use(fleet: MemoryFleet, tmp_path: Path) -> None:
    """In the backup the slot is free; carol has it since."""
    workspace = fleet.workspace()
    remove(workspace)
    shutil.copytree(fleet.root.parent, tmp_path / "backup")
    add(workspace, "carol")
    assert deploy(workspace, "carol").outcome == "done"
    old = fleet.workspace(tmp_path / "backup" / fleet.root.name)
    assert add(old, "dave", "web-1").slot == 1
    with pytest.raises(StateError, match="slot: 1 belongs to carol on this host"):
        deploy(old, "dave")
    assert fleet.runs("carol")


def test_of_two_clones_that_give_the_same_slot_again_one_tenant_gets_another(
    fleet: MemoryFleet, tmp_path: Path
) -> None:
    workspace = fleet.workspace()
    remove(workspace)
    slots = fleet.root / "inventory/slots.yaml"
    slots.write_text(
        slots.read_text().replace("free:\n- 1\n", "free:\n- 1\n- 7\n").replace("  1: 2\n", "  1: 2\n  7: 9\n")
    )
    assert "- 7" in slots.read_text()
    shutil.copytree(fleet.root.parent, tmp_path / "clone")
    clone = tmp_path / "clone" / fleet.root.name
    assert add(fleet.workspace(clone), "dave", "web-2").slot == 1
    assert add(workspace, "carol").slot == 1
    for folder in ("tenants", "secrets"):
        shutil.copy(clone / f"inventory/{folder}/dave.yaml", fleet.root / f"inventory/{folder}")
    with pytest.raises(InventoryMistakes, match="slot 1 belongs to carol"):
        workspace.fleet.check()
    dave = renumber(workspace, "dave")
    assert (dave.slot, dave.epoch) == (7, 9)
    assert deploy(workspace, "carol").outcome == deploy(workspace, "dave").outcome == "done"


def test_a_tenant_brought_back_from_git_into_a_free_slot_is_a_mistake(fleet: MemoryFleet) -> None:
    file = fleet.root / "inventory/tenants/alice.yaml"
    before = file.read_bytes()
    workspace = fleet.workspace()
    remove(workspace)
    file.write_bytes(before)
    with pytest.raises(InventoryMistakes, match="slot 1 is free: its tenant was removed and deleted on every host"):
        workspace.fleet.check()
    file.unlink()
    assert add(workspace, "alice").epoch == 2


def test_another_customer_of_the_same_name_never_gets_the_data_of_the_first(fleet: MemoryFleet) -> None:
    """web-1 was given up with alice on it; a new alice, in the same slot, comes to the web-1 that was bought again."""
    workspace = fleet.workspace()
    workspace.fleet.remove_tenant(ALICE)
    hosts = fleet.root / "inventory/hosts.yaml"
    both = hosts.read_text()
    workspace.fleet.remove_host(HostName("web-1"))
    free_slot(workspace, ALICE, 1)
    hosts.write_text(both)
    assert add(workspace, "alice", "web-1").epoch == 2
    with pytest.raises(StateError, match="web-1: alice: this host still has an earlier tenant of that name") as refused:
        deploy(workspace, "alice")
    assert refused.value.hint.endswith("launchpad retire alice --purge")
    what = plan_retirement(workspace, "alice", purge=True)
    retire(workspace, what, confirm=what.digest)
    assert deploy(workspace, "alice").outcome == "done"
