"""The verbs about rollouts: the record and the intents on each host, and a game day's record."""

from __future__ import annotations

from launchpad.runner.facts import GameDay
from launchpad.runner.protocol import Intent, Rollout
from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body, Empty


class WrittenIntent(Record):
    """An intent, who wrote it on the host, and when."""

    intent: Intent
    who: str
    at: float


class KnownRollout(Record):
    """A rollout's record, who wrote it on the host, from which address and when, and the last intent."""

    rollout: Rollout
    who: str
    at: float
    source: str = ""
    intent: WrittenIntent | None = None


class RolloutOperation(Record):
    """An operation that began on the host for the rollout."""

    id: str
    kind: str
    tenant: str
    who: str
    at: float
    outcome: str | None = None
    """None: still running."""
    message: str = ""
    seconds: float | None = None


class RolloutsReply(Record):
    rollouts: tuple[KnownRollout, ...] = ()
    operations: tuple[RolloutOperation, ...] = ()
    """Of the named rollout, in order of their beginning."""
    changing: tuple[str, ...] = ()
    """The ids of running operations that change a tenant's version."""


class Rollouts(Body):
    """The rollouts that include the host."""

    VERB = "rollouts"
    REPLY = RolloutsReply
    id: str = ""
    """Of one rollout; empty for all."""


class WriteRolloutReply(Record):
    id: str = ""


class WriteRollout(Body):
    """Write a rollout's record, its intent, or both."""

    VERB = "rollout"
    REPLY = WriteRolloutReply
    id: str
    rollout: Rollout | None = None
    intent: Intent | None = None


class WriteGameDay(Body):
    """Record how the host's tenants came back on other hosts."""

    VERB = "gameday"
    REPLY = Empty
    record: GameDay
    """Without the time and the operator, which the host adds."""
