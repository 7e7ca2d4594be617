"""The same command typed again after its client was killed: its own operation, never another one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import StateError
from launchpad.events import CameBack, Committed, HeardEvent, OnEvent, OperationStarted, ignore
from launchpad.journal.begun import BegunFolder
from launchpad.operations.generations.snapshot import copy, snapshot
from launchpad.operations.observation.attach import attach
from launchpad.operations.requests.again import Wish, find, reported
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.following import Patience
from launchpad.operations.tenants.deploy import deploy
from launchpad.operations.tenants.restart import restart
from launchpad.operations.tenants.written_version import VersionOutcome, come_back_to_version
from launchpad.operations.versions.rollback import Back, plan_rollback, rollback
from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade
from launchpad.runner import engine
from launchpad.workspace import Workspace
from tests.memory.fleet import MemoryFleet, memory_fleet

WISH = Wish(kind="rollback", tenant="alice", words={"to": ""})


class Killed(BaseException):
    """The client is gone."""


@pytest.fixture
def fleet(tmp_path: Path) -> MemoryFleet:
    """Alice, upgraded twice: what runs is 2.0.0, and before it ran 1.1.0 and 1.0.0."""
    made = memory_fleet(tmp_path, {"alice": "web-1"})
    workspace = made.workspace()
    for version in ("1.1.0", "2.0.0"):
        what = plan_upgrade(workspace, "alice", UpgradeRequest(version=version, soak_seconds=0, rehearse=False))
        assert upgrade(workspace, what, confirm=Confirmation(digest=what.digest)).outcome == "done"
    return made


@pytest.fixture
def workspace(fleet: MemoryFleet) -> Workspace:
    """As the command line opens it."""
    opened = fleet.workspace()
    return replace(opened, begun=BegunFolder(opened.root))


def version_in(workspace: Workspace) -> str:
    return str(workspace.fleet.load().tenant("alice").version)


def typed(workspace: Workspace, *, identifier: str = "", on_event: OnEvent = ignore) -> VersionOutcome:
    """What `launchpad rollback alice --yes` does, up to the report of its end."""
    if found := find(workspace, WISH, identifier=identifier):
        return come_back_to_version(workspace, found, on_event=on_event)
    what = plan_rollback(workspace, "alice", Back())
    sure = Confirmation(digest=what.digest, identifier=identifier, words=WISH.words)
    return rollback(workspace, what, confirm=sure, on_event=on_event)


def killed_at(kind: type[Any]) -> OnEvent:
    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, kind):
            raise Killed

    return hear


@pytest.mark.parametrize("moment", [OperationStarted, Committed])
def test_a_rollback_whose_client_was_killed_is_not_done_twice(
    fleet: MemoryFleet, workspace: Workspace, moment: type[Any]
) -> None:
    with pytest.raises(Killed):
        typed(workspace, on_event=killed_at(moment))
    told: list[HeardEvent] = []
    done = typed(workspace, on_event=told.append)
    assert (done.outcome, done.version, fleet.runs("alice"), version_in(workspace)) == ("done", *["1.1.0"] * 3)
    assert len(fleet.operations("alice", "rollback")) == 1
    assert isinstance(told[0].event, CameBack)
    assert told[0].event.outcome == "done"

    reported(workspace, done.id)
    assert typed(workspace).version == "1.0.0", "a second rollback, meant as one"


def test_a_newer_note_that_no_host_heard_of_hides_no_operation(fleet: MemoryFleet, workspace: Workspace) -> None:
    """Of a client that was killed before it asked; a first provision leaves one each time it is typed."""
    with pytest.raises(Killed):
        typed(workspace, on_event=killed_at(OperationStarted))
    assert workspace.begun is not None
    (noted,) = workspace.begun.all()
    workspace.begun.note(replace(noted, id="0zzzzzzzz-zzzzz", at=noted.at + 1))
    found = find(workspace, WISH)
    assert found is not None and found.entry.id == noted.id


def test_one_that_still_goes_on_is_followed_to_its_end(fleet: MemoryFleet, workspace: Workspace) -> None:
    fleet.hosts["web-1"].stuck.add("alice")
    what = plan_rollback(workspace, "alice", Back())
    sure = Confirmation(digest=what.digest, words=WISH.words, patience=Patience(within=1))
    assert rollback(workspace, what, confirm=sure).outcome == "running"
    (identifier,) = fleet.operations("alice", "rollback")
    found = find(workspace, WISH)
    assert found is not None
    assert (found.entry.id, found.entry.outcome) == (identifier, "")
    engine.carry_out(fleet.hosts["web-1"], identifier)
    assert typed(workspace).id == identifier


def test_an_id_names_the_same_operation_also_where_nothing_was_noted(fleet: MemoryFleet) -> None:
    workspace = fleet.workspace()
    with pytest.raises(Killed):
        typed(workspace, identifier="the-same-one", on_event=killed_at(OperationStarted))
    assert typed(workspace, identifier="the-same-one").version == "1.1.0"
    assert version_in(workspace) == "1.1.0"
    assert len(fleet.operations("alice", "rollback")) == 1
    with pytest.raises(StateError, match="is a different operation: rollback of alice"):
        snapshot(workspace, "alice", identifier="the-same-one")


def test_attach_reports_it_too(fleet: MemoryFleet, workspace: Workspace) -> None:
    with pytest.raises(Killed):
        typed(workspace, on_event=killed_at(OperationStarted))
    (identifier,) = fleet.operations("alice", "rollback")
    assert isinstance(attach(workspace, identifier), VersionOutcome)
    assert version_in(workspace) == "1.1.0"


def test_what_was_undone_has_changed_nothing_and_is_begun_anew(fleet: MemoryFleet, workspace: Workspace) -> None:
    fleet.hosts["web-1"].sick.add(("alice", "1.1.0"))
    with pytest.raises(Killed):
        typed(workspace, on_event=killed_at(OperationStarted))
    fleet.hosts["web-1"].sick.clear()
    told: list[HeardEvent] = []
    assert find(workspace, WISH, on_event=told.append) is None
    assert [getattr(heard.event, "outcome", "") for heard in told] == ["undone"], "and it is told"
    assert (typed(workspace).version, len(fleet.operations("alice", "rollback"))) == ("1.1.0", 2)


def test_what_somebody_did_since_makes_it_another_command(fleet: MemoryFleet, workspace: Workspace) -> None:
    with pytest.raises(Killed):
        typed(workspace, on_event=killed_at(Committed))
    restart(fleet.workspace(), "alice")
    assert find(workspace, WISH) is None
    assert workspace.begun is not None
    assert workspace.begun.all() == []


def test_what_a_host_refused_leaves_no_note(fleet: MemoryFleet, workspace: Workspace) -> None:
    what = plan_rollback(workspace, "alice", Back())
    restart(workspace, "alice")
    stale = replace(what, release_before="0" * 12)
    with pytest.raises(StateError):
        rollback(workspace, stale, confirm=Confirmation(digest=stale.digest, words=WISH.words))
    assert find(workspace, WISH) is None


@pytest.mark.parametrize(("verb", "kind"), [(snapshot, "snapshot"), (restart, "restart")])
def test_for_an_hour_the_same_word_is_the_same_operation(
    fleet: MemoryFleet, workspace: Workspace, verb: Any, kind: str
) -> None:
    with pytest.raises(Killed):
        verb(workspace, "alice", on_event=killed_at(OperationStarted))
    first = verb(workspace, "alice")
    assert fleet.operations("alice", kind) == [first.id]
    workspace.clock.sleep(3601)
    assert verb(workspace, "alice").id != first.id, "after an hour it is meant"


def test_a_deploy_that_is_over_is_looked_at_anew(fleet: MemoryFleet, workspace: Workspace) -> None:
    with pytest.raises(Killed):
        deploy(workspace, "alice", on_event=killed_at(OperationStarted))
        raise Killed
    assert deploy(workspace, "alice").outcome == "unchanged"


def test_other_words_are_another_command(fleet: MemoryFleet, workspace: Workspace) -> None:
    with pytest.raises(Killed):
        typed(workspace, on_event=killed_at(Committed))
    assert find(workspace, replace(WISH, words={"to": "1.0.0"})) is None
    assert find(workspace, WISH) is not None


def test_what_is_a_part_of_a_command_is_done_each_time(fleet: MemoryFleet, workspace: Workspace) -> None:
    assert copy(workspace, "alice").id != copy(workspace, "alice").id, "an export is of the data of now"
