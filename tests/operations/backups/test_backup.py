"""Backups from the operator's side: which key is whose, what is asked of hosts, and what is told when it cannot be."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.fleet.sealing.age import AgeIdentity
from launchpad.fleet.words.names import SecretName, TargetName
from launchpad.fleet.words.secret import Secret
from launchpad.journal.begun import BegunFolder
from launchpad.operations.backups.backup import BackedUp, backup, backup_all
from launchpad.operations.backups.backups import backups, todays_part, verify
from launchpad.operations.backups.fetch import drill, fetch
from launchpad.operations.backups.targets import try_target
from launchpad.operations.requests.again import reported
from launchpad.operations.requests.outcome import OperationFailed, Outcome
from launchpad.runner import engine, paths
from launchpad.runner.backups import keeping
from launchpad.runner.caller import Caller
from launchpad.runner.journal import Journal
from launchpad.runner.verbs.submit import submit
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.memory.hosts import MemoryHosts
from tests.memory.releases import deploy_body, release
from tests.operations.backups.kits import kit, opened
from tests.operations.places import environment_of, settle_by, tenant_yaml, write_workspace

DISK, OFFSITE = ("/mnt/disk", "alice"), ("https://backup.example.com", "alice")
TARGETS = """\
disk: {kind: local, url: /mnt/disk}
offsite: {kind: rest, url: 'https://backup.example.com', append_only: true}
"""
TIERS = """\
light: {memory: 128MiB, cpus: 0.5, pids: 64, disk: 1GiB, backup: {targets: [disk, offsite]}}
bare: {memory: 128MiB, cpus: 0.5, pids: 64, disk: 1GiB}
"""
PASSWORD = "the-password-of-offsite"


@pytest.fixture
def host() -> MemoryHost:
    """A host with alice on it, and a note in her data."""
    host = MemoryHost()
    made = release(slot=1)
    host.registry |= {service.image for service in made[0].services}
    list(submit(host, deploy_body("prepare-000001", made), Caller("ann")))
    engine.carry_out(host, "prepare-000001")
    host.files[f"{paths.data('alice')}/state/note"] = File(b"remember")
    return host


@pytest.fixture
def workspace(tmp_path: Path, host: MemoryHost) -> Workspace:
    root = write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"})
    (root / "inventory/targets.yaml").write_text(TARGETS)
    (root / "inventory/tiers.yaml").write_text(TIERS)
    (root / "inventory/tenants/bob.yaml").write_text(tenant_yaml(2, "web-1", "bob", tier="bare"))
    environment = environment_of(root)
    settings = Settings.of(environment, home=root.parent)
    provisioned: Any = host
    hosts = MemoryHosts({"web-1": provisioned}, digest="")
    opened = Workspace.open(root, settings=settings, environment=environment, hosts=hosts)
    for name, value in (("REST_USER", "hosts"), ("REST_PASSWORD", PASSWORD)):
        opened.target_secrets.set(TargetName("offsite"), SecretName(name), Secret(value))
    settle_by(opened, host)
    return opened


def test_a_backup_reaches_every_target_of_the_tier(workspace: Workspace, host: MemoryHost) -> None:
    done = backup(workspace, "alice")
    assert done.complete and [item.target for item in done.targets] == ["disk", "offsite"]
    assert set(host.repositories) == {DISK, OFFSITE}


def test_the_wrapped_key_opens_the_repository(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    (wrap,) = host.repositories[DISK].wraps
    opened = AgeIdentity(workspace.settings.identity).open(wrap, what="the key")
    assert opened.reveal() == host.repositories[DISK].password
    assert len(opened.reveal()) >= 43


def test_no_key_stands_in_the_workspace(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    key = host.repositories[DISK].password.encode()
    texts = [path.read_bytes() for path in workspace.root.rglob("*") if path.is_file()]
    assert not any(key in text or PASSWORD.encode() in text for text in texts)


def test_a_host_that_lost_its_key_gets_the_one_beside_the_repository(workspace: Workspace, host: MemoryHost) -> None:
    """A second key would make what was sent before unreadable, or the next backup impossible."""
    backup(workspace, "alice")
    key = host.repositories[DISK].password
    host.remove(paths.backup("alice"))
    assert backup(workspace, "alice").complete
    assert host.repositories[DISK].password == key
    assert len(host.repositories[DISK].snapshots) == 2


def test_no_key_is_made_while_a_target_cannot_say_whether_there_is_one(workspace: Workspace, host: MemoryHost) -> None:
    host.silent.add("https://backup.example.com")
    with pytest.raises(StateError, match="cannot check whether offsite has earlier backups") as caught:
        backup(workspace, "alice")
    assert caught.value.hint == "launchpad target show offsite"
    assert host.repositories == {}


def test_a_later_backup_reaches_the_targets_that_answer(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    host.silent.add("https://backup.example.com")
    done = backup(workspace, "alice")
    assert [(item.target, item.good) for item in done.targets] == [("disk", True), ("offsite", False)]
    assert "connection refused" in done.targets[1].message


def test_a_credential_that_is_missing_is_named(workspace: Workspace, host: MemoryHost) -> None:
    workspace.target_secrets.remove(TargetName("offsite"), SecretName("REST_PASSWORD"))
    with pytest.raises(StateError, match="target offsite: no REST_PASSWORD") as caught:
        settle_by(workspace, host)
    assert caught.value.hint == "launchpad target credential offsite REST_PASSWORD"


def test_a_tier_without_backups_is_told(workspace: Workspace) -> None:
    with pytest.raises(InventoryError, match="bob: tier bare has no backups"):
        backup(workspace, "bob")


def test_all_means_every_tenant_whose_tier_has_backups(workspace: Workspace) -> None:
    found = backup_all(workspace)
    assert list(found) == ["alice"] and isinstance(found["alice"], BackedUp)


def test_one_of_several_that_fails_is_told_and_stops_no_other(workspace: Workspace) -> None:
    found = backup_all(workspace, ["bob", "alice"])
    assert isinstance(found["bob"], LaunchpadError) and isinstance(found["alice"], BackedUp)


def test_a_damaged_database_says_which(workspace: Workspace, host: MemoryHost) -> None:
    host.damaged_databases.append("state/sessions.db")
    with pytest.raises(OperationFailed, match=r"alice: backup failed: state/sessions.db is a damaged database"):
        backup(workspace, "alice")


def test_backups_are_listed_newest_first(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    host.clock += 3600
    second = backup(workspace, "alice")
    found = backups(workspace, "alice").backups
    assert len(found) == 4
    assert {item.operation for item in found[:2]} == {second.outcome.id}


def test_a_repository_that_does_not_answer_is_a_problem_of_its_own(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    host.silent.add("/mnt/disk")
    found = backups(workspace, "alice")
    assert list(found.problems) == ["disk"] and [item.target for item in found.backups] == ["offsite"]


def test_a_backup_is_fetched_by_time_or_id(workspace: Workspace, host: MemoryHost) -> None:
    first = backup(workspace, "alice")
    host.clock += 3600
    host.files[f"{paths.data('alice')}/state/note"] = File(b"changed")
    backup(workspace, "alice")
    for at, note in (("", b"changed"), (first.targets[0].snapshot, b"remember")):
        done = fetch(workspace, "alice", at=at)
        assert host.files[f"{paths.generation('alice', done.id)}/state/note"].data == note


def test_a_new_host_fetches_with_the_key_beside_the_repository(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    host.remove(paths.backup("alice"))
    done = fetch(workspace, "alice")
    assert host.files[f"{paths.generation('alice', done.id)}/state/note"].data == b"remember"


def test_what_was_never_backed_up_cannot_be_fetched(workspace: Workspace) -> None:
    with pytest.raises(StateError, match="no target has a backup of alice"):
        fetch(workspace, "alice")


def test_a_time_before_the_first_backup_has_none(workspace: Workspace) -> None:
    backup(workspace, "alice")
    with pytest.raises(StateError, match="no backup 2020-01-01"):
        fetch(workspace, "alice", at="2020-01-01")


def test_a_drill_proves_the_newest_backup(workspace: Workspace, host: MemoryHost) -> None:
    done = backup(workspace, "alice")
    assert drill(workspace, "alice").outcome == "done"
    proof = json.loads(host.files[keeping.proof("alice")].data)
    assert proof["snapshot"] == done.targets[0].snapshot


def test_verify_reads_a_part_a_day(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    assert verify(workspace, "alice").outcome == "done"
    host.repositories[OFFSITE].damaged = True
    with pytest.raises(OperationFailed, match="alice: verify failed: offsite: "):
        verify(workspace, "alice")


def test_a_week_of_parts_is_the_whole() -> None:
    monday = 1_790_553_600.0
    parts = [todays_part(monday + day * 86_400) for day in range(7)]
    assert sorted(parts) == [f"{number}/7" for number in range(1, 8)]


def test_append_only_is_told_by_trying(workspace: Workspace, host: MemoryHost) -> None:
    assert not try_target(workspace, "offsite").good
    assert try_target(workspace, "offsite").append_only == "not enforced"
    host.append_only.add("https://backup.example.com")
    assert try_target(workspace, "offsite").append_only == "enforced"
    assert try_target(workspace, "disk").good  # it was promised nothing


def test_a_target_that_does_not_answer_says_why(workspace: Workspace, host: MemoryHost) -> None:
    host.silent.add("https://backup.example.com")
    found = try_target(workspace, "offsite")
    assert not found.reached and not found.good and "connection refused" in found.problem


def test_the_emergency_kit_opens_later_backups_and_credentials(workspace: Workspace, host: MemoryHost) -> None:
    file = workspace.root.parent / "kit.txt"
    kit(workspace, file)
    identity = workspace.root.parent / "recovered"
    identity.write_text(opened(file).identity.reveal())
    settle_by(workspace, host)
    backup(workspace, "alice")
    key = AgeIdentity(identity).open(host.repositories[DISK].wraps[0], what="the key")
    assert key.reveal() == host.repositories[DISK].password
    assert file.stat().st_mode & 0o777 == 0o600


def test_there_is_one_emergency_kit(workspace: Workspace) -> None:
    made = kit(workspace, workspace.root.parent / "kit.txt")
    assert workspace.fleet.load().defaults.recovery == made.recovery
    with pytest.raises(StateError, match="there is an emergency kit already"):
        kit(workspace, workspace.root.parent / "another.txt")
    assert not (workspace.root.parent / "another.txt").exists()


@pytest.mark.parametrize("work", [drill, fetch, verify])
def test_what_was_cut_off_and_is_typed_again_is_the_same_operation(
    workspace: Workspace, host: MemoryHost, work: Callable[..., Outcome]
) -> None:
    backup(workspace, "alice")
    opened = replace(workspace, begun=BegunFolder(workspace.root))

    def killed(_heard: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        work(opened, "alice", on_event=killed)
    first = work(opened, "alice")
    kinds = [(Journal(host, name).asked() or {})["operation"]["kind"] for name in host.names(paths.OPERATIONS)]
    assert (first.outcome, kinds.count(work.__name__)) == ("done", 1)
    reported(opened, first.id)
    assert work(opened, "alice").id != first.id
