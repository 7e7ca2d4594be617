"""The verbs about operations: follow, cancel and list them. What `submit` is asked stands in verbs/submit.py."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body

NO_WORDS: Mapping[str, Any] = MappingProxyType({})


class OutcomeReply(Record):
    """How an operation stands: what `submit` and `follow` answer."""

    id: str
    outcome: str
    """done, unchanged, incomplete, undone, cancelled; running: not over yet."""
    message: str = ""
    lines: tuple[str, ...] = ()
    """The log lines that show why it failed."""
    release: str = ""
    """The short name of the release that runs after it; empty when it is not about one."""
    seconds: float | None = None


class Follow(Body):
    """An operation's events from a number on, until it ends."""

    VERB = "follow"
    REPLY = OutcomeReply
    id: str
    after: int = 0
    """Only events with a higher number."""
    seconds: float | None = None
    """After so long the outcome is `running`; None for an hour."""


class CancelReply(Record):
    id: str
    outcome: str = "cancelling"
    """cancelling, or the outcome that the operation already has."""


class Cancel(Body):
    """Have a running operation undone."""

    VERB = "cancel"
    REPLY = CancelReply
    id: str


class StepHistory(Record):
    """A step of a past operation: waiting, begun, done, failed or undone."""

    step: str
    title: str = ""
    result: str = "waiting"
    seconds: float | None = None


class PastOperation(Record):
    """An operation from the host's journals."""

    id: str
    kind: str
    who: str
    at: float
    tenant: str = ""
    source: str = ""
    """The operator's address."""
    outcome: str | None = None
    """None: the operation is open."""
    message: str = ""
    seconds: float | None = None
    steps: tuple[StepHistory, ...] = ()
    after: str = ""
    """The revision that the operator named with --after."""
    on_behalf_of: str = ""
    """For whom the operator acted, as the request says."""
    words: Mapping[str, Any] = NO_WORDS
    """The words of the command, as the request says."""


class PastRepair(Record):
    """A repair by the watch, or an operator's act that is not an operation."""

    at: float
    subject: str
    message: str
    tenant: str = ""
    who: str = "watch"


class HistoryReply(Record):
    operations: tuple[PastOperation, ...] = ()
    """The newest first."""
    watch: tuple[PastRepair, ...] = ()


class ReadHistory(Body):
    """The operations on the host, from its own journals."""

    VERB = "history"
    REPLY = HistoryReply
    tenant: str | None = None
    """Only this tenant's."""
    id: str | None = None
    """Only this one."""
    limit: int = 50
    """At most so many of each."""
