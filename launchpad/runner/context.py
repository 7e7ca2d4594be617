"""What a step may use while it runs, and how an operator can cancel it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from launchpad.runner.host import Host
from launchpad.runner.record import Record
from launchpad.runner.visits import Visits


class Context(Record):
    """What a step may use: the host, the operation, and a way to report progress."""

    host: Host
    identifier: str
    operation: Mapping[str, Any]
    emit: Callable[..., None]
    """`emit("step-progress", text=…)`: an event, on disk when it returns."""
    cancelled: Callable[[], bool]
    visits: Visits
    """What is known about the tenant's connections so far."""

    def say(self, text: str) -> None:
        self.emit("step-progress", text=text)


class Cancelled(Exception):
    """An operator cancelled the operation while a step was waiting."""


def check_cancelled(context: Context) -> None:
    """Raise Cancelled when an operator has cancelled the operation."""
    if context.cancelled():
        raise Cancelled
