"""How long a host has been unreachable: counted from the lost connection, not from the start of its request, which may
last an hour."""

from __future__ import annotations

from tenacity import RetryCallState

from launchpad.workspace import OperatorClock

COME_BACK_SECONDS = 600
"""How long to reconnect to an operation's host: the host may reboot, or the laptop may sleep."""


class Absence:
    """Give up after a host was unreachable for `most` seconds; every answer resets the count."""

    def __init__(self, clock: OperatorClock, *, most: float = COME_BACK_SECONDS) -> None:
        self._clock = clock
        self._most = most
        self._connected: float | None = None
        self._since: float | None = None

    def connected(self) -> None:
        """A connection was made. Only a connection that lasts resets the count, because a host may close each one at
        once."""
        self._connected = self._clock.monotonic()

    def heard(self) -> None:
        """The host answered."""
        self._since = None

    def too_long(self, _state: RetryCallState) -> bool:
        """Whether to give up after a failed attempt (tenacity's `stop`)."""
        from launchpad.ssh.execution import SILENT_SECONDS

        now = self._clock.monotonic()
        # A connection without any data, not even a keep-alive of the runner, ends after SILENT_SECONDS.
        if self._connected is not None and now - self._connected > 2 * SILENT_SECONDS:
            self._since = None
        self._connected = None
        if self._since is None:
            self._since = now
        return now - self._since >= self._most
