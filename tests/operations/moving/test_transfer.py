"""A tenant's data from one host to another, through the operator's machine."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import HostError, StateError, StepFailed
from launchpad.fleet.model.host import Host
from launchpad.fleet.sealing.age import new_identity
from launchpad.operations.moving.transfer import Bringing, bring, leaving
from launchpad.runner import generation_records, paths
from launchpad.runner.provision.settings_record import SETTINGS, settings_from_json, stored_text
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.memory.hosts import MemoryHosts
from tests.operations.places import environment_of, write_workspace
from tests.runner.provision.settings import settings
from tests.runner.verbs.test_carrying import SECRET, with_alice

WANTED = Bringing(
    tenant="alice",
    slot=7,
    generation="arrived-000001",
    app="beacon",
    version="1",
    volumes=("state",),
    disk_mb=64,
)


@pytest.fixture
def there() -> MemoryHost:
    return MemoryHost()


@pytest.fixture
def workspace(tmp_path: Path, there: MemoryHost) -> Workspace:
    root = write_workspace(tmp_path / "fleet", {"web-1": 22, "web-2": 23}, {"alice": "web-1"})
    environment = environment_of(root)
    opened = Workspace.open(root, settings=Settings.of(environment, home=root.parent), environment=environment)
    here: Any = with_alice()
    know(here, list(map(str, opened.fleet.load().defaults.recipients)))
    hosts: Any = {"web-1": here, "web-2": there}
    return Workspace.open(
        root,
        settings=opened.settings,
        environment=environment,
        hosts=MemoryHosts(hosts, digest=""),
    )


def know(host: MemoryHost, recipients: list[str]) -> None:
    host.files[SETTINGS] = File(stored_text(settings_from_json(settings(recipients=recipients)), 1).encode())


def host(workspace: Workspace, name: str) -> Host:
    return workspace.fleet.load().host(name)


def test_it_comes_over_whole(workspace: Workspace, there: MemoryHost) -> None:
    with leaving(workspace, "alice", host(workspace, "web-1"), generation="generation-1") as archive:
        came = bring(workspace, host(workspace, "web-2"), WANTED, archive)
    assert came.files == archive.sent.files == 1
    (kept,) = generation_records.kept(there, "alice")
    assert there.files[f"{paths.generation('alice', kept.id)}/state/note"].data == SECRET


def test_a_generation_that_is_not_there_is_told_and_nothing_is_brought(workspace: Workspace, there: MemoryHost) -> None:
    with (
        pytest.raises(StateError, match="no generation 'generation-9'"),
        leaving(workspace, "alice", host(workspace, "web-1"), generation="generation-9") as archive,
    ):
        bring(workspace, host(workspace, "web-2"), WANTED, archive)
    assert there.names(paths.TENANTS) == []


def test_what_is_sealed_for_others_is_told_and_nothing_is_brought(workspace: Workspace, there: MemoryHost) -> None:
    hosts: Any = workspace.hosts
    know(hosts.hosts["web-1"], [str(new_identity()[1])])
    with (
        pytest.raises(StateError, match="alice: generation generation-1 is not sealed for you"),
        leaving(workspace, "alice", host(workspace, "web-1"), generation="generation-1") as archive,
    ):
        bring(workspace, host(workspace, "web-2"), WANTED, archive)
    assert there.names(paths.TENANTS) == []


def test_what_breaks_in_the_middle_is_raised_where_it_is_taken(workspace: Workspace, there: MemoryHost) -> None:
    def cut() -> Iterator[bytes]:
        yield b"x" * 1000
        raise HostError("web-1: the connection broke")

    with pytest.raises(HostError, match="the connection broke"):
        bring(workspace, host(workspace, "web-2"), WANTED, cut())
    assert there.names(paths.TENANTS) == []


def test_what_is_no_archive_is_a_failed_step(workspace: Workspace) -> None:
    with pytest.raises(StepFailed, match="the archive is not a tar"):
        bring(workspace, host(workspace, "web-2"), WANTED, [b"x" * 4096])


def test_who_takes_no_more_leaves_no_thread_behind(workspace: Workspace) -> None:
    before = threading.active_count()
    with leaving(workspace, "alice", host(workspace, "web-1"), generation="generation-1") as archive:
        del archive
    assert threading.active_count() == before
