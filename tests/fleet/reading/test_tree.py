"""YAML is read as it is plainly meant, with the line of everything in it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.fleet.keeping.edit import new_text
from launchpad.fleet.reading.tree import read_tree
from launchpad.fleet.words.mistakes import Place


def plain(text: str) -> Any:
    return read_tree("f", text.encode()).plain()


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("0123", "0123"),
        ("123", 123),
        ("-5", -5),
        ("1.50", 1.5),
        ("1e3", "1e3"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("2026.9.6", "2026.9.6"),
        ("2026-09-06", "2026-09-06"),
        ("12:30:45", "12:30:45"),
        ("yes", "yes"),
        ("on", "on"),
        ("NO", "NO"),
        ("true", True),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("", None),
        ("'123'", "123"),
        ('"true"', "true"),
        (".inf", ".inf"),
        ("=", "="),
        ("<<", "<<"),
    ],
)
def test_only_plain_numbers_and_truth_values_are_no_text(written: str, read: object) -> None:
    found = plain(f"key: {written}\n")
    assert found == {"key": read}
    assert type(found["key"]) is type(read)


def test_keys_are_text_whatever_they_look_like() -> None:
    assert plain("on: 1\nyes: 2\n2026.9.6: 3\n") == {"on": 1, "yes": 2, "2026.9.6": 3}


def test_an_empty_file_is_an_empty_mapping() -> None:
    assert plain("") == plain("# only a comment\n") == plain("---\n") == {}


def test_a_byte_order_mark_and_windows_line_ends_are_fine() -> None:
    assert read_tree("f", b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").plain() == {"a": 1, "b": 2}


def test_aliases_within_reason_are_fine() -> None:
    assert plain("a: &x {b: 1}\nc: *x\n") == {"a": {"b": 1}, "c": {"b": 1}}


def test_everything_knows_its_line() -> None:
    tree = read_tree("f", b"a:\n  - x\n  - b: 1\n    c: 2\nd: e\n")
    assert tree.place_of(("a", 1, "c")) == Place("f", 4)
    assert tree.place_of(("a", 0)) == Place("f", 2)
    assert tree.place_of(("d",)) == Place("f", 5)
    assert tree.place_of(("a", 1, "nothing")) == Place("f", 3)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=20)
SCALARS = st.none() | st.booleans() | st.integers(-(10**15), 10**15) | TEXT
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


def tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: tuples(item) for key, item in value.items()}
    return tuple(tuples(item) for item in value) if isinstance(value, list) else value


@given(st.dictionaries(st.from_regex(r"[a-z]{1,8}", fullmatch=True), VALUES, max_size=5))
def test_what_is_written_is_read_back(record: dict[str, Any]) -> None:
    assert read_tree("f", new_text(record)).plain() == tuples(record)
