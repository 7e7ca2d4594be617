"""Thinning out: by credentials that no host has, at each remote target, with the key from beside the repository."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.names import SecretName, TargetName
from launchpad.fleet.secret import Secret
from launchpad.operations.backup import backup
from launchpad.operations.backup_keys import credentials
from launchpad.operations.forget import Forgotten, Work, forget
from launchpad.workspace import Workspace
from tests.memory.host import MemoryHost
from tests.operations.test_backup import DISK, OFFSITE, PASSWORD, host, workspace

__all__ = ["host", "workspace"]

OFFSITE_URL = OFFSITE[0]
PRUNER = {"REST_USER": "pruner", "REST_PASSWORD": "the-password-of-operators"}


def served(host: MemoryHost, asked: list[Mapping[str, Any]]) -> Work:
    """Does with the repositories in memory what restic would do, for the pruner alone."""

    def work(task: Mapping[str, Any]) -> dict[str, Any]:
        asked.append(task)
        given = task["repository"]
        there = host.repositories.get((given["url"], task["tenant"]))
        if given["credentials"] != PRUNER:
            return {"failed": "401 Unauthorized", "code": 1}
        if task["do"] == "wraps":
            return {"result": {"wraps": there.wraps if there else []}}
        assert there is not None and given["password"] == there.password
        gone = there.snapshots[: -task["keep"]["last"]]
        there.snapshots[:] = there.snapshots[-task["keep"]["last"] :]
        return {"result": {"removed": [item["id"] for item in gone], "left": len(there.snapshots)}}

    return work


@pytest.fixture
def backed_up(workspace: Workspace, host: MemoryHost) -> Workspace:
    for name, value in PRUNER.items():
        workspace.target_secrets.set(TargetName("offsite"), SecretName(f"PRUNE_{name}"), Secret(value))
    for _ in range(5):
        backup(workspace, "alice")
    return workspace


def test_what_the_tier_does_not_keep_goes(backed_up: Workspace, host: MemoryHost) -> None:
    asked: list[Mapping[str, Any]] = []
    found = forget(backed_up, "alice", work=served(host, asked))
    assert found == {"offsite": Forgotten(target="offsite", removed=(f"{1:064x}", f"{2:064x}"), left=3)}
    assert asked[-1]["keep"] == {"last": 3, "daily": 14, "weekly": 8, "monthly": 12}


def test_a_folder_on_the_host_is_left_alone(backed_up: Workspace, host: MemoryHost) -> None:
    forget(backed_up, "alice", work=served(host, []))
    assert len(host.repositories[DISK].snapshots) == 5


def test_no_host_gets_what_deletes(backed_up: Workspace) -> None:
    sent = credentials(backed_up, list(backed_up.fleet.load().targets.values()))
    assert {item["value"] for item in sent.values()} == {"hosts", PASSWORD}


def test_operators_may_delete_elsewhere_than_hosts_add(backed_up: Workspace, host: MemoryHost) -> None:
    file = backed_up.root / "inventory/targets.yaml"
    file.write_text(file.read_text().replace("append_only: true", "prune_url: 'https://inside.example.com'"))
    host.repositories["https://inside.example.com", "alice"] = host.repositories[OFFSITE]
    asked: list[Mapping[str, Any]] = []
    forget(backed_up, "alice", work=served(host, asked))
    assert {task["repository"]["url"] for task in asked} == {"https://inside.example.com"}


def test_a_credential_that_is_missing_is_named(backed_up: Workspace, host: MemoryHost) -> None:
    backed_up.target_secrets.remove(TargetName("offsite"), SecretName("PRUNE_REST_PASSWORD"))
    said = forget(backed_up, "alice", work=served(host, []))["offsite"]
    assert isinstance(said, StateError)
    assert said.hint == "launchpad target credential offsite PRUNE_REST_PASSWORD"
    assert len(host.repositories[OFFSITE].snapshots) == 5


def test_what_the_target_says_is_told(backed_up: Workspace, host: MemoryHost) -> None:
    backed_up.target_secrets.set(TargetName("offsite"), SecretName("PRUNE_REST_USER"), Secret("nobody"))
    said = forget(backed_up, "alice", work=served(host, []))["offsite"]
    assert not isinstance(said, Forgotten) and "offsite: 401 Unauthorized" in said.message


def test_a_tenant_without_backups_is_told(backed_up: Workspace) -> None:
    with pytest.raises(InventoryError, match="bob: its tier bare has no backups"):
        forget(backed_up, "bob")
