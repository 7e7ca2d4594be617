"""The contract of a FleetStore, on a folder: a change happens whole, or raises and leaves everything as it was."""

from __future__ import annotations

import resource
import threading
from pathlib import Path
from typing import Any

import pytest
from reach import watched

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.fleet.keeping.store import FolderStore, NewTenant
from launchpad.fleet.reading.inventory_files import Snapshot
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import AppName, DomainName, HostName, TenantName, TierName, VersionName
from tests.fleet.inventory import RIGHT, digest_of_folder, store, write


def new(tenant: str, **changes: Any) -> NewTenant:
    fields: dict[str, Any] = {
        "name": TenantName(tenant),
        "app": AppName("echo"),
        "tier": TierName("light"),
        "host": HostName("web-2"),
        "domains": (DomainName(f"{tenant}.example.com"),),
    }
    return NewTenant(**{**fields, **changes})


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write(tmp_path)


def test_a_new_tenant_gets_the_next_slot_and_the_newest_version(root: Path) -> None:
    tenant = store(root).add_tenant(new("carol", variables={"greeting": "yes", "count": 3}))
    assert (tenant.slot, tenant.version) == (3, "1.1.0")
    assert (root / "inventory/tenants/carol.yaml").read_text() == (
        "# yaml-language-server: $schema=../.schema/tenant.json\n"
        "slot: 3\napp: echo\nversion: 1.1.0\ntier: light\nhost: web-2\n"
        "domains:\n  - carol.example.com\nvariables:\n  greeting: yes\n  count: 3\n"
    )
    assert store(root).load().tenant("carol") == tenant


def test_a_slot_is_never_given_again(root: Path) -> None:
    fleet = store(root)
    fleet.add_tenant(new("carol"))
    assert fleet.remove_tenant(TenantName("carol")).slot == 3
    assert fleet.add_tenant(new("dave")).slot == 4
    assert fleet.add_tenant(new("carol")).slot == 5
    assert fleet.load().highest_slot == 5


def test_a_slot_of_a_tenant_that_was_only_written_by_hand_counts_too(root: Path) -> None:
    write(root, {"inventory/tenants/bob.yaml": RIGHT["inventory/tenants/bob.yaml"].replace("slot: 2", "slot: 40")})
    assert store(root).add_tenant(new("carol")).slot == 41


def test_the_slot_of_a_tenant_that_was_written_by_hand_is_remembered_too(root: Path) -> None:
    by_hand = RIGHT["inventory/tenants/bob.yaml"].replace("slot: 2", "slot: 40")
    write(root, {"inventory/tenants/bob.yaml": by_hand})
    store(root).remove_tenant(TenantName("bob"))
    assert store(root).add_tenant(new("carol")).slot == 41
    write(root, {"inventory/tenants/dave.yaml": by_hand.replace("bob", "dave")})
    with pytest.raises(InventoryMistakes, match="slot 40 belonged to bob, which was removed"):
        store(root).check()
    (root / "inventory/tenants/dave.yaml").unlink()
    write(root, {"inventory/tenants/bob.yaml": by_hand})  # brought back from Git: it is its own slot
    assert store(root).load().tenant("bob").slot == 40


def test_all_slots_given(root: Path) -> None:
    write(root, {"inventory/slots.yaml": "highest: 4095\ngone: {}\n"})
    before = digest_of_folder(root)
    with pytest.raises(InventoryError, match="all 4095 slots"):
        store(root).add_tenant(new("carol"))
    assert digest_of_folder(root) == before


def test_a_freed_slot_is_given_when_no_other_is_left_and_each_time_with_a_higher_epoch(root: Path) -> None:
    fleet = store(root)
    bob = fleet.remove_tenant(TenantName("bob"))
    with pytest.raises(StateError, match="slot 2 no longer waits for the deletion of carol"):
        fleet.free_slot(bob.slot, above=0, replaces="carol")
    fleet.free_slot(bob.slot, above=0, replaces="bob")
    carol = fleet.add_tenant(new("carol"))
    assert (carol.slot, carol.epoch) == (3, 0), "a slot that nobody had comes first"
    slots = root / "inventory/slots.yaml"
    slots.write_text(slots.read_text().replace("highest: 3", "highest: 4095"))
    for epoch in (2, 3, 9):
        dave = fleet.add_tenant(new("dave"))
        assert (dave.slot, dave.epoch, fleet.load().free_slots) == (2, epoch, {})
        with pytest.raises(InventoryError, match="all 4095 slots of this fleet are taken"):
            fleet.add_tenant(new("erin"))
        fleet.remove_tenant(dave.name)
        assert fleet.load().gone_slots == {2: "dave"}
        fleet.free_slot(2, above=8 if epoch == 3 else 0, replaces="dave")
    assert fleet.check().free_slots == {2: 10}


@pytest.mark.parametrize(
    ("ours", "theirs", "free"),
    [
        ("gone: {}\nfree: [7]\nepochs: {7: 3}\n", "gone: {7: zoe}\n", {}),
        ("gone: {}\nfree: [7]\nepochs: {7: 3}\n", "gone: {}\nfree: []\nepochs: {7: 3}\n", {}),
        ("gone: {}\nfree: [7]\nepochs: {7: 3}\n", "gone: {}\nfree: [7, 8]\nepochs: {7: 5, 8: 2}\n", {7: 5}),
    ],
)
def test_only_what_is_free_on_both_sides_of_a_conflict_is_free(
    root: Path, ours: str, theirs: str, free: dict[int, int]
) -> None:
    text = f"highest: 9\n<<<<<<< HEAD\n{ours}=======\n{theirs}>>>>>>> theirs\n"
    write(root, {"inventory/slots.yaml": text})
    assert store(root).load().free_slots == free


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": TenantName("bob")}, "exists already"),
        ({"domains": (DomainName("alice.example.com"),)}, "belongs to alice"),
        ({"domains": ()}, "no domain"),
        ({"host": HostName("web-9")}, "unknown host"),
        ({"tier": TierName("huge")}, "unknown tier"),
        ({"app": AppName("nothing")}, "no app nothing"),
        ({"version": VersionName("9")}, "has no version 9"),
        ({"variables": {"nothing": "x"}}, "takes no variable"),
    ],
)
def test_a_wrong_tenant_changes_nothing(root: Path, changes: dict[str, Any], said: str) -> None:
    before = digest_of_folder(root)
    with pytest.raises(LaunchpadError, match=said):
        store(root).add_tenant(new("carol", **changes))
    assert digest_of_folder(root) == before


def test_a_full_host_takes_no_tenant(root: Path) -> None:
    fleet = store(root)
    standard = {"tier": TierName("standard")}
    fleet.add_tenant(new("carol", **standard))
    before = digest_of_folder(root)
    with pytest.raises(InventoryMistakes, match="host web-2: 4GiB of memory allocated") as raised:
        fleet.add_tenant(new("dave", **standard))
    assert raised.value.hint == "nothing was changed"
    assert digest_of_folder(root) == before


def test_an_upgrade_changes_one_line(root: Path) -> None:
    path = root / "inventory/tenants/bob.yaml"
    path.write_text("# bob's\n" + RIGHT["inventory/tenants/bob.yaml"].replace("1.0.0", '"1.0.0"   # pinned'))
    before = path.read_text()
    tenant = store(root).set_tenant_version(TenantName("bob"), VersionName("1.1.0"), replaces=VersionName("1.0.0"))
    assert tenant.version == "1.1.0"
    assert path.read_text() == before.replace('"1.0.0"', "1.1.0")


def test_an_upgrade_of_another_version_is_refused(root: Path) -> None:
    before = digest_of_folder(root)
    with pytest.raises(StateError, match=r"has version: 1\.0\.0 instead of 1\.1\.0"):
        store(root).set_tenant_version(TenantName("bob"), VersionName("1.0.0"), replaces=VersionName("1.1.0"))
    assert digest_of_folder(root) == before


def test_hosts_come_and_go_without_touching_the_others(root: Path) -> None:
    path = root / "inventory/hosts.yaml"
    before = path.read_text()
    record = {"address": "203.0.113.9", "resources": {"memory": "8GiB", "cpus": 2.5, "disk": "80GiB"}}
    host = store(root).add_host(HostName("web-3"), record)
    assert (host.resources.memory.mb, host.resources.cpus) == (8192, 2.5)
    assert path.read_text().startswith(before)
    store(root).remove_host(HostName("web-3"))
    assert path.read_text() == before


def test_the_first_host(tmp_path: Path) -> None:
    (tmp_path / "launchpad.yaml").write_text("")
    record = {"address": "203.0.113.9", "resources": {"memory": "8GiB", "cpus": 2, "disk": "80GiB"}}
    FolderStore(tmp_path).add_host(HostName("web-1"), record)
    assert list(FolderStore(tmp_path).load().hosts) == ["web-1"]


def test_a_host_with_tenants_stays(root: Path) -> None:
    before = digest_of_folder(root)
    with pytest.raises(StateError, match="host web-1 has tenants: alice, bob"):
        store(root).remove_host(HostName("web-1"))
    assert digest_of_folder(root) == before


def test_a_change_behind_its_back_is_not_overwritten(root: Path) -> None:
    """An editor that saves between reading and writing: the edit is refused, and what was saved stays."""

    class Interrupted(FolderStore):
        def _parse(self, snapshot: Snapshot) -> Any:
            fleet = super()._parse(snapshot)
            (root / "inventory/hosts.yaml").write_text(RIGHT["inventory/hosts.yaml"] + "# saved meanwhile\n")
            return fleet

    with pytest.raises(StateError, match="somebody else changed the inventory meanwhile"):
        Interrupted(root, templates=store(root)._templates).add_tenant(new("carol"))
    assert not (root / "inventory/tenants/carol.yaml").exists()
    assert not (root / "inventory/slots.yaml").exists()
    assert (root / "inventory/hosts.yaml").read_text().endswith("# saved meanwhile\n")


def test_many_at_once_get_slots_of_their_own(root: Path) -> None:
    slots: list[int] = []

    def add(number: int) -> None:
        slots.append(store(root).add_tenant(new(f"t{number}")).slot)

    threads = [threading.Thread(target=add, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(slots) == [3, 4, 5, 6, 7, 8]
    assert len(store(root).load().tenants) == 8


def test_a_disk_that_refuses_leaves_no_half_file(root: Path) -> None:
    folder = root / "inventory/tenants"
    names = sorted(path.name for path in folder.iterdir())
    own = store(root)
    own.add_tenant(new("dora"))  # whatever else is written first is there already
    own.remove_tenant(TenantName("dora"))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8, before[1]))
    try:
        with pytest.raises(StateError, match="cannot be written: File too large"):
            own.add_tenant(new("carol"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sorted(path.name for path in folder.iterdir()) == names


def test_files_keep_their_modes(root: Path) -> None:
    path = root / "inventory/tenants/bob.yaml"
    path.chmod(0o640)
    store(root).set_tenant_version(TenantName("bob"), VersionName("1.1.0"), replaces=VersionName("1.0.0"))
    assert path.stat().st_mode & 0o777 == 0o640


def test_the_nearest_name_is_offered(root: Path) -> None:
    fleet = store(root).load()
    for find, name, nearest in (
        (fleet.tenant, "alcie", "alice"),
        (fleet.host, "web1", "web-1"),
        (fleet.app, "ehco", "echo"),
        (fleet.tier, "Standard", "standard"),
    ):
        with pytest.raises(InventoryError) as raised:
            find(name)
        assert raised.value.hint == f"did you mean {nearest}?"


def test_an_edit_judges_only_the_files_that_it_changes(root: Path) -> None:
    fleet = store(root)
    fleet.load()
    name = TenantName("bob")
    with watched() as found:
        fleet.set_tenant_version(name, VersionName("1.1.0"), replaces=VersionName("1.0.0"))
    validated = found.times("validate")
    for slot in range(10, 30):
        (root / f"inventory/tenants/more-{slot}.yaml").write_text(text_of(slot))
    assert len(fleet.load().tenants) == 22
    with watched() as found:
        fleet.set_tenant_version(name, VersionName("1.0.0"), replaces=VersionName("1.1.0"))
    assert found.times("validate") == validated


def text_of(slot: int) -> str:
    text = RIGHT["inventory/tenants/bob.yaml"].replace("slot: 2", f"slot: {slot}")
    return text.replace("bob.example.com", f"more-{slot}.example.com")


def test_a_tenant_whose_own_file_did_not_change_is_still_compared_with_the_others(root: Path) -> None:
    fleet = store(root)
    fleet.load()
    write(root, {"inventory/tenants/carol.yaml": RIGHT["inventory/tenants/bob.yaml"]})
    assert set(fleet.load().unreadable) == {"bob", "carol"}
    write(root, {"inventory/tenants/carol.yaml": None})
    assert fleet.load().tenant("bob").slot == 2


def test_the_settings_are_read_alone(root: Path) -> None:
    write(root, {"inventory/hosts.yaml": "nonsense: {\n"})
    fleet = store(root)
    assert fleet.defaults() == store(write(root / "right")).load().defaults
    write(root, {"launchpad.yaml": "gameday_every: 24h\n"})
    assert fleet.defaults().gameday_every.seconds == 24 * 3600
    write(root, {"launchpad.yaml": "gameday: 24h\n"})
    with pytest.raises(InventoryMistakes, match="unknown key gameday"):
        fleet.defaults()
