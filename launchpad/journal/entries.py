"""One operation of the past or the present: who, when, from where, on what, each step's result, how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from launchpad.errors import HostError


@dataclass(frozen=True, kw_only=True)
class StepResult:
    """What became of one step: `done`, `failed`, `undone`, `begun`, or `waiting` when it was never begun."""

    step: str
    title: str
    result: str
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """An operation on a host. `outcome` is empty while it goes on; `at` is when it was asked for, by its clock."""

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
    """The revision behind which its operator went on, without an inventory that descends from it."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"steps": [dataclasses.asdict(step) for step in self.steps]}


@dataclass(frozen=True, kw_only=True)
class ByItself:
    """Something that a host's watch did without being asked, or that an operator did beside the operations."""

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
    """What a host's watch did, as the host tells it."""
    return ByItself(
        host=host,
        at=float(value.get("at") or 0),
        subject=str(value.get("subject") or ""),
        tenant=str(value.get("tenant") or ""),
        message=str(value.get("message") or ""),
        who=str(value.get("who") or "watch"),
    )


def entry_from_json(value: Mapping[str, Any], *, host: str) -> Entry:
    """An operation as the host tells it; HostError when it does not. Keys that are not known here are passed over."""
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
    """In the order of when they were asked for; of two at once the greater id is the newer."""
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
