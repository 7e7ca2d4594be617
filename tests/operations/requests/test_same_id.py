"""The caller's id names one operation: asked for again it is attached to, whatever was committed meanwhile.

The ids of a compound operation's parts follow from its id: another process goes on with them and does none twice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.fleet.words.names import Label, SecretName, TargetName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup import BackedUp, backup, backup_all
from launchpad.operations.backups.backups import verify
from launchpad.operations.backups.fetch import drill, fetch
from launchpad.operations.backups.forget import Forgotten, forget
from launchpad.operations.backups.rewrap import rewrap
from launchpad.operations.hosts.prune import prune
from launchpad.operations.importing.export import HowToExport, export
from launchpad.operations.importing.import_tenant import HowToImport, checked, import_tenant
from launchpad.operations.moving.fence_move import fence
from launchpad.operations.moving.move import move, move_back, plan_move
from launchpad.operations.requests.again import Wish, find
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.history import history
from launchpad.operations.requests.identifiers import new_identifier, part_of
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.rollouts.rollout import RolloutRequest, plan_rollout, rollout
from launchpad.operations.tenants.apply import apply
from launchpad.operations.tenants.deploy import DeployOptions, deploy
from launchpad.operations.tenants.plan_fleet import plan_fleet
from launchpad.operations.tenants.retire import plan_retirement, retire
from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade
from launchpad.runner.journal import IDENTIFIER
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.memory.fleet import MemoryFleet, commit, memory_fleet
from tests.memory.hosts import MemoryHosts
from tests.operations.dying import die_everywhere
from tests.operations.importing.test_import import archive, host, imported, workspace
from tests.operations.places import settle_by
from tests.operations.two_hosts import Place, a_place
from tests.runner.verbs.view import MemoryView

__all__ = ["archive", "host", "workspace"]

ID = "the-callers-id"
HOW = DeployOptions(identifier=ID)
TARGETS = "offsite: {kind: rest, url: 'https://backup.example.com', append_only: true}\n"
DISK = "offsite: {kind: local, url: /mnt/disk}\n"
TIERS = "light: {memory: 128MiB, cpus: 0.5, pids: 64, disk: 1GiB, backup: {targets: [offsite]}}\n"


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    return memory_fleet(tmp_path / "first", {"alice": "web-1", "bob": "web-1", "zoe": "web-2"})


def changed(fleet: MemoryFleet, token: str, *names: str) -> None:
    for name in names or ("alice",):
        fleet.workspace().secrets.set(TenantName(name), SecretName("ECHO_TOKEN"), Secret(token))
    commit(fleet.root)


def test_a_commit_of_any_file_makes_a_deploy_no_other_one(fleet: MemoryFleet) -> None:
    changed(fleet, "another-token")
    assert deploy(fleet.workspace(), "alice", how=HOW).outcome == "done"
    for text in ("what bob wrote", "what carol wrote"):
        (fleet.root / "notes.txt").write_text(text)
        commit(fleet.root)
        again = deploy(fleet.workspace(), "alice", how=HOW)
        assert (again.id, again.outcome) == (ID, "done")
    assert fleet.operations("alice", "deploy").count(ID) == 1


def test_another_body_under_the_id_is_refused_with_what_differs(fleet: MemoryFleet) -> None:
    changed(fleet, "another-token")
    first = deploy(fleet.workspace(), "alice", how=HOW)
    changed(fleet, "a-third-token")
    with pytest.raises(StateError, match="exists already, and differs") as refused:
        deploy(fleet.workspace(), "alice", how=HOW)
    assert f"release {first.release} → " in refused.value.message
    assert f"launchpad attach {ID}" in refused.value.hint
    with pytest.raises(StateError, match="tenant alice → bob"):
        deploy(fleet.workspace(), "bob", how=HOW)
    with pytest.raises(StateError, match="replaces none → 0123456789ab"):
        deploy(fleet.workspace(), "alice", how=replace(HOW, replaces="0123456789ab"))


def test_other_words_under_the_id_are_refused_on_another_machine_too(fleet: MemoryFleet) -> None:
    what = plan_upgrade(fleet.workspace(), "alice", UpgradeRequest(version="1.1.0", soak_seconds=0, rehearse=False))
    sure = Confirmation(digest=what.digest, identifier=ID, words={"to": "1.1.0"})
    assert upgrade(fleet.workspace(), what, confirm=sure).outcome == "done"
    found = find(fleet.workspace(), Wish(kind="upgrade", tenant="alice", words={"to": "1.1.0"}), identifier=ID)
    assert found is not None and found.entry.id == ID
    with pytest.raises(StateError, match=r"asked for with other options: to 1\.1\.0 → 2\.0\.0"):
        find(fleet.workspace(), Wish(kind="upgrade", tenant="alice", words={"to": "2.0.0"}), identifier=ID)


def test_the_ids_of_parts_are_the_same_each_time_and_the_hosts_accept_them() -> None:
    for whole in (new_identifier(5.0), "a" * 40, "0-" * 19 + "0", "the-callers-id"):
        parts = {part_of(whole, *names) for names in (("a",), ("b",), ("a", "b"), ("ab",))}
        assert len(parts) == 4 and all(IDENTIFIER.fullmatch(f"{part}-in") for part in parts)
        assert part_of(whole, "a") in parts
    assert part_of("", "a") == ""


# --- on behalf of somebody


def on_behalf_of(workspace: Workspace, label: str) -> Workspace:
    return replace(workspace, settings=replace(workspace.settings, on_behalf_of=Label(label)))


def test_for_whom_somebody_acts_stands_beside_who_acts(fleet: MemoryFleet) -> None:
    changed(fleet, "another-token")
    deploy(on_behalf_of(fleet.workspace(operator="ann"), "customer 17"), "alice", how=HOW)
    (entry, first) = history(fleet.workspace(), ["alice"]).entries
    assert (entry.who, entry.on_behalf_of, entry.by) == ("ann", "customer 17", "ann for customer 17")
    assert (first.on_behalf_of, first.by) == ("", "alice")
    assert entry.as_json()["on_behalf_of"] == "customer 17"
    assert deploy(on_behalf_of(fleet.workspace(), "somebody else"), "alice", how=HOW).id == ID, "it names no operation"


@pytest.mark.parametrize("label", ["two\nlines", " space before", "x" * 81, "\x1b[31m", "a\u202eb"])
def test_a_label_that_is_no_short_line_is_refused_by_both_sides(fleet: MemoryFleet, label: str, tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match="LAUNCHPAD_ON_BEHALF_OF"):
        Settings.of({"LAUNCHPAD_ON_BEHALF_OF": label}, home=tmp_path)
    changed(fleet, "another-token")
    workspace = fleet.workspace()
    forged: Any = label
    with pytest.raises(LaunchpadError, match="on_behalf_of: expected one line"):
        deploy(replace(workspace, settings=replace(workspace.settings, on_behalf_of=forged)), "alice", how=HOW)
    assert ID not in fleet.operations("alice", "deploy")


# --- whoever goes on after a caller that died


def of_fleet(fleet: MemoryFleet, tmp_path: Path) -> Callable[[], tuple[Workspace, Mapping[str, Any]]]:
    """The beginning, again and again."""
    count = iter(range(1000))
    current: dict[str, MemoryFleet] = {}

    def begin() -> tuple[Workspace, Mapping[str, Any]]:
        current["fleet"] = fleet.copy(tmp_path / f"copy-{next(count)}")
        return current["fleet"].workspace(), current["fleet"].hosts

    begin.current = current  # type: ignore[attr-defined]
    return begin


def test_retire(fleet: MemoryFleet, tmp_path: Path) -> None:
    begin = of_fleet(fleet, tmp_path)

    def work(workspace: Workspace) -> None:
        what = plan_retirement(workspace, "alice")
        assert retire(workspace, what, confirm=what.digest, identifier=ID).id == ID

    assert die_everywhere(begin, work, lambda: None) >= 2


def test_apply(fleet: MemoryFleet, tmp_path: Path) -> None:
    changed(fleet, "another-token", "alice", "bob", "zoe")
    begin = of_fleet(fleet, tmp_path)

    def work(workspace: Workspace) -> None:
        (workspace.root / "notes.txt").write_text(f"{(workspace.root / 'notes.txt').exists()}")
        commit(workspace.root)
        applied = apply(workspace, confirm=plan_fleet(workspace).digest, identifier=ID)
        assert not applied.failures

    assert die_everywhere(begin, work, lambda: None, stride=2) >= 6


def test_prune(fleet: MemoryFleet, tmp_path: Path) -> None:
    for name in ("alice", "zoe"):
        what = plan_upgrade(fleet.workspace(), name, UpgradeRequest(version="1.1.0", soak_seconds=0, rehearse=False))
        upgrade(fleet.workspace(), what, confirm=Confirmation(digest=what.digest))
        gone = plan_retirement(fleet.workspace(), name)
        retire(fleet.workspace(), gone, confirm=gone.digest)
    begin = of_fleet(fleet, tmp_path)

    def work(workspace: Workspace) -> None:
        assert not [said for said in prune(workspace, identifier=ID).values() if isinstance(said, LaunchpadError)]

    assert die_everywhere(begin, work, lambda: None) >= 4


def test_a_rollout(fleet: MemoryFleet, tmp_path: Path) -> None:
    begin = of_fleet(fleet, tmp_path)

    def work(workspace: Workspace) -> None:
        (workspace.root / "notes.txt").write_text(f"{(workspace.root / 'notes.txt').exists()}")
        commit(workspace.root)
        what = plan_rollout(workspace, "echo", RolloutRequest(version="1.1.0", rehearse=False, identifier=ID))
        progress = rollout(workspace, what, confirm=Confirmation(digest=what.digest))
        assert {state.outcome for state in progress.states.values()} == {"changed"}
        with pytest.raises(
            StateError, match=r"exists already, and differs from this request: version 1\.1\.0 → 2\.0\.0"
        ):
            plan_rollout(workspace, "echo", RolloutRequest(version="2.0.0", rehearse=False, identifier=ID))

    assert die_everywhere(begin, work, lambda: None, stride=19) >= 6


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return a_place(tmp_path / "two/fleet")


def of_place(place: Place) -> Callable[[], tuple[Workspace, Mapping[str, Any]]]:
    saved = place.saved()

    def begin() -> tuple[Workspace, Mapping[str, Any]]:
        place.restore(saved)
        return place.workspace, place.hosts.hosts

    return begin


def test_a_move(place: Place) -> None:
    def work(workspace: Workspace) -> None:
        what = plan_move(workspace, "alice", to="web-2")
        move(workspace, what, confirm=Confirmation(digest=what.digest, identifier=ID))

    def judge() -> None:
        assert place.writers() == 1 and place.visit("web-2") == place.visit()

    assert die_everywhere(of_place(place), work, judge, stride=3) >= 10


def test_a_move_back(place: Place) -> None:
    place.there.behaviours = dict.fromkeys(place.there.registry, "crash")
    what = plan_move(place.workspace, "alice", to="web-2")
    with pytest.raises(OperationFailed):
        move(place.workspace, what, confirm=Confirmation(digest=what.digest, identifier="that-failed"))

    def work(workspace: Workspace) -> None:
        what = plan_move(workspace, "alice", to="web-2")
        done = move_back(workspace, what, confirm=Confirmation(digest=what.digest, identifier=ID))
        assert done.outcome == "done"

    def judge() -> None:
        assert place.writers() == 1 and place.visit("web-1") == place.visit()

    assert die_everywhere(of_place(place), work, judge) >= 6


def test_a_fence(place: Place) -> None:
    protect(place.workspace, TARGETS, place.both)
    assert backup(place.workspace, "alice").complete
    place.there.repositories = place.here.repositories
    begin = of_place(place)

    def off() -> tuple[Workspace, Mapping[str, Any]]:
        found = begin()
        place.there.repositories = place.here.repositories
        place.hosts.off.add("web-1")
        return found

    def work(workspace: Workspace) -> None:
        what = plan_move(workspace, "alice", to="web-2")
        fence(workspace, what, proof="off", confirm=Confirmation(digest=what.digest, identifier=ID))

    def judge() -> None:
        running = [box for box in place.there.boxes.values() if box.tenant == "alice" and box.state == "running"]
        assert running

    assert die_everywhere(off, work, judge) >= 20


def protect(workspace: Workspace, targets: str, hosts: Iterable[Any]) -> None:
    """Give the tier backups."""
    (workspace.root / "inventory/targets.yaml").write_text(targets)
    (workspace.root / "inventory/tiers.yaml").write_text(TIERS)
    for name, value in (("REST_USER", "hosts"), ("REST_PASSWORD", "secret")):
        workspace.target_secrets.set(TargetName("offsite"), SecretName(name), Secret(value))
    for one in hosts:
        settle_by(workspace, one)


@pytest.mark.parametrize("what", ["backup", "rewrap", "forget", "fetch", "drill", "verify"])
def test_what_concerns_backups(place: Place, what: str) -> None:
    protect(place.workspace, DISK, place.both)
    if what != "backup":
        for _ in range(4):
            assert backup(place.workspace, "alice").complete

    def work(workspace: Workspace) -> None:
        match what:
            case "backup":
                assert all(isinstance(said, BackedUp) for said in backup_all(workspace, identifier=ID).values())
            case "rewrap":
                rewrap(workspace, "alice", identifier=ID)
            case "forget":
                assert all(isinstance(said, Forgotten) for said in forget(workspace, "alice", identifier=ID).values())
            case "verify":
                verify(workspace, "alice", part="1/1", identifier=ID)
            case _:
                {"fetch": fetch, "drill": drill}[what](workspace, "alice", identifier=ID)

    assert die_everywhere(of_place(place), work, lambda: None) >= 4


def test_an_export(workspace: Workspace, host: MemoryView, archive: Path, tmp_path: Path) -> None:
    """Names from the tests of imports: a tenant of an app that has a layout of its own."""
    imported(workspace, archive)

    def work(workspace: Workspace) -> None:
        (tmp_path / "out.tgz").unlink(missing_ok=True)
        assert export(workspace, "alice", HowToExport(to=tmp_path / "out.tgz", identifier=ID)).generation == ID

    assert die_everywhere(of_host(workspace, host), work, lambda: None) >= 4


def test_an_import(workspace: Workspace, host: MemoryView, archive: Path) -> None:
    def work(workspace: Workspace) -> None:
        with checked(workspace, "alice", archive, HowToImport()) as found:
            if find(workspace, Wish(kind="import", tenant="alice"), identifier=ID) is not None:
                return
            sure = Confirmation(digest=found.what.digest, identifier=ID)
            assert import_tenant(workspace, found, confirm=sure).outcome == "done"

    assert die_everywhere(of_host(workspace, host), work, lambda: None) >= 6


def of_host(workspace: Workspace, host: MemoryView) -> Callable[[], tuple[Workspace, Mapping[str, Any]]]:
    saved = deepcopy(host)

    def begin() -> tuple[Workspace, Mapping[str, Any]]:
        hosts: Any = {"web-1": deepcopy(saved)}
        return replace(workspace, hosts=MemoryHosts(hosts, digest="")), hosts

    return begin
