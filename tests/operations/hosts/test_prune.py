"""prune, from an operator's side: what hosts would remove, what they did, and the hosts that did not answer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import HostError, InventoryError, LaunchpadError
from launchpad.journal.begun import Begun, BegunFolder
from launchpad.operations.hosts.prune import Pruned, PrunePlan, plan_prune, prune
from launchpad.operations.requests.again import reported
from launchpad.workspace import Workspace
from tests.operations.places import behave, open_workspace, replies, requests, write_workspace
from tests.ssh.sshd import Sshd, free_port

GIB = 1 << 30


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    return open_workspace(write_workspace(tmp_path / "fleet", {"web-1": sshd, "web-2": free_port()}, {}), sshd)


def planning(*titles: str, free: int = GIB) -> dict[str, Any]:
    steps = [{"step": "commit", "title": "commit"}, *({"step": "remove-image", "title": title} for title in titles)]
    return replies({"steps": steps, "diffs": [], "free": {"/srv/launchpad": 2 * GIB, "/var/lib/docker": free}})


def test_a_plan_says_what_would_go_and_asks_for_nothing_else(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, plan=planning("remove image beacon"))
    made = plan_prune(workspace, ["web-1"])["web-1"]
    assert made == PrunePlan(host="web-1", steps=("remove image beacon",), free_for_images=GIB, free_for_data=2 * GIB)
    assert [(item["verb"], item["body"]) for item in requests(sshd)] == [("plan", {"operation": {"kind": "prune"}})]


def test_a_host_that_does_not_answer_keeps_no_other_from_it(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, plan=planning())
    found = prune(workspace)
    assert isinstance(found["web-1"], Pruned)
    assert isinstance(found["web-2"], HostError)
    asked = [item["body"]["operation"] for item in requests(sshd) if item["verb"] == "submit"]
    assert asked == [{"kind": "prune"}]


def test_a_name_that_is_no_hosts_is_a_mistake(workspace: Workspace) -> None:
    with pytest.raises(InventoryError):
        plan_prune(workspace, ["web-9"])


def test_what_stayed_is_not_told_as_removed(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, plan=planning("remove image beacon"))
    done = prune(workspace, ["web-1"])["web-1"]
    assert not isinstance(done, LaunchpadError)
    assert (done.steps, done.images, done.data) == ((), 0, 0)


def test_one_that_was_cut_off_is_followed_and_no_other_begun(workspace: Workspace, sshd: Sshd) -> None:
    begun = Begun(id="0mhcq2k3a-7f3k9", kind="prune", tenant="", host="web-1", at=workspace.clock.now())
    opened = replace(workspace, begun=BegunFolder(workspace.root))
    assert opened.begun is not None
    opened.begun.note(begun)
    going_on = {"id": begun.id, "kind": "prune", "who": "alice", "at": 2000.0}
    behave(
        sshd,
        plan=planning("remove image beacon"),
        history=replies({"operations": [going_on]}),
        follow=replies({"id": begun.id, "outcome": "done"}),
    )
    done = prune(opened, ["web-1"])["web-1"]
    assert isinstance(done, Pruned) and done.outcome.id == begun.id
    assert "submit" not in [item["verb"] for item in requests(sshd)]
    reported(opened, begun.id)
    behave(sshd, plan=planning())
    assert isinstance(prune(opened, ["web-1"])["web-1"], Pruned)
    assert "submit" in [item["verb"] for item in requests(sshd)]
