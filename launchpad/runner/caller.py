"""Who asks. A module of its own, so that a reading verb imports nothing of operations for it."""

from __future__ import annotations

from launchpad.runner.record import Record


class Caller(Record):
    """Who asks, as sshd and sudo know it; never as the request says."""

    operator: str
    source: str = ""
