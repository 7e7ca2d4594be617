"""A tenant whose host is gone for good: its newest backup runs elsewhere, and whoever comes back too late is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.words.names import SecretName, TargetName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup import backup
from launchpad.operations.moving.fence_move import fence
from launchpad.operations.moving.move import plan_move
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.tenants.deploy import deploy
from launchpad.operations.tenants.retire import plan_retirement, retire
from launchpad.operations.tenants.stop import stop
from launchpad.runner import paths
from launchpad.runner.plan import read_record
from tests.operations.cuts import Cuts
from tests.operations.places import settle_by
from tests.operations.two_hosts import NOTE, Place, a_place

PROOF = "deleted at the provider, ticket 4711"
TARGETS = "offsite: {kind: rest, url: 'https://backup.example.com', append_only: true}\n"
TIERS = "light: {memory: 128MiB, cpus: 0.5, pids: 64, disk: 1GiB, backup: {targets: [offsite]}}\n"


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """alice on web-1, with a backup, and web-1 off."""
    place = a_place(tmp_path / "fleet")
    root = place.workspace.root
    (root / "inventory/targets.yaml").write_text(TARGETS)
    (root / "inventory/tiers.yaml").write_text(TIERS)
    for name, value in (("REST_USER", "hosts"), ("REST_PASSWORD", "secret")):
        place.workspace.target_secrets.set(TargetName("offsite"), SecretName(name), Secret(value))
    for host in (place.here, place.there):
        settle_by(place.workspace, host)
    assert backup(place.workspace, "alice").complete
    place.there.repositories = place.here.repositories
    place.hosts.off.add("web-1")
    return place


def fenced(place: Place, proof: str = PROOF) -> Outcome:
    what = plan_move(place.workspace, "alice", to="web-2")
    return fence(place.workspace, what, proof=proof, confirm=Confirmation(digest=what.digest))


def on_the_new_host(place: Place) -> None:
    record = read_record(place.there, "alice") or {}
    assert place.there.request("alice.example.com") == record["release"]
    assert place.there.files[f"{paths.data('alice')}/state/note"].data == NOTE
    assert "web-2" in place.file.read_text()
    assert PROOF.encode() in b"".join(item.data for path, item in place.there.files.items() if "operation.json" in path)


def test_the_newest_backup_runs_on_the_other_host(place: Place) -> None:
    fenced(place)
    on_the_new_host(place)
    place.there.reboot()
    assert fenced(place).outcome in ("done", "unchanged")
    on_the_new_host(place)


def test_a_host_that_answers_is_not_gone(place: Place) -> None:
    place.hosts.off.clear()
    with pytest.raises(StateError, match="web-1 answers, so it is not permanently off"):
        fenced(place)
    assert read_record(place.there, "alice") is None


def test_nothing_is_done_without_a_proof_or_a_backup(place: Place) -> None:
    with pytest.raises(StateError, match="sure that web-1 is off"):
        fenced(place, proof=" ")
    (place.workspace.root / "inventory/tiers.yaml").write_text(TIERS.replace(", backup: {targets: [offsite]}", ""))
    with pytest.raises(InventoryError, match="has no backups"):
        fenced(place)
    assert read_record(place.there, "alice") is None and "web-1" in place.file.read_text()


def test_a_backup_of_another_version_is_told_before_anything_happens(place: Place) -> None:
    for item in place.there.repositories["https://backup.example.com", "alice"].snapshots:
        item["tags"] = [tag.replace("version=1.0.0", "version=0.9.0") for tag in item["tags"]]
    with pytest.raises(
        StateError, match=r"newest backup has version 0\.9\.0, but the inventory has version 1\.0\.0"
    ) as caught:
        fenced(place)
    assert "version: 0.9.0" in caught.value.hint
    assert read_record(place.there, "alice") is None and "web-1" in place.file.read_text()


def test_without_any_backup_nothing_happens(place: Place) -> None:
    place.there.repositories = {}
    with pytest.raises(StateError, match="no target has a backup of alice"):
        fenced(place)
    assert read_record(place.there, "alice") is None and "web-1" in place.file.read_text()


def test_who_runs_there_already_is_not_said_to_be_restored(place: Place) -> None:
    assert fenced(place).outcome == "done"
    assert fenced(place).outcome == "unchanged"


def test_who_is_stopped_there_keeps_the_newer_data(place: Place) -> None:
    fenced(place)
    note = f"{paths.data('alice')}/state/note"
    place.there.files[note] = replace(place.there.files[note], data=b"newer than the backup")
    stop(place.workspace, "alice")
    generations = place.there.names(paths.generations("alice"))
    assert fenced(place).outcome == "done"
    assert place.there.files[note].data == b"newer than the backup"
    assert place.there.names(paths.generations("alice")) == generations, "nothing was fetched"


def test_who_was_moved_and_is_stopped_keeps_the_newer_data(place: Place) -> None:
    place.hosts.off.clear()
    place.move()
    note = f"{paths.data('alice')}/state/note"
    place.there.files[note] = replace(place.there.files[note], data=b"newer than the backup")
    stop(place.workspace, "alice")
    place.hosts.off.add("web-1")
    assert fenced(place).outcome == "done"
    assert place.there.files[note].data == b"newer than the backup"


def test_who_comes_back_is_retired(place: Place) -> None:
    """It was told nothing, so it runs her too until somebody ends it."""
    fenced(place)
    place.hosts.off.clear()
    assert place.writers() == 2
    what = plan_retirement(place.workspace, "alice", host="web-1")
    retire(place.workspace, what, confirm=what.digest)
    assert place.writers() == 1
    on_the_new_host(place)
    assert deploy(place.workspace, "alice").outcome == "unchanged"


def test_cut_at_any_request_it_goes_on(place: Place) -> None:
    saved = place.saved()

    def begin() -> None:
        place.restore(saved)
        place.there.repositories = place.here.repositories
        place.hosts.off.add("web-1")

    def judge() -> None:
        fenced(place)
        on_the_new_host(place)

    Cuts(place=place, begin=begin, work=lambda: fenced(place), judge=judge).operator_dies(stride=3, settle=False)
