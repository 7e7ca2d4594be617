"""Lines of several hosts come out in the order of time, and within a source as they came in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from launchpad.operations.observation.log_order import HOLD_SECONDS, LogLine, LogOrder

BEGIN = 1795341600.0
"""2026-11-22T10:00:00Z"""


def line(second: int, text: str = "") -> LogLine:
    at = f"2026-11-22T10:00:{second:02}.000000000Z"
    return LogLine(host="web-1", tenant="alice", service="web", at=at, text=text or str(second))


def test_a_follower_waits_a_moment_for_older_lines_of_other_hosts() -> None:
    order = LogOrder()
    order.add(line(3), source="a", ahead=0.0, now=0.0)
    assert list(order.due(clock=BEGIN + 3, now=0.0)) == []
    order.add(line(2), source="b", ahead=0.0, now=0.5)
    assert [item.text for item in order.due(clock=BEGIN + 3 + HOLD_SECONDS, now=1.0)] == ["2", "3"]


def test_a_line_of_the_future_waits_no_longer_than_twice_that() -> None:
    order = LogOrder()
    order.add(line(59), source="a", ahead=0.0, now=0.0)
    assert list(order.due(clock=BEGIN, now=2 * HOLD_SECONDS - 0.1)) == []
    assert [item.text for item in order.due(clock=BEGIN, now=2 * HOLD_SECONDS)] == ["59"]


@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 59)), max_size=40))
def test_the_order_within_a_source_never_changes(lines: list[tuple[str, int]]) -> None:
    order = LogOrder()
    for number, (source, second) in enumerate(lines):
        order.add(line(second, f"{source} {number}"), source=source, ahead=0.0, now=0.0)
    came = [item.text for item in order.rest()]
    for source in "abc":
        mine = [text for text in came if text.startswith(source)]
        assert mine == [f"{source} {number}" for number, (one, _) in enumerate(lines) if one == source]


def test_a_time_that_is_none_stops_nothing() -> None:
    order = LogOrder()
    order.add(LogLine(host="h", tenant="t", service="s", at="soon", text="x"), source="a", ahead=0.0, now=0.0)
    assert [item.text for item in order.rest()] == ["x"]
