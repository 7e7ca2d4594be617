"""What of a tenant's connections is work that ends by itself, and what is a socket that stays. Pure.

The kernel tells of bytes, not of requests. Caddy opens a connection for each request and sends it first; so one that
has brought nothing yet waits for its answer, one that brings bytes brings its answer, and one on which the visitor
speaks again after the answer began is a WebSocket.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from launchpad.runner.host import EstablishedConnection

SOCKET_SECONDS = 2
"""A WebSocket that is younger is awaited: whoever has just come may be about to ask for something."""
STREAM_SECONDS = 30
"""An answer that still comes after so long is a stream, which ends when somebody wants it to."""


@dataclass(frozen=True)
class _Known:
    since: float
    """When it was first seen."""
    sent: int | None = None
    """How much had been sent when its answer was first seen."""


class Visits:
    """The connections of one tenant over an operation: the longer they are watched, the better they are known."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._given_up: frozenset[str] = frozenset()
        self.given_up = False
        """Whether waiting took too long once: nobody waits for anything long again."""

    def under_way(self, found: Iterable[EstablishedConnection], now: float, *, quiet: float) -> frozenset[str]:
        """The ends of those that are worth waiting for. One that has brought something and then nothing for the quiet
        seconds is a WebSocket at rest."""
        there = {item.end: item for item in found}
        self._given_up &= there.keys()
        self._known = {end: self._updated(item, now) for end, item in there.items()}
        awaited = (end for end, item in there.items() if _is_awaited(item, self._known[end], now, quiet))
        return frozenset(awaited) - self._given_up

    def give_up(self, ends: Iterable[str]) -> None:
        """Wait for these no more."""
        self.given_up = True
        self._given_up |= frozenset(ends)

    def _updated(self, item: EstablishedConnection, now: float) -> _Known:
        known = self._known.get(item.end, _Known(now))
        return _Known(known.since, item.sent) if item.received and known.sent is None else known


def _is_awaited(item: EstablishedConnection, known: _Known, now: float, quiet: float) -> bool:
    if known.sent is None:
        return True
    lasts = now - known.since
    if item.sent > known.sent:
        return lasts < SOCKET_SECONDS and item.silent < quiet
    if item.queued:
        return True
    return lasts < STREAM_SECONDS and item.silent < quiet
