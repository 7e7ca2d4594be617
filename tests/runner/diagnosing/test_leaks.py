"""The check of finished bytes finds what no redactor took out."""

from __future__ import annotations

import json

import pytest

from launchpad.runner.diagnosing.leaks import leaks
from tests.runner.diagnosing.seeding import ENCODINGS, secrets

VALUES = secrets(60, 7)


@pytest.mark.parametrize("encoding", ["raw", *ENCODINGS])
def test_a_secret_is_found_in_every_encoding(encoding: str) -> None:
    encode = ENCODINGS.get(encoding, str)
    for value in VALUES:
        for data in (
            f"x={encode(value)};",
            json.dumps({"log": [f"a {encode(value)} b"]}),
            json.dumps(json.dumps({encode(value): 1})),
        ):
            assert [leak.secret for leak in leaks(data.encode(), {"alice/KEY": [value]})] == ["alice/KEY"], (
                value,
                data,
            )


@pytest.mark.parametrize("before", ["a", "ab", "abc", "abcd"])
def test_base64_is_found_right_behind_other_letters(before: str) -> None:
    for value in VALUES:
        for name in (name for name in ENCODINGS if name.startswith("base64")):
            assert leaks(f"{before}{ENCODINGS[name](value)}".encode(), {"K": [value]}), (name, value)


def test_a_fragment_is_found() -> None:
    value = "q7Zr1Lw9Xc4Vb8Nm2Ks6"
    for at in range(len(value) - 11):
        assert leaks(b"...." + value[at : at + 12].encode() + b"....", {"K": [value]})
        assert not leaks(b"...." + value[at : at + 11].encode() + b"....", {"K": [value]})


def test_innocent_bytes_are_none() -> None:
    text = json.dumps({"log": ["[gateway] listening on ws://0.0.0.0:18789", "sha256:" + "ab" * 32] * 500}).encode()
    assert leaks(text, {f"S{number}": [value] for number, value in enumerate(VALUES)}) == []


def test_what_is_too_short_is_no_secret_and_a_short_one_is_found_whole() -> None:
    assert leaks(b"yes it is on", {"A": ["on"], "B": ["yes"]}) == []
    assert [leak.secret for leak in leaks(b"say sesame!", {"A": ["sesame"]})] == ["A"]


def test_a_leak_shows_no_value() -> None:
    (leak,) = leaks(b"say sesame!", {"A": ["sesame"]})
    assert "sesame" not in repr(leak)
