"""An app's own actions: what was printed, and how it ended."""

from __future__ import annotations

import pytest

from launchpad.errors import StateError, StepFailed
from launchpad.operations.tenants.act import act, act_well
from launchpad.workspace import Workspace
from tests.cli.test_operations import launchpad
from tests.operations.places import behave, replies, requests
from tests.ssh.sshd import Sshd


def test_an_action_is_run_with_its_arguments_and_what_it_printed_comes_back(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, act=replies({"code": 0, "out": 'chatter\n{"ok": true}\n', "err": ""}))
    found = act(workspace, "alice", "approve", ["r-1"])
    assert (found.code, found.data) == (0, {"ok": True})
    assert requests(sshd)[0]["body"] == {"tenant": "alice", "action": "approve", "arguments": ["r-1"]}


def test_an_action_that_prints_nothing_is_told_too(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, act=replies({"code": 0, "out": "", "err": ""}))
    ran = launchpad(workspace, "act", "alice", "devices")
    assert (ran.code, ran.out, ran.err) == (0, "", "alice: devices ended with exit status 0\n")


def test_an_action_that_fails_is_told_with_its_output(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, act=replies({"code": 3, "out": '{"checks": []}\n', "err": "no key\n"}))
    assert act(workspace, "alice", "devices").code == 3
    with pytest.raises(StepFailed, match="devices failed with 3"):
        act_well(workspace, "alice", "devices")
    ran = launchpad(workspace, "act", "alice", "devices")
    assert (ran.code, ran.out) == (6, '{"checks": []}\n')
    assert ran.err == "no key\nalice: devices ended with exit status 3\n"
    document = launchpad(workspace, "act", "alice", "devices", "--json")
    assert document.code == 6
    assert document.json == {"tenant": "alice", "action": "devices", "exit_status": 3, "output": {"checks": []}}


def test_what_the_app_does_not_offer_is_not_sent(workspace: Workspace, sshd: Sshd) -> None:
    with pytest.raises(StateError, match="alice: echo has no action check") as caught:
        act(workspace, "alice", "check")
    assert caught.value.hint == "available actions: open, devices, approve"
    assert requests(sshd) == []
