"""restore: a tenant's data goes back to a generation; its release stays."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.operations.backups.backups import Backup
from launchpad.operations.generations.generations import KeptGeneration, Past, generations
from launchpad.operations.requests.confirmation import Confirmation, plan_digest
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.outcome import Outcome
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """Which data would be replaced by which."""

    tenant: str
    host: str
    release: str
    """What runs, and goes on running."""
    version: str
    generation: str
    at: float
    """When the generation was taken."""

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return plan_digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def plan_restore(workspace: Workspace, name: str, *, generation: str) -> Restoration:
    """What `restore` would do; StateError when there is no such generation, or another version's data is in it."""
    past = generations(workspace, name)
    wanted, runs = past.generation(generation), past.running
    if wanted.version != runs.version:
        raise StateError(
            f"{name}: generation {generation} is data of {wanted.version}, and {runs.version} runs",
            hint=_way_to(past, wanted),
        )
    return Restoration(
        tenant=past.tenant,
        host=past.host,
        release=runs.release,
        version=runs.version,
        generation=wanted.id,
        at=wanted.at,
    )


def judge_backup(workspace: Workspace, name: str, backup: Backup) -> None:
    """StateError when the backup could not be put in the place of the tenant's data, since another version runs: told
    before it is brought."""
    runs = generations(workspace, name).running
    if backup.version and backup.version != runs.version:
        raise StateError(
            f"{name}: backup {backup.id[:8]} is data of {backup.version}, and {runs.version} runs",
            hint=_first(name, backup.version),
        )


def restore(workspace: Workspace, what: Restoration, *, confirm: Confirmation, on_event: OnEvent = ignore) -> Outcome:
    """Carry it out: the present data is kept as a generation of its own first, whose id is the operation's. StateError
    unless the plan is the confirmed one; errors as of `submit`."""
    confirm.of(what, command="restore")
    submission = Submission(
        identifier=confirm.id_for(workspace),
        operation={
            "kind": "restore",
            "tenant": what.tenant,
            "generation": what.generation,
            "replaces": what.release,
        },
        wish=confirm.words,
    )
    return submit(workspace, workspace.fleet.load().host(what.host), submission, on_event=on_event)


def _way_to(past: Past, wanted: KeptGeneration) -> str:
    """How its version and this data come together: by a rollback where one brings it, else once that version runs."""
    for item in past.releases:
        if item.generation == wanted.id and item.kept:
            return f"launchpad rollback {past.tenant} --to {item.release}"
    return _first(past.tenant, wanted.version)


def _first(name: str, version: str) -> str:
    return f"bring {name} to {version} first: launchpad upgrade, or launchpad rollback"
