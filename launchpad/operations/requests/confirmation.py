"""Confirmation as a value: a plan is carried out only for whoever names its digest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from launchpad.errors import StateError
from launchpad.operations.requests.following import UNTIL_ITS_END, Patience
from launchpad.operations.requests.identifiers import new_identifier
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
    """A yes to just one plan, and the id that its operation is to have; a new one when empty."""

    digest: str
    identifier: str = ""
    patience: Patience = UNTIL_ITS_END
    """For how long the operation is followed."""
    words: Mapping[str, Any] | None = None
    """The words of the command that was confirmed (`again.Wish`); None when no command is to be found again."""

    def of(self, what: Planned, *, command: str) -> None:
        """Return when it is this plan's; StateError when it is not. `command` is the one that plans."""
        if self.digest != what.digest:
            raise StateError(
                f"{what.tenant}: {command} was not confirmed: the plan's digest is {what.digest}",
                hint=f"launchpad {command} {what.tenant}",
            )

    def id_for(self, workspace: Workspace) -> str:
        """The operation's id."""
        return self.identifier or new_identifier(workspace.clock.now())


def plan_digest(plan: dict[str, Any]) -> str:
    """12 hex digits over a plan as JSON; what a confirmation names."""
    return digest_of(canonical(plan)).removeprefix("sha256:")[:12]
