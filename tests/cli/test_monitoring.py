"""`launchpad health`: one line that a monitoring system understands, and exit codes that it does."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from launchpad.cli.monitoring import summary
from launchpad.operations.observation.fleet_health import fleet_health
from launchpad.operations.requests.render import render
from launchpad.workspace import Workspace
from tests.cli.terminal import Terminal
from tests.cli.test_operations import Ran, launchpad
from tests.operations.places import behave, observed, open_workspace, replies, requests
from tests.operations.places import write_workspace as write
from tests.ssh.sshd import Sshd, free_port

NOW = 2000.0
READY = {"layer": "ready", "grade": "ok", "message": "answers", "at": NOW - 5, "value": 0.003, "unit": "s"}
DEAD = {"layer": "ready", "grade": "critical", "message": "does not answer", "at": NOW - 5, "since": NOW - 60}
KEY = {"layer": "provider", "grade": "warning", "message": "the key was revoked", "at": NOW - 5, "since": NOW - 600}
QUOTA = {
    "layer": "data",
    "grade": "ok",
    "message": "room",
    "subject": "it's | full=",
    "at": NOW,
    "value": 5.0,
    "unit": "B",
    "limit": 9.0,
}
LINE = re.compile(r"HEALTH (OK|WARNING|CRITICAL|UNKNOWN) - [^|\n]+ \| (.+)\n")
MEASURE = re.compile(r"(?:'[^'=]+'|[^'= ]+)=-?[0-9.]+(?:s|B|%)?(?:;[0-9.]*){0,4}(?: |$)")
"""As the guidelines of the Monitoring Plugins have performance data."""


@pytest.fixture
def workspace(tmp_path: Path, sshd: Sshd) -> Workspace:
    root = write(tmp_path / "fleet", {"web-1": sshd}, {"alice": "web-1", "bob": "web-1"})
    return open_workspace(root, sshd)


def knows(sshd: Sshd, workspace: Workspace, *own: dict[str, Any], **facts: list[dict[str, Any]]) -> None:
    """The host's watch knows this of the host itself, and of its tenants."""
    releases = {name: {"release": render(workspace, name).release.short} for name in ("alice", "bob")}
    body = observed({name: {"record": record, "health": facts.get(name, [READY])} for name, record in releases.items()})
    body["host"]["health"] = list(own)
    behave(sshd, observe=replies(body))


def parsed(ran: Ran) -> tuple[str, str]:
    """The grade and the performance data of the one line."""
    found = LINE.fullmatch(ran.out)
    assert found and ran.err == "", ran
    assert MEASURE.sub("", found[2]) == "", found[2]
    return found[1], found[2]


def test_a_fleet_that_is_well_is_one_line_and_0(workspace: Workspace, sshd: Sshd) -> None:
    knows(sshd, workspace)
    for words in ((), ("--all",)):
        ran = launchpad(workspace, "health", *words)
        assert parsed(ran) == ("OK", "ok=3 warning=0 critical=0 unknown=0")
        assert ran.out.startswith("HEALTH OK - 2 tenants and 1 host are well |") and ran.code == 0
    asked = requests(sshd)
    assert [item["verb"] for item in asked] == ["observe"] * 2, "one exec a host"
    assert not asked[0]["body"]["probes"], "the watch has asked the apps already"


@pytest.mark.parametrize(
    ("facts", "own", "grade", "code", "words"),
    [
        ([READY, KEY], [], "WARNING", 1, "alice provider: the key was revoked since "),
        ([DEAD, KEY], [], "CRITICAL", 2, "alice ready: does not answer since "),
        ([READY | {"at": NOW - 400}], [], "UNKNOWN", 3, "alice ready: answers"),
        ([READY], [KEY | {"layer": "disk", "message": "is full", "hint": [["prune", "@HOST"]]}], "WARNING", 1,
         "web-1 disk: is full since "),
    ],
)  # fmt: skip
def test_the_worst_grade_is_the_exit_code(
    workspace: Workspace,
    sshd: Sshd,
    facts: list[dict[str, Any]],
    own: list[dict[str, Any]],
    grade: str,
    code: int,
    words: str,
) -> None:
    knows(sshd, workspace, *own, alice=facts)
    ran = launchpad(workspace, "health")
    assert parsed(ran)[0] == grade and ran.code == code
    assert ran.out.split(" - ")[1].startswith(words)
    if own:
        assert "; next: launchpad prune web-1 |" in ran.out
    document = launchpad(workspace, "health", "--json")
    assert document.code == code
    assert (document.json["grade"], document.json["exit_code"]) == (grade.lower(), code)
    assert [len(document.json[key]) for key in ("tenants", "hosts")] == [2, 1]


def test_status_check_reads_the_same_account_and_keeps_its_exit_code(workspace: Workspace, sshd: Sshd) -> None:
    knows(sshd, workspace, alice=[DEAD | {"layer": "edge"}])
    assert launchpad(workspace, "status", "--check").code == 4
    knows(sshd, workspace, alice=[DEAD])
    assert launchpad(workspace, "status", "--check").code == 0, "its probe was asked just now, and holds"
    knows(sshd, workspace, alice=[READY, KEY])
    assert launchpad(workspace, "status", "--check").code == 0, "a key is the customer's"
    knows(sshd, workspace, KEY | {"layer": "disk", "grade": "critical"})
    assert launchpad(workspace, "status", "--check").code == 4


def test_named_ones_have_their_measures_in_the_line(workspace: Workspace, sshd: Sshd) -> None:
    vast, tiny = QUOTA | {"subject": "vast", "value": 21057503230.5}, QUOTA | {"subject": "tiny", "value": 0.00002}
    knows(sshd, workspace, DEAD | {"layer": "disk"}, alice=[READY, QUOTA, vast, tiny])
    ran = launchpad(workspace, "health", "alice")
    grade, measures = parsed(ran)
    assert (grade, ran.code) == ("OK", 0), "its host has troubles of its own"
    assert "'alice ready'=0.003s;;;0" in measures and "'alice data its  full'=5B;;;0;9" in measures
    assert "vast'=21057503230.5B" in measures and "tiny'=0.00002B" in measures


def test_many_problems_are_one_line_all_the_same(workspace: Workspace, sshd: Sshd) -> None:
    knows(sshd, workspace, alice=[DEAD, KEY, KEY | {"layer": "channel"}], bob=[DEAD | {"message": "a | b\nc"}, KEY])
    ran = launchpad(workspace, "health")
    assert parsed(ran)[0] == "CRITICAL" and "; and 2 more: launchpad health --json |" in ran.out
    assert ran.out.count("\n") == 1 and "bob ready: a / b" in ran.out


def test_at_a_terminal_each_problem_has_the_command_to_type(workspace: Workspace, sshd: Sshd) -> None:
    many = [KEY | {"subject": str(number), "hint": ""} for number in range(20)]
    knows(sshd, workspace, alice=[DEAD | {"hint": "launchpad logs alice"}, *many])
    lines = summary(fleet_health(workspace), now=NOW, named=(), lines=True).splitlines()
    assert lines[0] == "HEALTH CRITICAL - 21 problems"
    assert lines[1].startswith("  alice ready: does not answer since ") and lines[2] == "      launchpad logs alice"
    assert lines[-2:] == ["  and 1 more: launchpad health --json", "| ok=2 warning=0 critical=1 unknown=0"]


def test_quiet_prints_what_changed_and_exits_all_the_same(workspace: Workspace, sshd: Sshd) -> None:
    knows(sshd, workspace)
    assert (launchpad(workspace, "health", "--quiet").out, launchpad(workspace, "health", "--quiet").code) == ("", 0)
    knows(sshd, workspace, alice=[DEAD | {"hint": "launchpad logs alice"}])
    first, second = (launchpad(workspace, "health", "--quiet") for _ in range(2))
    assert first.out == "problem: alice on web-1 ready: does not answer (launchpad logs alice)\n"
    assert (second.out, first.code, second.code) == ("", 2, 2)
    knows(sshd, workspace, alice=[KEY | {"since": NOW - 30}])
    third = launchpad(workspace, "health", "--quiet")
    assert "resolved: alice on web-1 ready: does not answer" in third.out and "problem:" not in third.out
    assert third.code == 1, "a warning that just began may be gone soon, and is no mail yet"
    knows(sshd, workspace, alice=[KEY])
    assert "problem: alice on web-1 provider" in launchpad(workspace, "health", "--quiet").out
    knows(sshd, workspace)
    assert launchpad(workspace, "health", "--quiet").out.endswith("all problems are resolved\n")


def test_a_silent_host_is_told_once_and_is_3(tmp_path: Path, sshd: Sshd) -> None:
    root = write(
        tmp_path / "x", {"web-1": sshd, "web-2": free_port()}, {"alice": "web-1", "bob": "web-1", "carol": "web-2"}
    )
    workspace = open_workspace(root, sshd)
    knows(sshd, workspace)
    ran = launchpad(workspace, "health", "--all")
    assert parsed(ran)[0] == "UNKNOWN" and ran.code == 3
    assert ran.out.count("cannot connect") == 1
    knows(sshd, workspace, alice=[DEAD])
    assert launchpad(workspace, "health", "--all").code == 2, "what is known to be critical comes first"
    assert launchpad(workspace, "health", "carol").code == 3


@pytest.mark.parametrize(
    "words",
    [
        ("nobody",),
        ("--all", "alice"),
        ("--no-such-option",),
        ("--json", "nobody"),
    ],
)
def test_every_error_is_3_and_one_line(terminal: Terminal, words: tuple[str, ...]) -> None:
    printed = terminal("health", *words)
    assert printed.code == 3
    if "--json" in words:
        assert printed.json["error"]["message"].startswith("the inventory has no tenant or host nobody")
    else:
        assert re.fullmatch(r"HEALTH UNKNOWN - [^|\n]+\n", printed.out), printed
    assert printed.err == ""


def test_no_workspace_is_3_too(empty: Terminal) -> None:
    printed = empty("health", "--all")
    assert printed.code == 3 and printed.out.startswith("HEALTH UNKNOWN - ")
    assert empty("status").code == 3, "an inventory's own code, by chance the same"
    assert empty("health", "--help").code == 0
