"""Lines are put together from any pieces, and never grow without a bound."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.ssh.lines import BadLine, LineReader

objects = st.lists(st.fixed_dictionaries({"type": st.just("event"), "text": st.text()}), max_size=5)


@given(objects, st.lists(st.integers(min_value=1, max_value=40)))
def test_any_cut_of_the_bytes_gives_the_same_objects(sent: list[dict[str, str]], cuts: list[int]) -> None:
    data = b"".join(json.dumps(each).encode() + b"\n" for each in sent)
    lines, got = LineReader(), []
    for size in (*cuts, len(data)):
        piece, data = data[:size], data[size:]
        got += list(lines.feed(piece))
    assert got + list(lines.feed(data)) == sent


def test_an_endless_line_is_refused_before_it_is_kept() -> None:
    lines = LineReader(longest=100)
    with pytest.raises(BadLine, match="more than 100 bytes"):
        for _ in range(11):
            list(lines.feed(b"x" * 10))


def test_the_bound_is_for_one_line_and_not_for_all() -> None:
    lines = LineReader(longest=30)
    assert len([line for _ in range(50) for line in lines.feed(b'{"type":"event"}\n')]) == 50


@pytest.mark.parametrize("line", [b"hello", b"[]", b"{}", b'{"type": 3}', b"[" * 100_000])
def test_what_is_not_of_the_protocol_is_refused(line: bytes) -> None:
    with pytest.raises(BadLine):
        list(LineReader().feed(line + b"\n"))
