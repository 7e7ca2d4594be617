"""act: run an action of a tenant's app, inside the tenant's own container."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError, StepFailed
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.tenant_bodies import Act
from launchpad.workspace import Workspace

ACT_SECONDS = 660
"""An action may take ten minutes."""


@dataclass(frozen=True, kw_only=True)
class ActionResult:
    """The output of an app's action, parsed if it is JSON."""

    tenant: str
    action: str
    text: str
    data: Any
    code: int = 0
    """The exit status."""
    errors: str = ""
    """The standard error output."""

    def as_json(self) -> dict[str, Any]:
        output = self.text if self.data is None else self.data
        return {"tenant": self.tenant, "action": self.action, "exit_status": self.code, "output": output}

    @property
    def failure(self) -> StepFailed:
        """The error of an action that did not end with 0."""
        said = (self.errors + self.text).strip().splitlines()
        reason = said[-1] if said else "no output"
        message = f"{self.tenant}: {self.action} failed with {self.code}: {reason}"
        return StepFailed(message, code="action-ended-with-error", hint=Next("logs", self.tenant))


def act(workspace: Workspace, name: str, action: str, arguments: Sequence[str] = ()) -> ActionResult:
    """Run the action and return its result with any exit status. StateError when the app has no such action."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    offered = [str(item.name) for item in fleet.app(tenant.app).actions]
    if action not in offered:
        raise StateError(
            f"{name}: {tenant.app} has no action {action}",
            code="no-action",
            hint=f"available actions: {', '.join(offered) or 'none'}",
        )
    with hosts_of(workspace).reach(fleet.host(tenant.host)) as runner:
        asked = Act(tenant=str(tenant.name), action=action, arguments=tuple(arguments))
        said = ask(runner, asked, seconds=ACT_SECONDS)
    return ActionResult(
        tenant=str(tenant.name),
        action=action,
        text=said.out,
        data=_parsed(said.out),
        code=said.code,
        errors=said.err,
    )


def act_well(workspace: Workspace, name: str, action: str, arguments: Sequence[str] = ()) -> ActionResult:
    """Run the action; StepFailed when its exit status is not 0."""
    found = act(workspace, name, action, arguments)
    if found.code:
        raise found.failure
    return found


def _parsed(text: str) -> Any:
    """The JSON in the output, also after other lines; None when there is none."""
    for start in (0, *(index + 1 for index, mark in enumerate(text) if mark == "\n")):
        if text[start : start + 1] in ("{", "["):
            try:
                return json.loads(text[start:])
            except ValueError:
                continue
    return None
