"""What stands in files of NAME=value lines, and how it is written there."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.archives.environment import entries, line


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("KEY=v", "v"),
        ("KEY=v\r\n", "v"),
        ("  export KEY = v  \n", "v"),
        ("KEY=v # mine\n", "v"),
        ("KEY=v#1\n", "v#1"),
        ('KEY="v" # mine\n', "v"),
        ("KEY='v # not mine' # mine\n", "v # not mine"),
        ('KEY=`it\'s "v"`\n', 'it\'s "v"'),
        ('KEY="one\\ntwo \\"three\\" \\$4 \\\\"\n', 'one\ntwo "three" $4 \\'),
        ("KEY='one\ntwo'\n", "one\ntwo"),
        ("KEY='half\n", "'half"),
        ("KEY=\n", ""),
        ("KEY= # nothing\n", ""),
    ],
)
def test_a_value_is_what_dotenv_reads(text: str, value: str) -> None:
    assert [item[1:] for item in entries(text.encode())] == [("KEY", value)]


def test_what_is_no_entry_stays_as_it_is() -> None:
    text = b"# KEY=no\n\nlower=no\nA=1\nNOT AN=entry\nB='2\n3'\n# end"
    found = list(entries(text))
    assert [(name, value) for _, name, value in found if name] == [("A", "1"), ("B", "2\n3")]
    assert b"".join(piece for piece, _, _ in found) == text


@given(st.binary(max_size=80))
def test_the_pieces_are_the_whole(text: bytes) -> None:
    assert b"".join(piece for piece, _, _ in entries(text)) == text


VALUES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(st.lists(st.one_of(VALUES, st.text("'\"`\\$# \n\rab", min_size=1)), max_size=4))
def test_what_is_written_is_read_again(values: list[str]) -> None:
    lines = [line(f"K{number}", value) for number, value in enumerate(values)]
    text = "".join(item for item in lines if item).encode()
    wanted = {f"K{number}": value for number, value in enumerate(values) if lines[number]}
    assert {name: value for _, name, value in entries(text)} == wanted


@pytest.mark.parametrize("value", ["it's", 'a "b" $c \\d e', "-----BEGIN\nKEY-----\n", "ab#cd", " # ", "ends\r\n"])
def test_what_secrets_look_like_can_be_written(value: str) -> None:
    assert line("KEY", value) is not None


@pytest.mark.parametrize("value", ["it's $5", "ends with \\", "'\""])
def test_what_readers_read_differently_is_not_written(value: str) -> None:
    assert line("KEY", value) is None
