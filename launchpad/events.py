"""The events of an operation, as frozen records. The host numbers the events; the same number is the same event.

A runner may be newer than the operator's side: unknown fields are ignored, and an unknown event is an `OtherEvent`.
Only a missing field of a known event, or a field of another type, is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.errors import HostError


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event: `number` counts from 1 in its operation, `at` is in seconds since 1970 by the host's clock."""

    number: int = 0
    at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Outline:
    """One step of a plan, for people."""

    step: str
    title: str


@dataclass(frozen=True, kw_only=True)
class OperationStarted(Event):
    operation: str
    kind: str
    tenant: str = ""
    who: str = ""
    source: str = ""
    """The operator's address; `from` on the wire."""
    steps: tuple[Outline, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OperationResumed(Event):
    """A new process resumes the operation after the earlier process was killed."""

    attempt: int


@dataclass(frozen=True, kw_only=True)
class StepStarted(Event):
    index: int
    step: str
    title: str = ""


@dataclass(frozen=True, kw_only=True)
class StepProgress(Event):
    index: int
    text: str


@dataclass(frozen=True, kw_only=True)
class StepDone(Event):
    index: int
    step: str
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StepFailedEvent(Event):
    index: int
    step: str
    message: str
    lines: tuple[str, ...] = ()
    """The log lines of the failure."""


@dataclass(frozen=True, kw_only=True)
class ConfirmNeeded(Event):
    """The host undoes a change of access after this many seconds unless a new connection confirms the change."""

    index: int
    nonce: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Committed(Event):
    """The operation has committed: from now on it is not undone."""


@dataclass(frozen=True, kw_only=True)
class UndoStarted(Event):
    reason: str


@dataclass(frozen=True, kw_only=True)
class StepUndone(Event):
    index: int
    step: str


@dataclass(frozen=True, kw_only=True)
class UndoFailed(Event):
    """A step cannot be undone now; the host retries."""

    index: int
    step: str
    message: str


@dataclass(frozen=True, kw_only=True)
class OperationFinished(Event):
    outcome: str
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class OtherEvent(Event):
    """An event of a newer runner."""

    event: str
    fields: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class ConnectionCut(Event):
    """On the operator's side: the connection broke; the operation continues, and the client reconnects."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class CameBack(Event):
    """On the operator's side: an identical command was typed earlier; its operation is followed instead of starting a
    new one, unless it was undone."""

    kind: str
    since: float
    """When the operation was submitted, by the host's clock."""
    outcome: str
    """The outcome; empty while the operation runs."""


@dataclass(frozen=True, kw_only=True)
class NameAstray(Event):
    """On the operator's side: a tenant's name does not point to its host, so the host gets no certificate for the
    name."""

    name: str
    leads_to: tuple[str, ...]
    """The name's addresses; none without a DNS record."""
    record: str
    """The DNS record to set."""


@dataclass(frozen=True, kw_only=True)
class WaveStarted(Event):
    """On the operator's side: a rollout starts or undoes a wave."""

    ring: str
    tenants: int
    """The number of tenants that are left to do."""
    hosts: int
    back: str = ""
    """`back` when the wave is undone."""


@dataclass(frozen=True, kw_only=True)
class MemberEnded(Event):
    """On the operator's side: the outcome of one tenant of a wave."""

    ring: str
    outcome: str
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WaveSoaking(Event):
    """On the operator's side: a wave is done, and is watched for this long before it is judged."""

    ring: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class WaveJudged(Event):
    """On the operator's side: a wave's verdict."""

    ring: str
    verdict: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class MaintenanceProgress(Event):
    """On the operator's side: what the maintenance of a host, or of all hosts, does now."""

    text: str


@dataclass(frozen=True, kw_only=True)
class HeardEvent:
    """An event and its origin."""

    host: str
    operation: str
    tenant: str
    event: Event

    def as_json(self) -> dict[str, Any]:
        """One flat object: {"host", "tenant", "operation", "number", "at", "event", …}."""
        return {"host": self.host, "tenant": self.tenant, "operation": self.operation} | event_as_json(self.event)


OnEvent = Callable[[HeardEvent], None]
"""Called once for every event, in order, from the thread that follows the operation."""

NAMES: Mapping[str, type[Event]] = {
    "operation-started": OperationStarted,
    "operation-resumed": OperationResumed,
    "step-started": StepStarted,
    "step-progress": StepProgress,
    "step-done": StepDone,
    "step-failed": StepFailedEvent,
    "confirm-needed": ConfirmNeeded,
    "committed": Committed,
    "undo-started": UndoStarted,
    "step-undone": StepUndone,
    "undo-failed": UndoFailed,
    "operation-finished": OperationFinished,
    "connection-cut": ConnectionCut,
    "came-back": CameBack,
    "name-astray": NameAstray,
    "wave-started": WaveStarted,
    "member-ended": MemberEnded,
    "wave-soaking": WaveSoaking,
    "wave-judged": WaveJudged,
    "maintenance-progress": MaintenanceProgress,
}
_OF = {kind: name for name, kind in NAMES.items()}
_RENAMED = {"source": "from"}
_FRAME = ("type", "number", "at", "event")


def ignore(heard: HeardEvent) -> None:
    """Ignore every event."""


def event_from_line(line: Mapping[str, Any]) -> Event:
    """Parse an event from a line of the wire or of a journal; HostError for a malformed line."""
    name = line.get("event")
    kind = NAMES.get(name) if isinstance(name, str) else None
    try:
        if kind is None:
            fields = {key: value for key, value in line.items() if key not in _FRAME}
            return OtherEvent(number=_number(line, "number"), at=float(line["at"]), event=str(name), fields=fields)
        return kind(**{item.name: _value(item, line) for item in dataclasses.fields(kind) if _sent(item) in line})
    except (KeyError, TypeError, ValueError) as error:
        text = f"the host sent an incomplete event: {name!r}"
        raise HostError(text, code="event-incomplete", hint="update Launchpad") from error


def event_as_json(event: Event) -> dict[str, Any]:
    """The event as a JSON object, without its type."""
    if isinstance(event, OtherEvent):
        return {"number": event.number, "at": event.at, "event": event.event, **event.fields}
    named = {"number": event.number, "at": event.at, "event": _OF[type(event)]}
    fields = {_RENAMED.get(key, key): value for key, value in dataclasses.asdict(event).items()}
    return named | {key: list(value) if isinstance(value, tuple) else value for key, value in fields.items()}


def _sent(item: dataclasses.Field[Any]) -> str:
    return _RENAMED.get(item.name, item.name)


def _value(item: dataclasses.Field[Any], line: Mapping[str, Any]) -> Any:
    value = line[_sent(item)]
    match item.type:
        case "int":
            return _number(line, item.name)
        case "float":
            return float(value)
        case "str":
            return "" if value is None else str(value)
        case "tuple[str, ...]":
            return tuple(str(each) for each in value)
        case "tuple[Outline, ...]":
            return tuple(Outline(step=str(each["step"]), title=str(each["title"])) for each in value)
    raise TypeError(item.type)


def _number(line: Mapping[str, Any], name: str) -> int:
    if not isinstance(line[name], int):
        raise TypeError(f"{name} is not a whole number")
    return int(line[name])
