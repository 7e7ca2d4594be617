"""A bare host's first contact, when it is not the runner that answers there."""

from __future__ import annotations

import getpass

import pytest

from launchpad.errors import StepFailed
from launchpad.operations.hosts.bootstrap import Bare, plan_bare
from launchpad.ssh.problems import LoginRefused
from launchpad.workspace import Workspace
from tests.ssh.sshd import Sshd

CLOUD_INIT = 'echo \'Please login as the user \\"debian\\" rather than the user \\"root\\".\'; exit 142'
"""What many providers' images put in front of root's key."""


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (CLOUD_INIT, 'Please login as the user "debian" rather than the user "root".'),
        ("echo 4711; echo []; echo {}; exit 1", "{}"),
        ("echo hello; echo no sudo here >&2; exit 1", "no sudo here"),
        ("exit 3", "exit code 3"),
    ],
)
def test_what_a_shell_writes_is_quoted_and_no_bug(workspace: Workspace, sshd: Sshd, command: str, said: str) -> None:
    sshd.command = command
    sshd.let_in()
    host = workspace.fleet.load().host("web-1")
    bare = Bare(host=host, user=getpass.getuser(), key=None, refused=LoginRefused("web-1: lets nobody in"))
    with pytest.raises(StepFailed) as caught:
        plan_bare(workspace, bare, {"kind": "provision"})
    assert caught.value.message == f"web-1: the runner could not be installed: {said}"
    assert "launchpad provision web-1 --root-user USER" in caught.value.hint
