"""plan with what differs, file by file: also when a secret changed too, and never with a secret's value."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launchpad.cli.planning import describe
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.tenants.plan_fleet import plan_fleet
from launchpad.runner import paths
from tests.memory.fleet import MemoryFleet, memory_fleet


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    made = memory_fleet(tmp_path, {"alice": "web-1", "bob": "web-1"})
    tiers = made.root / "inventory/tiers.yaml"
    tiers.write_text(tiers.read_text().replace("memory: 128MiB", "memory: 192MiB").replace("512MiB", "768MiB"))
    return made


def test_a_plan_shows_what_differs_in_each_file_also_when_a_secret_changed_too(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    workspace.secrets.set(TenantName("alice"), SecretName("ECHO_TOKEN"), Secret("the-new-value-of-it"))
    made = plan_fleet(workspace, show=True)
    assert sorted(made.diffs) == ["alice", "bob"]
    assert "compose.yaml" in made.diffs["alice"]
    told = describe(made)
    assert "deploy alice: secrets changed: ECHO_TOKEN" in told
    assert "compose.yaml, running release (-) and inventory (+):\n      @@ " in told
    assert "the-new-value-of-it" not in json.dumps(made.as_json()) + told
    assert made.digest == plan_fleet(workspace).digest, "to show it makes it no other plan"


def test_where_the_files_are_damaged_that_is_what_is_shown(fleet: MemoryFleet) -> None:
    host = fleet.hosts["web-1"]
    for path in [path for path in host.files if path.startswith(paths.releases("bob")) and "release.json" in path]:
        host.remove(path)
    made = plan_fleet(fleet.workspace(), show=True)
    assert "the running release's files are damaged" in describe(made)
    assert "compose.yaml" in made.diffs["alice"]
