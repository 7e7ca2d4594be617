"""The lines of `top`: what stands where on terminals of several sizes."""

from __future__ import annotations

import time

import pytest

from launchpad.cli.browsing import Browsing
from launchpad.cli.frame import details_room, frame, rows_room
from launchpad.plan.overview import waiting_row
from launchpad.runner.facts import Grade
from tests.cli.top_rows import LONG, NOW, few_rows


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def view(width: int = 80, height: int = 24, *keys: str) -> Browsing:
    made = Browsing()
    made.resize(rows_room(height))
    made.take(few_rows())
    for key in keys:
        made.press(key, key if len(key) == 1 else "")
    return made


def lines(made: Browsing, width: int = 80, height: int = 24, **how: str) -> list[str]:
    found = frame(made, width=width, height=height, now=NOW, **how)
    return ["".join(text for text, _ in line).rstrip() for line in found]


@pytest.mark.parametrize(("width", "height"), [(80, 24), (120, 40), (40, 12), (20, 6), (200, 16)])
def test_it_fits_every_terminal(width: int, height: int) -> None:
    for keys in ((), ("/", "a"), ("r",), ("end", "r")):
        found = lines(view(width, height, *keys), width, height)
        assert len(found) == height and max(map(len, found)) <= width


def test_the_rows_at_80_columns() -> None:
    found = lines(view())
    assert found[0] == "2 hosts, 4 tenants: 1 critical, 1 unknown, 1 warning, 3 ok  18:40:00"
    assert found[1] == "1 alert; under way: upgrade of bob by ben"
    assert found[2] == "GRADE     TENANT                HOST   STATE      AGE         PROBLEM"
    assert found[3] == "critical  alice                 web-1  unhealthy  5 s         ready: web:8080/s~"
    assert found[4].startswith("unknown                         web-2  no answer  6 min old   watch: cannot con")
    assert found[5].startswith(f"warning   {LONG[:19]}~  web-1  warning    5 s ")
    assert found[6] == "ok        bob                   web-1  healthy    5 s         upgrade by ben"
    assert found[7] == "ok                              web-1  host       0 s"
    assert found[8] == "ok        carol                 web-2  healthy    6 min old"


def test_more_columns_where_there_is_room() -> None:
    found = lines(view(120, 40), 120, 40)
    assert [*found[2].lower().split()] == [
        *("grade", "tenant", "host", "state", "version", "checks", "alert", "age", "problem")
    ]
    assert found[3].split()[:8] == ["critical", "alice", "web-1", "unhealthy", "1.1.0", "2/3", "sent", "5"]


def test_the_chosen_row_is_told_whole_with_what_to_type() -> None:
    found = lines(view())[-8:]
    assert found[1] == "alice on web-1: unhealthy, version 1.1.0, 2 of 3 checks pass, backup none, alert"[:80]
    assert found[2] == "           sent 2 min ago, last look 5 s ago", "no word is cut"
    assert found[3:6] == [
        "critical   ready: web:8080/startupz does not answer, since 11-30 17:35",
        "  next:    launchpad logs alice",
        "ok         edge, provider",
    ]
    assert found[-1] == "/ search  r restart  l logs  d diagnose  o open  q quit"
    silent = lines(view(80, 24, "down"))[-8:]
    assert silent[1:4] == [
        "host web-2: last look 6 min ago",
        "unknown    watch: cannot connect to launchpad@192.0.2.2: no route to host",
        "  next:    ssh -v launchpad@192.0.2.2",
    ]


def test_an_operation_is_told_with_the_command_that_follows_it() -> None:
    found = lines(view(120, 24, "down", "down", "down"), 120)[-8:]
    assert found[2:4] == ["under way  upgrade by ben, since 11-30 17:39", "  next:    launchpad attach 0mhcq2k3a-7f3k9"]


def test_questions_notices_and_the_search_stand_in_the_last_line() -> None:
    assert lines(view(80, 24, "r"))[-1] == "Restart alice on web-1? Its visitors wait meanwhile. [y/N]"
    assert lines(view(80, 24, "r", "n"))[-1] == "not confirmed, nothing was changed"
    assert lines(view(80, 24, "/", "a", "l"))[-1] == "search: al   Enter keeps, Escape clears"
    assert lines(view(80, 24, "/", "x", "x", "x"))[3] == "no tenant or host matches the search"
    assert "  0 shown" in lines(view(120, 24, "/", "x", "x", "x"), 120)[0]


def test_an_inventory_that_cannot_be_read_is_told() -> None:
    found = lines(view(), problem="inventory/tenants/alice.yaml:3: unknown key")
    assert found[1].startswith("the inventory cannot be read, the last one counts: inventory/tenants")


def test_a_grade_is_a_word_and_a_colour_and_what_is_old_has_no_colour() -> None:
    found = frame(view(80, 24, "end"), width=80, height=24, now=NOW)
    assert [line[0][1] for line in found[3:9]] == ["bold red", "dim", "yellow", "green", "green", "dim reverse"]
    assert [line[0][0].split()[0] for line in found[3:9]] == [
        *(Grade.critical, Grade.unknown, Grade.warning, Grade.ok, Grade.ok, Grade.ok)
    ]


def test_only_rows_that_are_seen_are_made() -> None:
    made = Browsing()
    made.resize(rows_room(24))
    made.take([waiting_row(f"web-{number}") for number in range(2000)])
    assert len(lines(made)) == 24
    made.press("end")
    found = lines(made)
    assert len(found) == 24 and found[2 + rows_room(24)].split()[1] == "web-999"


def test_a_short_terminal_keeps_its_lines_for_rows() -> None:
    assert [(rows_room(height), details_room(height)) for height in (24, 40, 12, 3)] == [
        (13, 7),
        (24, 12),
        (8, 0),
        (1, 0),
    ]
