"""launchpad move, from the words typed to the lines printed, between two hosts in memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.test_operations import launchpad
from tests.operations.moving.test_fence_move import place as dead
from tests.operations.two_hosts import Place, a_place

__all__ = ["dead"]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return a_place(tmp_path / "fleet")


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--back",),
        ("--to", "web-2", "--finish"),
        ("--finish", "--fence", "gone"),
        ("--finish", "--wait", "15m"),
        ("--to", "web-2", "--back", "--wait", "0s"),
        ("--to", "web-2", "--fence", "gone", "--wait", "15m"),
        ("--to", "web-2", "--despite-dns"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(place: Place, words: tuple[str, ...]) -> None:
    assert launchpad(place.workspace, "move", "alice", *words).code == 2


def test_nobody_is_moved_who_was_not_asked_about(place: Place) -> None:
    ran = launchpad(place.workspace, "move", "alice", "--to", "web-2")
    assert ran.code == 4 and "Move alice from web-1 to web-2?" in str(ran.error)
    assert "web-1" in place.file.read_text()


def test_what_would_be_refused_is_not_asked_about(place: Place) -> None:
    for words, said in (
        (("--to", "web-2", "--fence", "power seen off"), "light has no backups"),
        (("--to", "web-2", "--back"), "alice has not left web-1"),
        (("--to", "web-2", "--back", "--fence", "power seen off"), "alice has not left web-1"),
        (("--to", "web-2", "--back", "--fence", "\n"), "--fence needs one line"),
    ):
        assert said in str(launchpad(place.workspace, "move", "alice", *words).error), words


def test_a_host_that_answers_is_not_fenced_and_nobody_is_asked(dead: Place) -> None:
    dead.hosts.off.clear()
    ran = launchpad(dead.workspace, "move", "alice", "--to", "web-2", "--fence", "power seen off")
    assert "web-1 answers" in str(ran.error)
    dead.hosts.off.add("web-1")
    ran = launchpad(dead.workspace, "move", "alice", "--to", "web-2", "--fence", "power seen off")
    assert "Start alice's newest backup on web-2?" in str(ran.error)


def test_a_move_says_where_it_is_and_what_is_left_to_do(place: Place) -> None:
    ran = launchpad(place.workspace, "move", "alice", "--to", "web-2", "--yes")
    assert ran.code == 0, ran.error
    assert ran.out.startswith("alice: moved from web-1 to web-2; requests waited for ")
    said = ran.err
    assert "copying alice's data from web-1 to web-2" in said
    assert "inventory/tenants/alice.yaml now has host: web-2; commit the file" in said
    assert "DNS record to set: alice.example.com. A 127.0.0.1" in said
    assert "then: launchpad move alice --finish" in said
    assert "the token" not in ran.out + said


def test_under_json_the_last_line_is_how_it_ended(place: Place) -> None:
    lines = launchpad(place.workspace, "move", "alice", "--to", "web-2", "--yes", "--json").lines
    last = lines[-1]
    assert (last["outcome"], last["source"], last["destination"], last["written"]) == ("done", "web-1", "web-2", True)
    assert last["problems"] == [] and last["domains"] == ["alice.example.com"]


def test_a_failed_arrival_says_how_it_goes_on(place: Place) -> None:
    place.there.behaviours = dict.fromkeys(place.there.registry, "crash")
    ran = launchpad(place.workspace, "move", "alice", "--to", "web-2", "--yes")
    assert ran.code == 6
    assert "to return alice to web-1: launchpad move alice --to web-2 --back" in str(getattr(ran.error, "hint", ""))
    back = launchpad(place.workspace, "move", "alice", "--to", "web-2", "--back", "--yes")
    assert back.code == 0 and back.out == "alice: returned to web-1\n"


def test_finishing_says_what_is_left_of_it(place: Place) -> None:
    launchpad(place.workspace, "move", "alice", "--to", "web-2", "--yes")
    for words in ([], ["--yes"]):
        ran = launchpad(place.workspace, "move", "alice", "--finish", *words)
        assert ran.code == 4 and "to finish without them: --despite-dns" in str(getattr(ran.error, "hint", ""))
        assert "alice" in str(place.here.sites), "who says --yes has only not to be asked"
    ran = launchpad(place.workspace, "move", "alice", "--finish", "--despite-dns")
    assert ran.out == "alice: move finished; web-1 is free of alice\n"
    assert "launchpad retire alice --host web-1 --purge" in ran.err


def test_a_time_that_is_none_is_named_by_its_option(place: Place) -> None:
    ran = launchpad(place.workspace, "move", "alice", "--to", "web-2", "--wait", "soon")
    assert "--wait" in str(ran.error)


def test_after_a_fence_the_names_that_lead_to_the_dead_host_are_told(dead: Place) -> None:
    for _ in ("the first time", "and again: it is no less true"):
        ran = launchpad(dead.workspace, "move", "alice", "--to", "web-2", "--fence", "power seen off", "--yes")
        assert ran.code == 0, ran.error
        assert "DNS record to set: alice.example.com. A 127.0.0.1" in ran.err
        assert "DNS points alice.example.com to" in ran.err
        assert "launchpad dns show alice" in ran.err
