"""Who asks. A module of its own, so that a reading verb imports nothing of operations for it."""

from __future__ import annotations

from collections.abc import Iterable

from launchpad.runner.record import Record


class Caller(Record):
    """Who asks, as sshd and sudo know it; never as the request says."""

    operator: str
    source: str = ""
    incoming: Iterable[bytes] = ()
    """The lines that follow the request, for the verb that takes some; each of at most MOST_LINE bytes."""


MOST_LINE = 1024 * 1024
