"""What can happen in an operation, as frozen records. The host numbers them; the same number is the same event.

A runner may be newer than this side: a field that is not known here is passed over, an event that is not known here
is an `OtherEvent`. Only what is missing from a known event, or is of another kind, is an error.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.errors import HostError


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened: `number` from 1 in its operation, `at` in seconds since 1970 by the host's clock."""

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
    """The address that it was asked from; `from` on the wire."""
    steps: tuple[Outline, ...] = ()


@dataclass(frozen=True, kw_only=True)
class OperationResumed(Event):
    """Another process goes on where one was killed."""

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
    """The log lines that belong to it."""


@dataclass(frozen=True, kw_only=True)
class ConfirmNeeded(Event):
    """The host takes a change of who gets in back after so many seconds, unless a new connection confirms it."""

    index: int
    nonce: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Committed(Event):
    """From here on the operation only goes forward."""


@dataclass(frozen=True, kw_only=True)
class UndoStarted(Event):
    reason: str


@dataclass(frozen=True, kw_only=True)
class StepUndone(Event):
    index: int
    step: str


@dataclass(frozen=True, kw_only=True)
class UndoFailed(Event):
    """A step cannot be undone now; the host tries again."""

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
    """On this side: the connection broke; the operation goes on and will be come back to."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class CameBack(Event):
    """On this side: the command was typed before; its operation is followed, and no other one begun, unless it was
    undone."""

    kind: str
    since: float
    """When it was asked for, by the host's clock."""
    outcome: str
    """Empty while it goes on."""


@dataclass(frozen=True, kw_only=True)
class NameAstray(Event):
    """On this side: a tenant's name leads elsewhere than to its host, which gets no certificate for it so."""

    name: str
    leads_to: tuple[str, ...]
    """Addresses; none where it leads nowhere."""
    record: str
    """The DNS record to make."""


@dataclass(frozen=True, kw_only=True)
class WaveStarted(Event):
    """On this side: a rollout goes on with a wave, or takes it back."""

    ring: str
    tenants: int
    """How many of it are left to do."""
    hosts: int
    back: str = ""
    """`back` when it is taken back."""


@dataclass(frozen=True, kw_only=True)
class MemberEnded(Event):
    """On this side: what became of one tenant of a wave."""

    ring: str
    outcome: str
    message: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, kw_only=True)
class WaveSoaking(Event):
    """On this side: a wave is done, and is watched for so long before it is judged."""

    ring: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class WaveJudged(Event):
    """On this side: a wave's verdict."""

    ring: str
    verdict: str
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class HeardEvent:
    """An event and where it comes from."""

    host: str
    operation: str
    tenant: str
    event: Event

    def as_json(self) -> dict[str, Any]:
        """One flat object: {"host", "tenant", "operation", "number", "at", "event", …}."""
        return {"host": self.host, "tenant": self.tenant, "operation": self.operation} | event_as_json(self.event)


OnEvent = Callable[[HeardEvent], None]
"""Called for every event once, in order, from the thread that follows the operation."""

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
}
_OF = {kind: name for name, kind in NAMES.items()}
_RENAMED = {"source": "from"}
_FRAME = ("type", "number", "at", "event")


def ignore(heard: HeardEvent) -> None:
    """Listen to nothing."""


def event_from_line(line: Mapping[str, Any]) -> Event:
    """The event that a line of the wire or of a journal tells; HostError when it does not tell one."""
    name = line.get("event")
    kind = NAMES.get(name) if isinstance(name, str) else None
    try:
        if kind is None:
            fields = {key: value for key, value in line.items() if key not in _FRAME}
            return OtherEvent(number=_number(line, "number"), at=float(line["at"]), event=str(name), fields=fields)
        return kind(**{item.name: _value(item, line) for item in dataclasses.fields(kind) if _sent(item) in line})
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"the host sent an event that is not whole: {name!r}", hint="update Launchpad") from error


def event_as_json(event: Event) -> dict[str, Any]:
    """The event as a line of the wire has it, without its type."""
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
