"""restore: replace a tenant's data with a generation; its release stays."""

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
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Restoration:
    """A planned restore: the present data, and the generation that replaces it."""

    tenant: str
    host: str
    release: str
    """The running release, which stays."""
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
    """Plan the restore; StateError when there is no such generation, or when the generation has data of another
    version."""
    past = generations(workspace, name)
    wanted, runs = past.generation(generation), past.running
    if wanted.version != runs.version:
        raise StateError(
            f"{name}: generation {generation} has data of version {wanted.version}, but version {runs.version} is "
            "running",
            code="generation-data-version-version-running",
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
    """StateError when the backup cannot replace the tenant's data because another version runs; checked before the
    backup is fetched."""
    runs = generations(workspace, name).running
    if backup.version and backup.version != runs.version:
        raise StateError(
            f"{name}: backup {backup.id[:8]} has data of version {backup.version}, but version {runs.version} is "
            "running",
            code="backup-data-version-version-running",
            hint=_first(name, backup.version),
        )


def restore(workspace: Workspace, what: Restoration, *, confirm: Confirmation, on_event: OnEvent = ignore) -> Outcome:
    """Carry the restore out. The present data is first kept as a generation, whose id is the operation's id. StateError
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
    """The hint to restore data of another version: a rollback when the host keeps a release of that version, otherwise
    first run that version."""
    for item in past.releases:
        if item.generation == wanted.id and item.kept:
            return Next("rollback", past.tenant, "--to", item.release)
    return _first(past.tenant, wanted.version)


def _first(name: str, version: str) -> str:
    return f"first run version {version} on {name}: " + Next("upgrade") + ", or " + Next("rollback")
