"""launchpad versions and adopt, from the words typed to the lines printed."""

from __future__ import annotations

from launchpad.workspace import Workspace
from tests.cli.terminal import Terminal
from tests.cli.test_operations import launchpad, workspace
from tests.operations.places import behave, observed, replies
from tests.screens.terminal import on_terminal
from tests.ssh.sshd import Sshd

__all__ = ["workspace"]

TABLE = """\
VERSION    PINNED  FOLLOWS             TENANTS  NOTES
2026.7.35  no      any older
2026.9.5   no      2026.7.35                    Breaks: migrates the state in
                                                place; older versions refuse to
                                                start on it
2026.9.6   no      2026.7.35 2026.9.5  alice    needs Node 24.16 or newer, which
                                                the image has. Breaks: migrates
                                                the state in place; older
                                                versions refuse to start on it
"""


def test_versions_are_a_table_of_eighty_columns(terminal: Terminal) -> None:
    assert on_terminal(["versions", "openclaw"]).lines == TABLE.splitlines()
    told = terminal.ok("versions", "openclaw", "--json").json
    assert [item["pinned"] for item in told] == [False, False, False]
    assert told[2]["follows"] == ["2026.7.35", "2026.9.5"]
    assert (
        terminal("versions", "openclow").err
        == "error: no app openclow in the inventory\nhint: did you mean openclaw?\n"
    )


def test_adopt_says_what_it_wrote(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=replies(observed({"alice": {"record": {"version": "1.1.0"}}})))
    assert launchpad(workspace, "adopt", "alice").out == "inventory/tenants/alice.yaml: version 1.0.0 → 1.1.0\n"
    assert (
        launchpad(workspace, "adopt", "alice").out
        == "inventory/tenants/alice.yaml: version 1.1.0 is already the running version\n"
    )
    assert launchpad(workspace, "adopt", "alice", "--json").json["changed"] is False
