"""Which of a tenant's connections are requests that end by themselves, and which are WebSockets that stay. Pure.

The kernel reports bytes, not requests. Caddy opens a connection for each request and sends the request first. So a
connection without received bytes waits for its answer, a connection that receives bytes receives its answer, and a
connection on which the visitor sends again after the answer began is a WebSocket.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from launchpad.runner.host import EstablishedConnection

SOCKET_SECONDS = 2
"""Wait for a WebSocket younger than so many seconds, because its visitor may be about to send a request."""
STREAM_SECONDS = 30
"""An answer longer than so many seconds is a stream, which does not end by itself."""


@dataclass(frozen=True)
class _Known:
    since: float
    """When the connection was first seen."""
    sent: int | None = None
    """The bytes sent when the answer was first seen."""


class Visits:
    """A tenant's connections during an operation; longer observation classifies them better."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._given_up: frozenset[str] = frozenset()
        self.given_up = False
        """Whether a wait took too long once; then no long wait follows."""

    def under_way(self, found: Iterable[EstablishedConnection], now: float, *, quiet: float) -> frozenset[str]:
        """The connections that are worth waiting for. A connection that received bytes, and then none for the quiet
        seconds, is an idle WebSocket."""
        there = {item.end: item for item in found}
        self._given_up &= there.keys()
        self._known = {end: self._updated(item, now) for end, item in there.items()}
        awaited = (end for end, item in there.items() if _is_awaited(item, self._known[end], now, quiet))
        return frozenset(awaited) - self._given_up

    def give_up(self, ends: Iterable[str]) -> None:
        """Do not wait for these connections any more."""
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
