"""What the keys of `top` choose: a row that stays chosen, a search, a command that is asked for first."""

from __future__ import annotations

import pytest

from launchpad.cli.browsing import QUIT, Browsing, Chosen
from tests.cli.top_rows import LONG, few_rows


@pytest.fixture
def view() -> Browsing:
    made = Browsing(room=3)
    made.take(few_rows())
    return made


def press(view: Browsing, *keys: str) -> Chosen | str | None:
    """The answer to the last key; a key of one letter is also what it types."""
    answer = None
    for key in keys:
        answer = view.press(key, key if len(key) == 1 else "")
    return answer


def names(view: Browsing) -> list[str]:
    return [row.name for row in view.shown[view.first : view.first + view.room]]


def test_the_topmost_row_is_chosen_until_somebody_chooses(view: Browsing) -> None:
    assert view.chosen and view.chosen.name == "alice"
    view.take([row for row in few_rows() if row.name != "alice"])
    assert view.chosen and view.chosen.name == "web-2"


def test_the_chosen_row_stays_chosen_wherever_it_moves(view: Browsing) -> None:
    press(view, "end", "up")
    assert view.chosen and (view.chosen.name, names(view)) == ("web-1", ["bob", "web-1", "carol"])
    view.take([row for row in few_rows() if row.host == "web-1"])
    assert view.chosen.name == "web-1" and view.place == 3
    view.take([row for row in few_rows() if row.host == "web-2"])
    assert view.chosen and view.chosen.name == "web-2", "it is gone: the topmost"


def test_the_chosen_row_stays_on_the_screen(view: Browsing) -> None:
    for keys, first, chosen in (
        (("down", "down", "down"), 1, "bob"),
        (("up",), 1, LONG),
        (("up", "k"), 0, "alice"),
        (("pagedown", "j"), 1, "bob"),
        (("home", "up"), 0, "alice"),
        (("end", "down"), 3, "carol"),
    ):
        press(view, *keys)
        assert view.chosen and (view.first, view.chosen.name) == (first, chosen), keys
    view.resize(10)
    assert view.first == 0


def test_a_search_filters_while_it_is_typed(view: Browsing) -> None:
    press(view, "/", "C", "a", "r")
    assert view.typing and [row.name for row in view.shown] == ["carol"]
    assert press(view, "q") is None, "a letter of the search"
    assert view.shown == []
    assert press(view, "r") is None and view.chosen is None
    press(view, "backspace", "backspace", "enter")
    assert not view.typing and view.search == "Car" and names(view) == ["carol"]
    press(view, "escape")
    assert view.search == "" and len(view.shown) == 6
    press(view, "/", "x", "escape")
    assert not view.typing and view.search == ""


@pytest.mark.parametrize(
    ("key", "words", "asks"),
    [
        ("r", ("restart", "alice"), True),
        ("l", ("logs", "alice", "--lines", "50", "--follow"), False),
        ("d", ("diagnose", "alice"), True),
        ("o", ("open", "alice"), True),
    ],
)
def test_a_key_runs_the_command_of_its_name_and_asks_before_it_changes_anything(
    view: Browsing, key: str, words: tuple[str, ...], asks: bool
) -> None:
    answer = press(view, key)
    if not asks:
        assert isinstance(answer, Chosen) and answer.words == words
        return
    assert answer is None and view.asked and "alice on web-1" in view.asked.question
    for no in ("n", "enter", "escape", key):
        assert press(view, no) is None and view.asked is None
        assert view.notice == "not confirmed, nothing was changed"
        press(view, key)
    view.take([row for row in few_rows() if row.name != "alice"])
    answer = press(view, "y")
    assert isinstance(answer, Chosen) and answer.words == words, "the tenant that was asked about"


def test_a_host_can_be_diagnosed_and_not_restarted(view: Browsing) -> None:
    press(view, "end", "up", "r")
    assert (view.asked, view.notice) == (None, "web-1 is a host: restart needs a tenant")
    answer = press(view, "d", "y")
    assert isinstance(answer, Chosen) and answer.words == ("diagnose", "web-1")


def test_it_is_left_by_q_and_by_ctrl_c_wherever_one_is(view: Browsing) -> None:
    assert press(view, "q") == QUIT
    assert press(view, "/", "ctrl+c") == QUIT
    assert press(view, "escape", "r", "ctrl+c") == QUIT


def test_keys_do_nothing_without_a_row() -> None:
    assert press(Browsing(), "r", "l", "down", "end", "x") is None
