"""What a change waits for: requests that get their answer, and not the sockets that stay."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from launchpad.runner.host import EstablishedConnection
from launchpad.runner.visits import SOCKET_SECONDS, STREAM_SECONDS, Visits

QUIET = 1.0


def at(
    sent: int, received: int, *, silent: float = 0.1, queued: bool = False, end: str = "one"
) -> EstablishedConnection:
    return EstablishedConnection(end=end, sent=sent, received=received, silent=silent, queued=queued)


def waits(second: int) -> EstablishedConnection:
    """A request whose answer has not begun."""
    return at(100, 0, silent=float(second))


def uploads(second: int) -> EstablishedConnection:
    return at(100 + 1000 * second, 0)


def downloads(second: int) -> EstablishedConnection:
    return at(100, 1 + 1000 * second)


def talks(second: int) -> EstablishedConnection:
    """A WebSocket on which the visitor sends each second and is answered."""
    return at(100 + 10 * second, 129 + 10 * second)


def rests(second: int) -> EstablishedConnection:
    """A WebSocket on which nothing was said for long."""
    return at(100, 129, silent=30.0 + second)


def crawls(second: int) -> EstablishedConnection:
    """An answer whose visitor reads slowly."""
    return at(100, 129, silent=5.0 + second, queued=True)


AWAITED: list[tuple[Callable[[int], EstablishedConnection], int, bool]] = [
    (waits, 1, True),
    (waits, 200, True),
    (uploads, 200, True),
    (downloads, 1, True),
    (downloads, STREAM_SECONDS - 1, True),
    (downloads, STREAM_SECONDS, False),
    (talks, 1, True),
    (talks, SOCKET_SECONDS, False),
    (talks, 200, False),
    (rests, 0, False),
    (crawls, 200, True),
]


@pytest.mark.parametrize(("connection", "seconds", "awaited"), AWAITED)
def test_what_is_awaited_after_so_many_seconds(
    connection: Callable[[int], EstablishedConnection], seconds: int, awaited: bool
) -> None:
    visits = Visits()
    for second in range(seconds + 1):
        found = visits.under_way([connection(second)], float(second), quiet=QUIET)
    assert found == (frozenset({"one"}) if awaited else frozenset())


def test_who_has_just_come_is_awaited_also_on_a_websocket() -> None:
    """The command line of an app connects and then asks: it must not be cut in between."""
    visits = Visits()
    visits.under_way([talks(0)], 0.0, quiet=QUIET)
    visits.under_way([talks(9)], 9.0, quiet=QUIET)
    assert visits.under_way([talks(10), at(50, 60, end="two")], 10.0, quiet=QUIET) == {"two"}
    assert visits.under_way([talks(11), at(70, 90, end="two")], 11.0, quiet=QUIET) == {"two"}


def test_what_was_given_up_is_not_awaited_again_until_its_port_is_another_ones() -> None:
    visits = Visits()
    assert visits.under_way([waits(0)], 0.0, quiet=QUIET) == {"one"}
    visits.give_up({"one"})
    assert visits.under_way([waits(1)], 1.0, quiet=QUIET) == frozenset()
    visits.under_way([], 2.0, quiet=QUIET)
    assert visits.under_way([waits(0)], 3.0, quiet=QUIET) == {"one"}
