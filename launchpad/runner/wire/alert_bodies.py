"""The verbs about alerts: what is wrong and was told, silences, test messages."""

from __future__ import annotations

from collections.abc import Mapping

from launchpad.runner.alerting.destination import Destination
from launchpad.runner.facts import Grade
from launchpad.runner.hint import Hint
from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body


class KnownAlert(Record):
    """Something that is wrong, as the host's alerts know it."""

    tenant: str
    """Empty for the host itself."""
    layer: str
    grade: Grade
    message: str
    hint: Hint | str
    since: float
    """When it was seen first, by the host's clock."""
    told: float
    """When somebody was told last; 0 for never."""
    ends: bool
    """Whether it is well again, and has not been for long enough to be called over."""


class Silence(Record):
    """Nothing is told of the tenant until then; of the host and all of its tenants when the text is empty."""

    tenant: str
    until: float
    who: str
    why: str = ""
    host: str = ""
    """Another host: then the silence is about what this host says of that host, and about nothing else."""


class WaitingMessages(Record):
    """Messages to a destination that are not delivered yet."""

    destination: str
    count: int
    tries: int
    problem: str
    """Why the last try failed."""


class AlertsReply(Record):
    clock: float
    destinations: tuple[Destination, ...]
    alerts: tuple[KnownAlert, ...]
    silences: tuple[Silence, ...]
    """Those that hold now."""
    waiting: tuple[WaitingMessages, ...]


class Alerts(Body):
    """What is wrong on the host, and who was told."""

    VERB = "alerts"
    REPLY = AlertsReply


class SilenceReply(Record):
    silences: tuple[Silence, ...]
    """Those that hold now."""


class Silenced(Body):
    """Tell nobody of a tenant's problems, or of the host's and all of its tenants'."""

    VERB = "silence"
    REPLY = SilenceReply
    seconds: int
    """For how long; 0 ends the silence."""
    tenant: str = ""
    """Empty for the host and all of its tenants."""
    why: str = ""
    host: str = ""
    """Another host, for what this host says of that host."""


class TellReply(Record):
    destinations: Mapping[str, str]
    """Destination → why the message was not delivered; empty when it was."""


class Tell(Body):
    """Send a test message to each destination of the host."""

    VERB = "tell"
    REPLY = TellReply
