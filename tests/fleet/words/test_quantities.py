"""Amounts say their unit, and come back as they were written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.quantities import Duration, Size


@given(st.integers(1, 1024 * 1024 * 1024))
def test_a_size_comes_back_as_it_was(mb: int) -> None:
    assert Size.parse(str(Size(mb))) == Size(mb)


@given(st.integers(1, 30 * 24 * 3600))
def test_a_duration_comes_back_as_it_was(seconds: int) -> None:
    assert Duration.parse(str(Duration(seconds))) == Duration(seconds)


@pytest.mark.parametrize(("text", "mb"), [("512MiB", 512), ("2GiB", 2048), ("1TiB", 1024 * 1024)])
def test_sizes(text: str, mb: int) -> None:
    assert Size.parse(text).mb == mb
    assert str(Size(mb)) == text


@pytest.mark.parametrize(("text", "seconds"), [("15s", 15), ("90s", 90), ("5m", 300), ("24h", 86400)])
def test_durations(text: str, seconds: int) -> None:
    assert Duration.parse(text).seconds == seconds


@pytest.mark.parametrize(
    "text", ["", "2", "2G", "2GB", "2 GiB", "-2GiB", "0GiB", "1.5GiB", "2gib", "9999999TiB", "\uff12GiB"]
)
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(Malformed):
        Size.parse(text)


def test_sizes_compare_by_amount() -> None:
    assert Size.parse("1GiB") > Size.parse("512MiB")
