"""launchpad upgrade, rollback, generations, snapshot and restore, from the words typed to the lines printed."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from launchpad.workspace import Workspace
from tests.cli.test_operations import launchpad
from tests.cli.unreported import Unreported
from tests.memory.fleet import memory_fleet
from tests.operations.past import (
    GENERATION,
    NEW,
    OLD,
    OLDEST,
    ending,
    file_of_alice,
    generation,
    keeps,
    release_at,
    runs,
    submitted,
    workspace_with_a_past,
)
from tests.operations.places import behave
from tests.ssh.sshd import Sshd


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    return workspace_with_a_past(tmp_path, sshd)


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


PAST = keeps(
    (NEW, "2.0.0", ""),
    (OLD, "1.1.0", GENERATION),
    (OLDEST, "1.0.0", ""),
    generations=(
        generation("2.0.0", identifier=f"{GENERATION}-new", why="soak"),
        generation("1.1.0"),
    ),
    incomplete=("0mhcq2k3b-00000",),
)
GENERATIONS = """\
GENERATION           TAKEN        VERSION  RELEASE       WHY
0mhcq2k3a-7f3k9-new  09-21 14:13  2.0.0    aaaaaaaaaaaa  data of an upgrade that was undone
0mhcq2k3a-7f3k9      09-21 14:13  1.1.0    aaaaaaaaaaaa  before an upgrade
0mhcq2k3b-00000                                          incomplete: taking the generation was interrupted
"""
RELEASES = """\
RELEASE       VERSION  STATE  DATA OF      GENERATION
bbbbbbbbbbbb  2.0.0    runs
aaaaaaaaaaaa  1.1.0    kept   09-21 14:13  0mhcq2k3a-7f3k9
cccccccccccc  1.0.0    kept
"""
UPGRADE = """\
alice on web-1: echo 1.1.0 → 2.0.0
  2.0.0 breaks: migrates the data
  without a rehearsal
• alice: alice's clone migrated and was steady for 15 s
✓ alice: rehearse on a clone  12 s
inventory/tenants/alice.yaml now has version: 2.0.0; commit the file
"""


def test_an_upgrade_says_what_breaks_and_what_became_of_the_inventory(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.1.0", release=release_at(workspace, "1.1.0")), submit=ending())
    asked = launchpad(workspace, "upgrade", "alice", "--to", "2.0.0")
    assert (asked.code, getattr(asked.error, "hint", "")) == (4, "add --yes")
    assert str(asked.error) == "Upgrade alice from 1.1.0 to 2.0.0? Cannot ask: no terminal"
    assert submitted(sshd) == []
    ran = launchpad(workspace, "upgrade", "alice", "--to", "2.0.0", "--yes", "--no-rehearsal", "--soak", "0s")
    assert (ran.code, ran.out, ran.err) == (0, "alice: upgraded from 1.1.0 to 2.0.0 in 1 min 5 s\n", UPGRADE)
    assert (submitted(sshd)[0]["soak"], submitted(sshd)[0]["rehearse"]) == (0, False)


def test_an_upgrade_is_rehearsed_and_soaks_unless_one_says_otherwise(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.0.0"), submit=ending())
    said = launchpad(workspace, "upgrade", "alice", "--to", "1.1.0", "-y").err
    assert "not rehearsed" not in said
    assert f"  also deployed from the inventory: release {OLD} → {release_at(workspace, '1.0.0')}\n" in said
    assert (submitted(sshd)[0]["soak"], submitted(sshd)[0]["rehearse"]) == (60, True)


def test_the_latest_version_is_the_latest_each_time(tmp_path: Path) -> None:
    fleet = memory_fleet(tmp_path, {"alice": "web-1"})
    app = fleet.root / "inventory/apps/echo.yaml"
    whole = app.read_text()
    app.write_text("".join(line for line in whole.splitlines(keepends=True) if "version: 2.0.0" not in line))
    opened = fleet.workspace()
    workspace = replace(opened, begun=Unreported(opened.root))
    command = ("upgrade", "alice", "--latest", "--yes", "--no-rehearsal", "--soak", "0s")
    for _ in range(2):
        assert (launchpad(workspace, *command).code, fleet.runs("alice")) == (0, "1.1.0")
    assert len(fleet.operations("alice", "upgrade")) == 1, "the very same command: its end was not reported"
    app.write_text(whole)
    ran = launchpad(workspace, *command)
    assert (ran.code, fleet.runs("alice")) == (0, "2.0.0"), ran


ELSEWHERE = """\
  rehearsed on web-2 (web-1 has less free memory than the 128 MiB that a clone may need):
  a copy of the data goes to web-2 through this machine and is deleted after the rehearsal; the
  upgrade follows within 6 hours of the copy, or is rejected
"""


def test_an_upgrade_says_on_which_other_host_it_is_rehearsed_before_it_asks(workspace: Workspace, sshd: Sshd) -> None:
    path = workspace.root / "inventory/hosts.yaml"
    web_1 = path.read_text()
    path.write_text(
        web_1.replace("{", '{"drill_host": "web-2", ', 1)
        + web_1.replace("web-1", "web-2").replace("127.0.0.1", "127.0.0.2")
    )
    said = runs("1.1.0", release=release_at(workspace, "1.1.0"))
    said["lines"][0]["body"]["host"]["memory"] = {"free_mb": 64}
    behave(sshd, observe=said)
    asked = launchpad(workspace, "upgrade", "alice", "--to", "2.0.0")
    assert ELSEWHERE in asked.err and submitted(sshd) == []
    del said["lines"][0]["body"]["host"]["memory"]
    behave(sshd, observe=said)
    asked = launchpad(workspace, "upgrade", "alice", "--to", "2.0.0", "--rehearse-on", "web-2")
    assert str(asked.error) == "web-1: the host's runner is too old for a rehearsal on another host"
    assert getattr(asked.error, "hint", "") == "launchpad provision web-1, then type the same command again"
    both = launchpad(workspace, "upgrade", "alice", "--to", "2.0.0", "--rehearse-on", "web-2", "--no-rehearsal")
    assert both.code == 2 and "exclude each other" in str(both.error)


def test_what_runs_already_is_said_and_what_differs_otherwise(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.0.0", release=release_at(workspace, "1.0.0")))
    ran = launchpad(workspace, "upgrade", "alice", "--to", "1.0.0")
    assert (ran.code, ran.out, ran.err) == (0, "alice: already runs 1.0.0\n", "")
    behave(sshd, observe=runs("1.0.0"))
    assert "launchpad plan alice" in launchpad(workspace, "upgrade", "alice", "--to", "1.0.0").err


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        ("", 2, "launchpad versions APP"),
        ("--to 2.0.0 --latest", 2, "launchpad versions APP"),
        ("--to 2.0.0 --soak 5x", 2, "--soak 60s"),
        ("--latest", 3, "write your own registry into inventory/apps/echo.yaml"),
        ("--to 1.0.0", 4, "launchpad rollback alice --list"),
    ],
)
def test_what_is_asked_for_wrongly_has_its_hint(
    workspace: Workspace, sshd: Sshd, words: str, code: int, hint: str
) -> None:
    behave(sshd, observe=runs("1.1.0"))
    ran = launchpad(workspace, "upgrade", "alice", *words.split())
    assert (ran.code, getattr(ran.error, "hint", "")) == (code, hint)


def test_a_lost_edit_is_a_warning_with_the_command_that_makes_it(workspace: Workspace, sshd: Sshd) -> None:
    past = keeps((NEW, "2.0.0", ""), (OLD, "0.9.0", GENERATION), generations=(generation("0.9.0"),))
    behave(sshd, generations=past, submit=ending())
    ran = launchpad(workspace, "rollback", "alice", "--yes")
    assert ran.code == 0
    assert ran.err.endswith(
        "warning: inventory/tenants/alice.yaml is unchanged: echo has no version 0.9.0 in the inventory "
        "(add the version to inventory/apps/echo.yaml, then: launchpad adopt alice)\n"
    )
    assert "1.0.0" in file_of_alice(workspace)


def test_a_rollback_asks_with_the_time_of_the_data_and_says_the_way_forward(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=PAST, submit=ending())
    asked = launchpad(workspace, "rollback", "alice")
    assert str(asked.error).startswith("Roll alice back from 2.0.0 to 1.1.0, with its data of 2026-09-21 14:13:20?")
    ran = launchpad(workspace, "rollback", "alice", "--yes")
    assert ran.out == "alice: rolled back from 2.0.0 to 1.1.0 in 1 min 5 s\n"
    assert "to undo this rollback: launchpad rollback alice --to bbbbbbbbbbbb\n" in ran.err
    assert submitted(sshd)[0]["to"] == OLD


def test_under_json_every_line_is_an_object(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, observe=runs("1.1.0"), generations=PAST, submit=ending())
    (line,) = launchpad(workspace, "upgrade", "alice", "--to", "2.0.0", "--json").lines
    assert line["error"]["hint"] == "add --yes"
    last = launchpad(workspace, "upgrade", "alice", "--to", "2.0.0", "--json", "--yes").lines[-1]
    assert (last["outcome"], last["version"], last["written"], last["problem"]) == ("done", "2.0.0", True, None)
    assert launchpad(workspace, "rollback", "alice", "--yes", "--json").lines[-1]["version"] == "1.1.0"


def test_what_is_kept_is_a_table(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, generations=PAST)
    assert launchpad(workspace, "generations", "alice").out == GENERATIONS
    assert launchpad(workspace, "rollback", "alice", "--list").out == RELEASES
    assert launchpad(workspace, "rollback", "alice", "--list", "--json").json["releases"][0]["running"] is True
    behave(sshd, generations=keeps((OLD, "1.0.0", "")))
    assert "launchpad snapshot alice" in launchpad(workspace, "generations", "alice").out


def test_a_snapshot_says_how_it_is_brought_back_and_a_restore_asks(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, submit=ending(), generations=keeps((OLD, "1.0.0", ""), generations=(generation(),)))
    kept = launchpad(workspace, "snapshot", "alice")
    assert kept.out == "alice: snapshot done in 1 min 5 s\n"
    assert f"to restore this generation: launchpad restore alice --generation {GENERATION}\n" in kept.err
    asked = launchpad(workspace, "restore", "alice", "--generation", GENERATION)
    assert (asked.code, getattr(asked.error, "hint", "")) == (4, "add --yes")
    assert "its data of 2026-09-21 14:13:20?" in str(asked.error)
    done = launchpad(workspace, "restore", "alice", "--generation", GENERATION, "--yes")
    assert done.out == "alice: restore done in 1 min 5 s\n"
    assert [operation["kind"] for operation in submitted(sshd)] == ["snapshot", "restore"]


def test_an_upgrade_that_is_attached_to_says_how_the_inventory_follows(workspace: Workspace, sshd: Sshd) -> None:
    behave(sshd, follow=ending())
    ran = launchpad(workspace, "attach", GENERATION, "--host", "web-1")
    assert "to write the running version into the inventory: launchpad adopt alice" in ran.err
