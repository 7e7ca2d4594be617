"""Confirmation as a value: a plan is carried out only with the plan's digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from launchpad.errors import StateError
from launchpad.operations.requests.following import UNTIL_ITS_END, Patience
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.runner.hint import Next
from launchpad.runner.protocol import canonical, digest_of
from launchpad.workspace import Workspace


class Planned(Protocol):
    """A plan for one tenant."""

    @property
    def tenant(self) -> str: ...

    @property
    def digest(self) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Confirmation:
    """The confirmation of exactly one plan, and the id for its operation; empty: a new id."""

    digest: str
    identifier: str = ""
    patience: Patience = UNTIL_ITS_END
    """How long to follow the operation."""
    words: Mapping[str, Any] | None = None
    """The words of the confirmed command (`again.Wish`); None when the command need not be found again."""

    def of(self, what: Planned, *, command: str) -> None:
        """Return if the confirmation belongs to this plan; StateError otherwise. `command` is the command that prints
        the plan."""
        if self.digest != what.digest:
            raise StateError(
                f"{what.tenant}: {command} was not confirmed: the plan's digest is now {what.digest}",
                code="plan-digest-differs",
                hint=Next(command, what.tenant),
            )

    def id_for(self, workspace: Workspace) -> str:
        """The operation's id."""
        return self.identifier or new_identifier(workspace.clock.now())


def plan_digest(plan: dict[str, Any]) -> str:
    """12 hex digits over a plan as JSON, for a confirmation."""
    return digest_of(canonical(plan)).removeprefix("sha256:")[:12]
