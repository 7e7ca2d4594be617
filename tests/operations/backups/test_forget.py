"""Thinning out: by credentials that no host has, at each remote target, with the key from beside the repository; and a
folder of a host by that host."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest

from launchpad.errors import HostError, InventoryError, StateError
from launchpad.fleet.words.names import SecretName, TargetName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup import backup
from launchpad.operations.backups.backup_keys import credentials
from launchpad.operations.backups.forget import Forgotten, erase, forget
from launchpad.operations.backups.local_restic import Progress
from launchpad.operations.backups.repositories import WorkOptions
from launchpad.runner.backups import keeping
from launchpad.workspace import Workspace
from tests.memory.host import MemoryHost
from tests.memory.hosts import MemoryHosts
from tests.memory.restic import forgotten
from tests.operations.backups.test_backup import DISK, OFFSITE, PASSWORD, host, workspace

__all__ = ["host", "workspace"]

OFFSITE_URL = OFFSITE[0]
PRUNER = {"REST_USER": "pruner", "REST_PASSWORD": "the-password-of-operators"}


def served(host: MemoryHost, asked: list[Mapping[str, Any]]) -> WorkOptions:
    """Does with the repositories in memory what restic would do, for the pruner alone."""

    def work(task: Mapping[str, Any], _progress: Progress) -> dict[str, Any]:
        asked.append(task)
        given = task["repository"]
        there = host.repositories.get((given["url"], task["tenant"]))
        if given["credentials"] != PRUNER:
            return {"failed": "401 Unauthorized", "code": 1}
        if task["do"] == "wraps":
            return {"result": {"wraps": there.wraps if there else []}}
        assert there is not None and given["password"] == there.password
        if task["do"] == "erase":
            del host.repositories[given["url"], task["tenant"]]
            return {"result": {"removed": [item["id"] for item in there.snapshots]}}
        return {"result": forgotten(there, task)}

    return WorkOptions(work=work)


@pytest.fixture
def backed_up(workspace: Workspace, host: MemoryHost) -> Workspace:
    for name, value in PRUNER.items():
        workspace.target_secrets.set(TargetName("offsite"), SecretName(f"PRUNE_{name}"), Secret(value))
    for _ in range(5):
        backup(workspace, "alice")
    return workspace


def test_the_first_look_from_here_deletes_nothing(backed_up: Workspace, host: MemoryHost) -> None:
    """Whom to believe is not known before: somebody may have dated backups back already."""
    waiting = (f"{1:064x}", f"{2:064x}")
    found = forget(backed_up, "alice", how=served(host, []))
    assert found["offsite"] == Forgotten(target="offsite", removed=(), left=5, waiting=waiting)
    assert len(host.repositories[OFFSITE].snapshots) == 5


def test_what_the_tier_does_not_keep_goes(backed_up: Workspace, host: MemoryHost) -> None:
    asked: list[Mapping[str, Any]] = []
    forget(backed_up, "alice", how=served(host, []))
    found = forget(backed_up, "alice", how=served(host, asked))
    assert found["offsite"] == Forgotten(target="offsite", removed=(f"{1:064x}", f"{2:064x}"), left=3)
    assert asked[-1]["keep"] == {"last": 3, "daily": 14, "weekly": 8, "monthly": 12}


def dated_back(host: MemoryHost) -> list[str]:
    """Somebody adds three, with dates before those of what is there."""
    there = host.repositories[OFFSITE].snapshots
    made = [{"id": f"{0xBAD + n:064x}", "time": f"2020-01-0{n}T00:00:00+00:00", "tags": []} for n in (1, 2, 3)]
    there += made
    return [str(item["id"]) for item in made]


def test_backups_that_are_dated_back_stop_it(backed_up: Workspace, host: MemoryHost) -> None:
    forget(backed_up, "alice", how=served(host, []))
    dated_back(host)
    for _ in range(2):
        said = forget(backed_up, "alice", how=served(host, []))["offsite"]
        assert isinstance(said, StateError) and "offsite: 3 new backups of alice (00000000" in said.message
        assert "--out-of-order delete" in said.hint
    assert len(host.repositories[OFFSITE].snapshots) == 8


def test_operators_say_what_with_those_that_are_dated_back(backed_up: Workspace, host: MemoryHost) -> None:
    forget(backed_up, "alice", how=served(host, []))
    bad = dated_back(host)
    said = forget(backed_up, "alice", odd="delete", how=served(host, []))["offsite"]
    assert isinstance(said, Forgotten) and set(bad) < set(said.removed) and said.left == 3
    bad = dated_back(host)
    said = forget(backed_up, "alice", odd="keep", how=served(host, []))["offsite"]
    assert isinstance(said, Forgotten) and set(said.removed) == set(bad), "the rules do not keep what is so old"


def test_the_proven_one_stays_wherever_it_lies(backed_up: Workspace, host: MemoryHost) -> None:
    first = host.repositories[OFFSITE].snapshots[0]
    proof = {
        "target": "offsite",
        "snapshot": first["id"],
        "generation": first["tags"][0].partition("=")[2],
        "proven": 1.0,
    }
    host.write(keeping.proof("alice"), json.dumps(proof).encode(), mode=0o600)
    for _ in range(2):
        forget(backed_up, "alice", how=served(host, []))
    assert host.repositories[OFFSITE].snapshots[0] == first and len(host.repositories[OFFSITE].snapshots) == 4


def test_a_host_that_is_gone_stops_no_thinning_elsewhere(backed_up: Workspace, host: MemoryHost) -> None:
    forget(backed_up, "alice", how=served(host, []))
    assert isinstance(backed_up.hosts, MemoryHosts)
    backed_up.hosts.failures += [HostError("web-1: timed out")] * 9
    found = forget(backed_up, "alice", how=served(host, []))
    assert found["offsite"] == Forgotten(target="offsite", removed=(f"{1:064x}", f"{2:064x}"), left=3)
    assert isinstance(found["disk"], HostError)


def test_what_was_seen_that_cannot_be_read_is_told(backed_up: Workspace, host: MemoryHost) -> None:
    forget(backed_up, "alice", how=served(host, []))
    (backed_up.state / "seen/offsite/alice.json").write_text("{")
    said = forget(backed_up, "alice", how=served(host, []))["offsite"]
    assert isinstance(said, StateError) and said.hint.startswith("rm ")


def test_a_folder_on_the_host_is_thinned_out_there(backed_up: Workspace, host: MemoryHost) -> None:
    asked: list[Mapping[str, Any]] = []
    found = forget(backed_up, "alice", how=served(host, asked))
    assert found["disk"] == Forgotten(target="disk", removed=(f"{1:064x}", f"{2:064x}"), left=3)
    assert len(host.repositories[DISK].snapshots) == 3
    assert {task["repository"]["name"] for task in asked} == {"offsite"}


def test_what_the_host_refuses_stops_no_other_target(backed_up: Workspace, host: MemoryHost) -> None:
    host.repositories[DISK].snapshots[-1]["time"] = "2099-01-01T00:00:00+00:00"
    found = forget(backed_up, "alice", how=served(host, []))
    assert isinstance(found["offsite"], Forgotten) and not isinstance(found["disk"], Forgotten)
    assert "dated in the future" in found["disk"].message


def test_a_lock_that_does_not_go_says_what_to_do(backed_up: Workspace) -> None:
    locked = {"failed": "restic: repository is already locked by PID 7 on web-1", "code": 11}
    said = forget(backed_up, "alice", how=WorkOptions(work=lambda _task, _progress: locked))["offsite"]
    assert not isinstance(said, Forgotten) and "PID 7 on web-1" in said.message and "half an hour" in said.hint


def test_only_a_tenant_that_is_no_more_is_erased(backed_up: Workspace, host: MemoryHost) -> None:
    target = backed_up.fleet.load().target("offsite")
    with pytest.raises(StateError, match="folder on a host") as caught:
        erase(backed_up, "alice", backed_up.fleet.load().target("disk"), how=served(host, []))
    assert "rm -r" not in caught.value.hint and "launchpad tenant remove alice" in caught.value.hint
    with pytest.raises(StateError, match="alice is still in the inventory"):
        erase(backed_up, "alice", target, how=served(host, []))
    (backed_up.root / "inventory/tenants/alice.yaml").unlink()
    assert len(erase(backed_up, "alice", target, how=served(host, [])).removed) == 5
    assert OFFSITE not in host.repositories
    with pytest.raises(StateError, match="folder on a host"):
        erase(backed_up, "alice", backed_up.fleet.load().target("disk"), how=served(host, []))


def test_no_host_gets_what_deletes(backed_up: Workspace) -> None:
    sent = credentials(backed_up, list(backed_up.fleet.load().targets.values()))
    assert {item["value"] for item in sent.values()} == {"hosts", PASSWORD}


def test_operators_may_delete_elsewhere_than_hosts_add(backed_up: Workspace, host: MemoryHost) -> None:
    file = backed_up.root / "inventory/targets.yaml"
    file.write_text(file.read_text().replace("append_only: true", "prune_url: 'https://inside.example.com'"))
    host.repositories["https://inside.example.com", "alice"] = host.repositories[OFFSITE]
    asked: list[Mapping[str, Any]] = []
    forget(backed_up, "alice", how=served(host, asked))
    assert {task["repository"]["url"] for task in asked} == {"https://inside.example.com"}


def test_a_credential_that_is_missing_is_named(backed_up: Workspace, host: MemoryHost) -> None:
    backed_up.target_secrets.remove(TargetName("offsite"), SecretName("PRUNE_REST_PASSWORD"))
    said = forget(backed_up, "alice", how=served(host, []))["offsite"]
    assert isinstance(said, StateError)
    assert said.hint == "launchpad target credential offsite PRUNE_REST_PASSWORD"
    assert len(host.repositories[OFFSITE].snapshots) == 5


def test_what_the_target_says_is_told(backed_up: Workspace, host: MemoryHost) -> None:
    backed_up.target_secrets.set(TargetName("offsite"), SecretName("PRUNE_REST_USER"), Secret("nobody"))
    said = forget(backed_up, "alice", how=served(host, []))["offsite"]
    assert not isinstance(said, Forgotten) and "offsite: 401 Unauthorized" in said.message


def test_a_tenant_without_backups_is_told(backed_up: Workspace) -> None:
    with pytest.raises(InventoryError, match="bob: tier bare has no backups"):
        forget(backed_up, "bob")
