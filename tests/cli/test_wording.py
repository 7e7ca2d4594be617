"""Times as people read and write them."""

from __future__ import annotations

import datetime
import time

import pytest

from launchpad.cli.wording import age, lasted, short_moment, since, soak
from launchpad.fleet.words.malformed import Malformed


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (9.96, "10.0 s"),
        (12.3, "12 s"),
        (59.7, "1 min"),
        (119.6, "2 min"),
        (200, "3 min 20 s"),
        (None, ""),
    ],
)
def test_how_long_it_took(seconds: float | None, text: str) -> None:
    assert lasted(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"), [(12, "12 s"), (300, "5 min"), (7300, "2 h"), (90_000, "1 d"), (None, "")]
)
def test_how_long_ago(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(("text", "ago"), [("10m", 600), ("2h", 7200), ("1d", 86_400), ("15s", 15)])
def test_since_so_long(text: str, ago: float) -> None:
    assert since(text) == (None, ago), "the host counts from its own now"


def test_since_a_date_is_in_this_machine_s_zone_unless_it_says_another() -> None:
    at = datetime.datetime(2026, 11, 22, 14, tzinfo=datetime.UTC).timestamp()
    assert since("2026-11-22T14:00+00:00") == (at, None)
    assert since("2026-11-22 14:00") == (datetime.datetime(2026, 11, 22, 14).timestamp(), None)


@pytest.mark.parametrize("text", ["soon", "", "10", "-5m", "1 d", "2026-13-01"])
def test_what_is_no_time_says_what_is(text: str) -> None:
    with pytest.raises(Malformed, match="bad time"):
        since(text)


def test_a_short_moment_has_its_day_and_hour_and_of_another_year_its_date() -> None:
    at = time.mktime((2026, 11, 22, 14, 3, 5, 0, 0, -1))
    assert short_moment(at, now=at + 86_400) == "11-22 14:03"
    assert short_moment(at, now=at + 86_400 * 60) == "2026-11-22"


@pytest.mark.parametrize(("text", "seconds"), [("60s", 60), ("5m", 300), ("1h", 3600), ("0s", 0), ("0", 0)])
def test_how_long_to_soak(text: str, seconds: int) -> None:
    assert soak(text) == seconds


@pytest.mark.parametrize("text", ["5x", "60", "", "2h", "-1s"])
def test_what_is_no_time_to_soak_names_the_option(text: str) -> None:
    with pytest.raises(Malformed, match=r"--soak: .*such as 5m, at most 1h"):
        soak(text)
