"""An operation of the past or present: who, when, from where, on what, each step's result, how long."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.runner.wire.operation_bodies import PastOperation


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
    on_behalf_of: str = ""
    """For whom the operator acted, as the request says."""
    words: Mapping[str, Any] = field(default_factory=dict)
    """The words of the command that asked for the operation; empty when unknown."""

    @property
    def by(self) -> str:
        """Who asked, and for whom."""
        return f"{self.who} for {self.on_behalf_of}" if self.on_behalf_of else self.who

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self) | {"steps": [dataclasses.asdict(step) for step in self.steps]}
        return {key: item for key, item in plain.items() if key != "words"}


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


def entry_of(item: PastOperation, *, host: str) -> Entry:
    """An operation from a host's reply."""
    return Entry(
        host=host,
        id=item.id,
        kind=item.kind,
        tenant=item.tenant,
        who=item.who,
        source=item.source,
        at=item.at,
        outcome=item.outcome or "",
        message=item.message,
        seconds=item.seconds,
        steps=tuple(StepResult(**(step.plain() | {"title": step.title or step.step})) for step in item.steps),
        after=item.after,
        on_behalf_of=item.on_behalf_of,
        words=dict(item.words),
    )


def newest_first(entries: Iterable[Entry]) -> list[Entry]:
    """Sorted by the time of the request, newest first; at equal times the greater id is newer."""
    return sorted(entries, key=lambda entry: (entry.at, entry.id), reverse=True)
