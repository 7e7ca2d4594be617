"""What a step may use while it is carried out, and the end that somebody else may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from launchpad.runner.host import Host
from launchpad.runner.record import Record
from launchpad.runner.visits import Visits


class Context(Record):
    """What a step may use: the host, what was asked, and a way to say how it goes."""

    host: Host
    identifier: str
    operation: Mapping[str, Any]
    emit: Callable[..., None]
    """`emit("step-progress", text=…)`: an event, on disk when it returns."""
    cancelled: Callable[[], bool]
    visits: Visits
    """What is known of the tenant's connections by now."""

    def say(self, text: str) -> None:
        self.emit("step-progress", text=text)


class Cancelled(Exception):
    """Somebody asked for the operation to be undone while a step was waiting."""


def check_cancelled(context: Context) -> None:
    """Raise Cancelled when somebody asked for it."""
    if context.cancelled():
        raise Cancelled
