"""The inventory's word on versions, and making it say what runs."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.errors import HostError, InventoryError, StateError
from launchpad.operations.observation.status import status
from launchpad.operations.requests.render import rendered
from launchpad.operations.tenants.written_version import write_version
from launchpad.operations.versions.adopt import adopt
from launchpad.operations.versions.versions import versions
from launchpad.workspace import Workspace
from tests.operations.places import behave, observed, replies, requests
from tests.ssh.sshd import Sshd


def release_of(workspace: Workspace, version: str) -> str:
    """Alice's release at another version than her file says."""
    fleet = workspace.fleet.load()
    return rendered(workspace, fleet, fleet.tenant("alice").model_copy(update={"version": version})).release.short


def running(workspace: Workspace, version: str, **more: Any) -> dict[str, Any]:
    return observed({"alice": {"record": {"version": version, "release": release_of(workspace, version)}} | more})


def submitted(sshd: Sshd) -> list[dict[str, Any]]:
    return [request["body"]["operation"] for request in requests(sshd) if request["verb"] == "submit"]


def file_of(workspace: Workspace) -> str:
    return (workspace.root / "inventory/tenants/alice.yaml").read_text()


UNCHANGED = replies({"id": "x", "outcome": "unchanged", "message": "", "lines": []})


def test_versions_are_listed_with_their_tenants_and_no_host_is_asked(workspace: Workspace, sshd: Sshd) -> None:
    found = {item.version: item for item in versions(workspace, "echo")}
    assert list(found) == ["1.0.0", "1.1.0"]
    assert found["1.0.0"].tenants == ("alice", "bob")
    assert found["1.1.0"].tenants == ()
    assert requests(sshd) == []
    with pytest.raises(InventoryError, match="no app ecko"):
        versions(workspace, "ecko")


def test_adopt_writes_what_runs_and_tells_the_host_which_inventory_says_so(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(running(workspace, "1.1.0")), submit=UNCHANGED)
    before = file_of(workspace)
    assert "launchpad adopt alice" in str(status(workspace, ["alice"]).tenants[0].remarks)
    done = adopt(workspace, "alice")
    assert (done.before, done.version, done.changed, done.problem) == ("1.0.0", "1.1.0", True, None)
    assert file_of(workspace) == before.replace('"1.0.0"', "1.1.0")
    (told,) = submitted(sshd)
    assert told["kind"] == "deploy"
    assert told["replaces"] == release_of(workspace, "1.1.0")
    assert told["inventory"]["revision"] == workspace.revision("alice").revision
    assert status(workspace, ["alice"]).tenants[0].remarks == ()
    assert not adopt(workspace, "alice").changed


def test_adopt_asks_for_no_deploy_where_one_would_change_something(workspace: Workspace, sshd: Sshd) -> None:
    other = observed({"alice": {"record": {"version": "1.1.0", "release": "9" * 12}}})
    for said in (other, running(workspace, "1.1.0", drift=["a file was changed"])):
        behave(sshd, observe=replies(said))
        assert adopt(workspace, "alice").version == "1.1.0"
    assert submitted(sshd) == []


def test_a_host_that_knows_a_newer_inventory_is_told_of(workspace: Workspace, sshd: Sshd) -> None:
    refused = {"type": "error", "error": "state", "message": "alice: not descended", "hint": "git pull"}
    behave(sshd, observe=replies(running(workspace, "1.1.0")), submit={"lines": [refused]})
    done = adopt(workspace, "alice")
    assert done.changed
    assert isinstance(done.problem, StateError)
    assert done.as_json()["problem"]["hint"] == "git pull"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({}, "alice is not on web-1 yet"),
        ({"alice": {"record": {"retired": True}}}, "was retired"),
        ({"alice": {"record": {"app": "other"}}}, "alice has app other on web-1"),
        ({"alice": {"operation": {"id": "op-1"}}}, "an operation is still running"),
    ],
)
def test_adopt_is_refused_where_nothing_settled_runs(
    workspace: Workspace, sshd: Sshd, said: dict[str, Any], message: str
) -> None:
    behave(sshd, observe=replies(observed(said)))
    before = file_of(workspace)
    with pytest.raises(StateError, match=message) as caught:
        adopt(workspace, "alice")
    assert caught.value.hint
    assert file_of(workspace) == before


def test_adopt_of_a_version_that_the_app_does_not_list_changes_nothing(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(observed({"alice": {"record": {"version": "3.0.0"}}})))
    before = file_of(workspace)
    with pytest.raises(InventoryError, match=r"echo has no version 3\.0\.0"):
        adopt(workspace, "alice")
    assert file_of(workspace) == before


def test_adopt_of_a_silent_host_s_tenant_says_so(workspace: Workspace, sshd: Sshd) -> None:
    sshd.stop()
    with pytest.raises(HostError, match="web-1: cannot connect"):
        adopt(workspace, "alice")


def test_a_version_that_somebody_else_wrote_meanwhile_is_not_overruled(workspace: Workspace) -> None:
    tenant = workspace.fleet.load().tenant("alice")
    assert write_version(workspace, tenant, "1.1.0")
    assert not write_version(workspace, tenant, "1.1.0"), "it says so already"
    stale = tenant.model_copy(update={"version": "0.9.0"})
    with pytest.raises(StateError, match="somebody changed the file meanwhile") as caught:
        write_version(workspace, stale, "1.0.0")
    assert caught.value.hint == "launchpad adopt alice"
