"""An operation of the past or present: who, when, from where, on what, each step's result, how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.errors import HostError


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """The result of one step: `done`, `failed`, `undone`, `begun`, or `waiting` for a step that never began."""

    step: str
    title: str
    result: str
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An operation on a host. `outcome` is empty while it runs; `at` is the time of the request, by the host's
    clock."""

    host: str
    id: str
    kind: str
    tenant: str
    who: str
    source: str
    at: float
    outcome: str
    message: str
    seconds: float | None
    steps: tuple[StepResult, ...]
    after: str = ""
    """The revision that the operator named with --after, from an inventory that does not descend from it."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"steps": [dataclasses.asdict(step) for step in self.steps]}


@dataclass(frozen=True, kw_only=True)
class ByItself:
    """A repair by a host's watch, or an operator's act that is not an operation."""

    host: str
    at: float
    subject: str
    tenant: str
    """Empty for the host itself."""
    message: str
    who: str = "watch"

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def by_itself_from_json(value: Mapping[str, Any], *, host: str) -> ByItself:
    """A repair by a host's watch, from the host's reply."""
    return ByItself(
        host=host,
        at=float(value.get("at") or 0),
        subject=str(value.get("subject") or ""),
        tenant=str(value.get("tenant") or ""),
        message=str(value.get("message") or ""),
        who=str(value.get("who") or "watch"),
    )


def entry_from_json(value: Mapping[str, Any], *, host: str) -> Entry:
    """An operation from a host's reply; HostError for an incomplete one. Unknown keys are ignored."""
    try:
        return Entry(
            host=host,
            id=str(value["id"]),
            kind=str(value["kind"]),
            tenant=str(value.get("tenant") or ""),
            who=str(value["who"]),
            source=str(value.get("from") or ""),
            at=float(value["at"]),
            outcome=str(value.get("outcome") or ""),
            message=str(value.get("message") or ""),
            seconds=_seconds(value.get("seconds")),
            steps=tuple(_step(step) for step in value.get("steps") or ()),
            after=str(value.get("after") or ""),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise HostError(f"{host}: the journal has an incomplete entry", hint="update Launchpad") from error


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Sorted by the time of the request, newest first; at equal times the greater id is newer."""
    return sorted(entries, key=lambda entry: (entry.at, entry.id), reverse=True)


def _step(value: Mapping[str, Any]) -> StepResult:
    return StepResult(
        step=str(value["step"]),
        title=str(value.get("title") or value["step"]),
        result=str(value.get("result") or "waiting"),
        seconds=_seconds(value.get("seconds")),
    )


def _seconds(value: Any) -> float | None:
    return None if value is None else float(value)
