"""Who floods a log is limited further and further, and freed when that would stay calm."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from launchpad.runner.watching.flooding import (
    CALM_SECONDS,
    FORGOTTEN_SECONDS,
    LEAST,
    LIMIT,
    LOUD_SECONDS,
    MOST_CALM_SECONDS,
    Flood,
    judged,
)

LOOK = 5.0


def after(flood: Flood, seconds: float, full_rate: float) -> Flood:
    """What is known after so long of an app that would write so much with all its CPUs."""
    for _ in range(round(seconds / LOOK)):
        flood = judged(flood, rate=full_rate * flood.share, seconds=LOOK)
    return flood


def test_an_app_that_floods_is_limited_until_little_arrives() -> None:
    flood = after(Flood(), LOUD_SECONDS, 4 * LIMIT)
    assert flood.share == 0.25
    assert after(flood, 600, 4 * LIMIT - 1).share == 0.25, "as much as is needed, and no more"
    assert after(Flood(), 600, 1000 * LIMIT).share == LEAST


def test_a_short_burst_limits_nobody() -> None:
    flood = after(Flood(), LOUD_SECONDS - LOOK, 100 * LIMIT)
    assert after(flood, LOOK, 0).share == 1.0


def test_a_limited_app_that_would_flood_again_stays_limited_and_one_that_is_calm_is_freed() -> None:
    limited = after(Flood(), 60, 6 * LIMIT)
    assert limited.share < 0.25
    assert after(limited, 3600, 6 * LIMIT).share == limited.share
    assert after(limited, CALM_SECONDS - LOOK, 0).share == limited.share
    assert after(limited, CALM_SECONDS, 0) == Flood(times=1)


def test_each_flood_of_the_same_hour_is_freed_later() -> None:
    flood, waits = Flood(), []
    for _ in range(8):
        flood = after(flood, LOUD_SECONDS, 2 * LIMIT)
        waited = 0.0
        while flood.share < 1.0:
            flood, waited = after(flood, LOOK, 0), waited + LOOK
        waits.append(waited)
    assert waits[:4] == [60, 120, 240, 480]
    assert max(waits) == MOST_CALM_SECONDS
    assert after(flood, FORGOTTEN_SECONDS, 0).times == 0


@given(st.lists(st.floats(0, 1e9), max_size=200))
def test_whatever_an_app_writes_its_share_stays_within_bounds(rates: list[float]) -> None:
    flood = Flood()
    for rate in rates:
        flood = judged(flood, rate=rate, seconds=LOOK)
        assert LEAST <= flood.share <= 1.0
