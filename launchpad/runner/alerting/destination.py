"""Where alerts go: a part of a host's settings. The URL itself is a credential and lies sealed beside them."""

from __future__ import annotations

from typing import Literal

from launchpad.runner.record import Record


class Destination(Record):
    """A way to a person. Its URL is a credential and comes sealed."""

    name: str
    version: int
    """Of the URL."""
    kind: Literal["message", "heartbeat"] = "message"
    """heartbeat: the URL is fetched once a minute; whoever keeps it alerts when that stops."""
    grade: Literal["warning", "critical"] = "warning"
    """The least that it is told of."""
    tenants: tuple[str, ...] = ()
    """Whose alerts it gets, and those of hosts that concern them; all when empty."""
    quiet: str = ""
    """Hours in which a warning waits, such as 22:00-07:00."""
    timezone: str = "UTC"
    """Of the quiet hours, such as Europe/Berlin."""
