"""upgrade, from the inventory to the request and back into the inventory; the host's answers are given."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from launchpad.errors import HostError, InventoryError, LaunchpadError, StateError
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.tenants.written_version import VersionOutcome
from launchpad.operations.versions.upgrade import Upgrade, UpgradeRequest, plan_upgrade, upgrade
from launchpad.workspace import Workspace
from tests.operations.past import (
    GENERATION,
    OLD,
    ending,
    file_of_alice,
    release_at,
    runs,
    submitted,
    workspace_with_a_past,
)
from tests.operations.places import TOKEN, behave, observed, replies, requests
from tests.ssh.sshd import Sshd


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    return workspace_with_a_past(tmp_path, sshd)


def planned(workspace: Workspace, version: str, **more: object) -> Upgrade:
    return plan_upgrade(workspace, "alice", UpgradeRequest(version=version, **more))  # type: ignore[arg-type]


def carried_out(workspace: Workspace, what: Upgrade) -> VersionOutcome:
    return upgrade(workspace, what, confirm=Confirmation(digest=what.digest))


def test_the_request_is_a_deploy_s_with_the_new_version_and_the_inventory_follows(
    workspace: Workspace, sshd: Sshd
) -> None:
    new = release_at(workspace, "1.1.0")
    behave(sshd, observe=runs("1.0.0"), submit=ending(release=new))
    before = file_of_alice(workspace)
    what = planned(workspace, "1.1.0", soak_seconds=5, rehearse=False)
    assert (what.version_before, what.version, what.release) == ("1.0.0", "1.1.0", new)
    assert file_of_alice(workspace) == before, "a plan changes nothing"
    done = carried_out(workspace, what)
    assert (done.outcome, done.version, done.written, done.problem) == ("done", "1.1.0", True, None)
    assert file_of_alice(workspace) == before.replace('"1.0.0"', "1.1.0")
    asked, told = submitted(sshd)
    assert (asked["kind"], asked["soak"], asked["rehearse"], asked["replaces"]) == ("upgrade", 5, False, OLD)
    assert asked["release"]["version"] == "1.1.0"
    assert (told["kind"], told["replaces"]) == ("deploy", new)
    assert told["inventory"]["revision"] == workspace.revision("alice").revision, (
        "the host knows the inventory that says it"
    )
    (first, *_) = [request["body"] for request in requests(sshd) if request["verb"] == "submit"]
    assert first["secrets"]["ECHO_TOKEN"]["value"] == TOKEN
    assert TOKEN not in str(done.as_json())


def test_the_inventory_is_written_at_the_commit_even_if_the_host_is_lost_then(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.0.0"), submit={"lines": ending()["lines"][:-1]})
    with pytest.raises(HostError):
        carried_out(workspace, planned(workspace, "1.1.0"))
    assert "1.1.0" in file_of_alice(workspace)


def test_what_was_undone_leaves_the_inventory_as_it_was(workspace: Workspace, sshd: Sshd) -> None:
    kept = "0mhcq2k3a-7f3k9-new keeps what came in"
    behave(sshd, observe=runs("1.0.0"), submit=ending("undone", committed=False, message=kept))
    before = file_of_alice(workspace)
    with pytest.raises(OperationFailed, match="upgrade failed and was undone: 0mhcq2k3a") as caught:
        carried_out(workspace, planned(workspace, "1.1.0"))
    assert caught.value.hint == "launchpad history alice --steps"
    assert file_of_alice(workspace) == before


def test_an_edit_that_cannot_be_made_is_said_and_is_no_failure(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.0.0"), submit=ending())
    what = planned(workspace, "1.1.0")
    path = workspace.root / "inventory/tenants/alice.yaml"

    def edit_meanwhile(_heard: object) -> None:
        path.write_text(path.read_text().replace("1.0.0", "2.0.0"))

    done = upgrade(workspace, what, confirm=Confirmation(digest=what.digest), on_event=edit_meanwhile)
    assert (done.outcome, done.written) == ("done", False)
    assert isinstance(done.problem, StateError)
    assert done.problem.hint == "launchpad adopt alice"
    assert done.as_json()["problem"]["error"] == "StateError"
    assert "2.0.0" in file_of_alice(workspace), "somebody else's edit stays"


def test_a_version_that_runs_already_is_only_written_down(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.1.0"))
    done = carried_out(workspace, planned(workspace, "1.1.0"))
    assert (done.outcome, done.written) == ("unchanged", True)
    assert "1.1.0" in file_of_alice(workspace)
    assert submitted(sshd) == []


@pytest.mark.parametrize(
    ("version", "runs_now", "error", "message", "hint"),
    [
        ("9", "1.0.0", InventoryError, "echo has no version 9", ""),
        ("3.0.0", "1.1.0", InventoryError, "no digest for image web of echo 3.0.0", "inventory/apps/echo.yaml"),
        ("", "1.1.0", InventoryError, "no digest for image web of echo 3.0.0", ""),
        (
            "1.0.0",
            "1.1.0",
            StateError,
            "1.0.0 is older than the running version 1.1.0",
            "launchpad rollback alice --list",
        ),
        ("2.0.0", "1.0.0", StateError, "2.0.0 cannot follow 1.0.0", "launchpad upgrade alice --to 1.1.0"),
        ("2.0.0", "0.5.0", StateError, "2.0.0 cannot follow 0.5.0", "launchpad upgrade alice --to 1.1.0"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_asked_for(
    workspace: Workspace, sshd: Sshd, version: str, runs_now: str, error: type[LaunchpadError], message: str, hint: str
) -> None:
    behave(sshd, observe=runs(runs_now))
    with pytest.raises(error, match=message) as caught:
        planned(workspace, version)
    assert hint in caught.value.hint
    assert submitted(sshd) == []


def test_only_what_runs_is_upgraded(workspace: Workspace, sshd: Sshd) -> None:
    for said, hint in (
        (runs("1.0.0", running=False), "launchpad start alice"),
        (runs("1.0.0", retired=True), "launchpad deploy alice"),
        (replies(observed({})), "launchpad deploy alice"),
    ):
        behave(sshd, observe=said)
        with pytest.raises(StateError) as caught:
            planned(workspace, "1.1.0")
        assert caught.value.hint == hint


def test_a_runner_of_before_is_to_be_brought_up_to_date_first(workspace: Workspace, sshd: Sshd) -> None:
    said = observed({"alice": {}})
    del said["tenants"]["alice"]["generations"]
    behave(sshd, observe=replies(said))
    with pytest.raises(StateError, match="web-1: the host's runner is too old for upgrades") as caught:
        planned(workspace, "1.1.0")
    assert caught.value.hint == "launchpad provision web-1, then type the same command again"


def test_what_breaks_on_the_way_is_in_the_plan(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.1.0"))
    what = planned(workspace, "2.0.0")
    assert (what.breaks, what.notes) == ((("2.0.0", "migrates the data"),), ())
    behave(sshd, observe=runs("1.0.0"))
    assert planned(workspace, "1.1.0").notes == (("1.1.0", "faster"),)


def test_what_else_comes_with_it_is_in_the_plan(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.0.0", release=release_at(workspace, "1.0.0")))
    assert planned(workspace, "1.1.0").also == ()
    path = workspace.root / "inventory/tenants/alice.yaml"
    path.write_text(path.read_text().replace("alice.example.com", "alice.example.net"))
    what = planned(workspace, "1.1.0")
    assert what.also == ("domains alice.example.com → alice.example.net",)
    behave(sshd, observe=runs("0.5.0"))
    assert planned(workspace, "1.1.0").also == (), "what cannot be rendered any more is not compared"


def test_just_the_confirmed_plan_is_carried_out(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.0.0"), submit=ending())
    what = planned(workspace, "1.1.0")
    for other in (replace(what, rehearse=False), replace(what, soak_seconds=0), replace(what, release_before="0" * 12)):
        with pytest.raises(StateError, match="was not confirmed") as caught:
            upgrade(workspace, other, confirm=Confirmation(digest=what.digest))
        assert caught.value.hint == "launchpad upgrade alice"
    app = workspace.root / "inventory/apps/echo.yaml"
    app.write_text(app.read_text().replace("2" * 64, "4" * 64))
    with pytest.raises(StateError, match="the inventory was changed after"):
        carried_out(workspace, what)
    assert submitted(sshd) == []


def test_the_caller_may_choose_the_id(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.0.0"), submit=ending())
    what = planned(workspace, "1.1.0")
    upgrade(workspace, what, confirm=Confirmation(digest=what.digest, identifier=GENERATION))
    assert [request["body"]["id"] for request in requests(sshd) if request["verb"] == "submit"] == [GENERATION]
