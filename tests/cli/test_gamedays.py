"""launchpad gameday, from the words typed to the lines printed, between two hosts in memory."""

from __future__ import annotations

import pytest

from tests.cli.test_operations import launchpad
from tests.operations.moving.test_gameday import URL, made, memory, nothing_stays, place
from tests.operations.two_hosts import Place

__all__ = ["made", "place"]


def test_where_each_comes_back_is_told_and_nothing_begins(place: Place) -> None:
    ran = launchpad(place.workspace, "gameday", "web-1", "--dry-run")
    assert ran.code == 0, ran.error
    assert ran.out == "web-1: its tenants would come back\n  on web-2: alice, bob, carol\n"
    plan = launchpad(place.workspace, "gameday", "web-1", "--dry-run", "--json").lines[-1]
    assert plan["placed"] == dict.fromkeys(("alice", "bob", "carol"), "web-2") and plan["left"] == {}
    assert "up" not in place.there.calls


def test_who_has_no_place_makes_the_exit_code_non_zero(place: Place) -> None:
    memory(place.there, 300)
    ran = launchpad(place.workspace, "gameday", "web-1", "--dry-run")
    assert ran.code == 4
    assert "  nowhere: carol: web-2 has 44 MiB of memory left, 128 MiB are needed\n" in ran.out
    assert "carol has no place" in ran.err
    memory(place.there, 0)
    ran = launchpad(place.workspace, "gameday", "web-1", "--yes")
    assert ran.code == 8 and ran.out.startswith("web-1: no tenant would come back\n")
    assert "up" not in place.there.calls, "nobody has a place, so nothing begins"


def test_nobody_is_brought_back_who_was_not_asked_about(place: Place) -> None:
    ran = launchpad(place.workspace, "gameday", "web-1")
    assert ran.code == 4 and "Bring 3 tenants of web-1 back as clones?" in str(ran.error)
    assert "up" not in place.there.calls


def test_each_is_told_as_it_comes_back_and_how_it_ended(place: Place) -> None:
    ran = launchpad(place.workspace, "gameday", "web-1", "--yes")
    assert ran.code == 0, ran.error
    assert ran.out.startswith("loss of web-1: 3 of 3 back in ")
    for name in ("alice", "bob", "carol"):
        assert f"{name}: back on web-2 in " in ran.err
    assert "the token" not in ran.out + ran.err
    nothing_stays(place.there)
    shown = launchpad(place.workspace, "status")
    assert "loss of web-1: 3 of 3 back in " in shown.err and "proven within the last hour" in shown.err


def test_who_does_not_come_back_is_an_error_with_what_to_type(place: Place) -> None:
    place.there.repositories[URL, "bob"].content.clear()
    ran = launchpad(place.workspace, "gameday", "web-1", "--yes")
    assert ran.code == 6 and ran.out.startswith("loss of web-1: 2 of 3 back in ")
    assert "bob: not back on web-2: restic: no matching ID" in ran.err and "launchpad backups list bob" in ran.err
    place.hosts.off.add("web-1")
    ran = launchpad(place.workspace, "gameday", "web-1", "--yes", "--json")
    assert ran.code == 8 and [line["back"] for line in ran.lines if "back" in line] == [2]
    assert any("the outcome could not be recorded" in str(line) for line in ran.lines)


def test_before_a_game_day_status_and_health_say_that_nothing_is_proven(place: Place) -> None:
    assert "loss of web-1: never proven: launchpad gameday web-1" in launchpad(place.workspace, "status").err
    said = launchpad(place.workspace, "health", "web-1")
    assert said.code == 1 and "web-1 loss: never proven; next: launchpad gameday web-1" in said.out


@pytest.mark.parametrize("words", [("--parallel", "0"), ("--parallel", "9"), ("--to",)])
def test_what_makes_no_sense_is_a_usage_error(place: Place, words: tuple[str, ...]) -> None:
    assert launchpad(place.workspace, "gameday", "web-1", *words).code == 2
