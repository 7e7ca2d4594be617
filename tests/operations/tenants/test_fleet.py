"""status, plan and apply over hosts that answer, hosts that do not, and hosts that changed meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.operations.observation.status import status
from launchpad.operations.requests.history import history
from launchpad.operations.requests.render import render
from launchpad.operations.tenants.apply import apply
from launchpad.operations.tenants.plan_fleet import plan_fleet
from launchpad.operations.tenants.restart import restart
from launchpad.operations.tenants.retire import Retirement, plan_retirement, retire
from launchpad.workspace import Workspace
from tests.memory.fleet import memory_fleet
from tests.operations.places import behave, observed, open_workspace, replies, requests, write_workspace
from tests.ssh.sshd import Sshd, free_port


@pytest.fixture
def two(tmp_path: Path, sshd: Sshd) -> Iterator[Workspace]:
    """web-1 with alice and bob, which answers, and web-2 with carol, which does not."""
    tenants = {"alice": "web-1", "bob": "web-1", "carol": "web-2"}
    root = write_workspace(tmp_path / "two", {"web-1": sshd, "web-2": free_port()}, tenants)
    yield open_workspace(root, sshd)


def as_rendered(workspace: Workspace, *names: str, **more: Any) -> dict[str, Any]:
    """What a host says that has these tenants just as the inventory does."""
    return observed({name: {"record": {"release": render(workspace, name).release.short}} | more for name in names})


def test_a_dead_host_has_its_own_error_and_hides_no_other_one(two: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(as_rendered(two, "alice", "bob")))
    found = status(two)
    assert {item.tenant: item.state for item in found.tenants} == {
        "alice": "healthy",
        "bob": "healthy",
        "carol": "unreachable",
    }
    assert list(found.unreachable) == ["web-2"]
    assert not found.good


def test_status_is_one_request_a_host_and_asks_for_the_named_tenant_alone(two: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(as_rendered(two, "alice")))
    found = status(two, ["alice"])
    assert found.good
    assert [item.tenant for item in found.tenants] == ["alice"]
    assert [request["body"] for request in requests(sshd)] == [{"tenants": ["alice"], "probes": True}]


def test_a_name_that_is_neither_tenant_nor_host_is_asked_back(two: Workspace) -> None:
    with pytest.raises(InventoryError, match="no tenant or host alise") as caught:
        status(two, ["alise"])
    assert caught.value.hint == "did you mean alice?"


def test_apply_carries_out_what_was_planned_and_nothing_else(two: Workspace, sshd: Sshd) -> None:
    body = as_rendered(two, "bob")
    behave(sshd, observe=replies(body))
    plan = plan_fleet(two)
    assert [(change.kind, change.tenant) for change in plan.changes] == [("deploy", "alice")]
    assert list(plan.unreachable) == ["web-2"]
    applied = apply(two, confirm=plan.digest)
    assert [getattr(result, "outcome", result) for result in applied.results.values()] == ["done"]
    assert list(applied.failures) == ["web-2"]
    submitted = [request["body"]["operation"] for request in requests(sshd) if request["verb"] == "submit"]
    assert [(operation["tenant"], operation["replaces"]) for operation in submitted] == [("alice", None)]


def test_a_plan_that_is_another_one_by_now_is_not_carried_out(two: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(as_rendered(two, "bob")))
    digest = plan_fleet(two).digest
    behave(sshd, observe=replies(as_rendered(two, "alice")))
    with pytest.raises(StateError, match="the plan has changed"):
        apply(two, confirm=digest)
    assert "submit" not in [request["verb"] for request in requests(sshd)]


def test_a_tenant_that_fails_stops_no_other(two: Workspace, sshd: Sshd) -> None:
    failing = replies({"id": "x", "outcome": "undone", "message": "no room", "lines": []})
    behave(sshd, observe=replies(observed({})), submit=failing)
    applied = apply(two, ["web-1"], confirm=plan_fleet(two, ["web-1"]).digest)
    assert [type(result).__name__ for result in applied.results.values()] == ["OperationFailed", "OperationFailed"]
    assert len([request for request in requests(sshd) if request["verb"] == "submit"]) == 2


def test_a_tenant_that_cannot_be_rendered_is_left_alone_and_named(two: Workspace, sshd: Sshd) -> None:
    file = two.root / "inventory/apps/echo.yaml"
    file.write_text(file.read_text().replace("@sha256:" + "1" * 64, ""))
    behave(sshd, observe=replies(observed({"alice": {}})))
    plan = plan_fleet(two, ["alice"])
    assert plan.changes == ()
    assert "no digest for image web" in plan.notes[0].text


def test_retiring_needs_the_digest_of_just_that(workspace: Workspace, sshd: Sshd) -> None:
    what = plan_retirement(workspace, "alice")
    with pytest.raises(StateError, match="was not confirmed"):
        retire(workspace, Retirement(tenant="alice", host="web-1", purge=True), confirm=what.digest)
    assert requests(sshd) == []
    retire(workspace, what, confirm=what.digest)
    assert requests(sshd)[0]["body"]["operation"] == {"kind": "retire", "tenant": "alice", "purge": False}


def test_a_tenant_that_left_the_inventory_is_retired_where_one_says(workspace: Workspace) -> None:
    with pytest.raises(StateError, match="its host must be named"):
        plan_retirement(workspace, "zoe")
    assert plan_retirement(workspace, "zoe", host="web-1", purge=True).host == "web-1"


def test_history_is_merged_newest_first(two: Workspace, sshd: Sshd) -> None:
    entries = [
        {"id": f"op-{number}", "kind": "deploy", "tenant": tenant, "who": "alice", "at": number, "outcome": "done"}
        for number, tenant in enumerate(["alice", "bob", "alice"])
    ]
    behave(sshd, history=replies({"operations": entries}))
    everything = history(two)
    assert [entry.id for entry in everything.entries] == ["op-2", "op-1", "op-0"]
    assert isinstance(everything.unreachable["web-2"], LaunchpadError)


@pytest.mark.programs
def test_history_of_some_tenants_has_their_newest_however_much_was_done_to_others(tmp_path: Path) -> None:
    workspace = memory_fleet(tmp_path, {"alice": "web-1", "bob": "web-1", "carol": "web-1"}).workspace()
    for _ in range(3):
        restart(workspace, "carol")
    found = history(workspace, ["alice", "bob"], limit=2)
    assert sorted((entry.tenant, entry.kind) for entry in found.entries) == [("alice", "deploy"), ("bob", "deploy")]
    (newest,) = history(workspace, ["alice", "carol"], limit=1).entries
    assert (newest.tenant, newest.kind) == ("carol", "restart")
    assert [entry.tenant for entry in history(workspace, ["web-1"], limit=3).entries] == ["carol"] * 3


def test_a_plan_without_a_change_that_was_just_made_asks_no_host_again(tmp_path: Path) -> None:
    fleet = memory_fleet(tmp_path, {"alice": "web-1"})
    workspace = fleet.workspace()
    nothing = plan_fleet(workspace)
    fleet.hosts["web-1"].dead = True
    assert apply(workspace, confirm=nothing.digest, just_made=nothing).failures == {}
    with pytest.raises(StateError, match="the plan has changed"):
        apply(workspace, confirm="0" * 12, just_made=nothing)
