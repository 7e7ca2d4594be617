"""The verb `logs`: which lines are requested, and the lines as they come."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from launchpad.runner.hint import Hint
from launchpad.runner.wire.body import Body, Empty
from launchpad.runner.wire.line import AnswerLine


class LogRequest(Body):
    """Which lines are requested."""

    VERB = "logs"
    REPLY = Empty

    tenants: tuple[str, ...]
    since: float | None = None
    """Seconds since 1970."""
    ago: float | None = None
    """Instead of `since`: seconds before now, by this host's clock."""
    lines: int | None = None
    """The last so many of each tenant."""
    follow: bool = False
    probes: bool = False
    """Whether to include what Launchpad's own probes make an app write."""
    edge: bool = False
    """Whether to read what Caddy wrote about the tenants' names instead."""
    grep: str = ""
    """A regular expression that shown lines match after the removal of secrets."""
    level: Literal["", "debug", "info", "warning", "error"] = ""
    """The lowest level that is shown."""
    services: tuple[str, ...] = ()
    marks: Mapping[str, str] | None = None
    """Where to continue after a cut: source → the mark of its last line that arrived, `TIME COUNT`."""


class LoggedLine(AnswerLine):
    """A line of a container, of Caddy, or of a failed operation."""

    TYPE = "log"
    tenant: str
    service: str
    source: str
    at: str
    text: str
    n: int = 1
    """Which one of its source's records with this time it is."""


class LostLines(AnswerLine):
    """Docker rotated lines away between these times before they were read."""

    TYPE = "gap"
    tenant: str
    service: str
    source: str
    at: str
    after: str = ""
    n: int = 1


class MissingTenant(AnswerLine):
    """A tenant that is not on the host."""

    TYPE = "missing"
    tenant: str
    message: str
    hint: Hint | str = ""
    error: str = "state"
    code: str = ""


class LogMark(AnswerLine):
    """Read so far, without a line to show."""

    TYPE = "mark"
    source: str
    mark: str
    """TIME COUNT"""


class PastIsOver(AnswerLine):
    """The past lines are over, and new ones are followed."""

    TYPE = "begun"
