"""How long a host has been away: counted from the cut, not from the request that was cut, which may last an hour."""

from __future__ import annotations

from tenacity import RetryCallState

from launchpad.workspace import OperatorClock

COME_BACK_SECONDS = 600
"""For so long an operation is come back to: a host that reboots, a laptop that sleeps."""


class Absence:
    """Give up on a host that was away for `most` seconds; a host that answers is not away."""

    def __init__(self, clock: OperatorClock, *, most: float = COME_BACK_SECONDS) -> None:
        self._clock = clock
        self._most = most
        self._connected: float | None = None
        self._since: float | None = None

    def connected(self) -> None:
        """A connection stands. Only one that lasts counts: a host may hang up on each."""
        self._connected = self._clock.monotonic()

    def heard(self) -> None:
        """The host answers."""
        self._since = None

    def too_long(self, _state: RetryCallState) -> bool:
        """Whether to give up, after an attempt that failed (tenacity's `stop`)."""
        from launchpad.ssh.execution import SILENT_SECONDS

        now = self._clock.monotonic()
        # A connection on which nothing is heard, not even that the runner is alive, ends after SILENT_SECONDS.
        if self._connected is not None and now - self._connected > 2 * SILENT_SECONDS:
            self._since = None
        self._connected = None
        if self._since is None:
            self._since = now
        return now - self._since >= self._most
