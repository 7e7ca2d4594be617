"""rollback: a tenant goes back to a release that ran before, with the data that it had then."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.app import App
from launchpad.fleet.model.version_order import is_older, may_follow, names
from launchpad.operations.generations.generations import KeptRelease, Past, generations
from launchpad.operations.requests.confirmation import Confirmation, plan_digest
from launchpad.operations.requests.following import Submission
from launchpad.operations.tenants.written_version import VersionOutcome, submit_version
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Back:
    """What is asked for."""

    to: str = ""
    """A release, or a version for its newest release; the one that ran before when empty."""
    keep_data: bool = False
    soak_seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """What would be done: from which release to which, and what becomes of the data."""

    tenant: str
    host: str
    version_before: str
    version: str
    release_before: str
    release: str
    generation: str
    """The data that comes back; empty when the present data stays."""
    at: float
    """When that generation was taken, by the host's clock; 0 without one."""
    soak_seconds: int

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return plan_digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def plan_rollback(workspace: Workspace, name: str, back: Back) -> Rollback:
    """What `rollback` would do; the host is asked what it keeps. StateError where the release or its data is not kept,
    and where the present data would be kept for a version that does not say it can read it."""
    fleet = workspace.fleet.load()
    app = fleet.app(fleet.tenant(name).app)
    past = generations(workspace, name)
    runs, target = past.running, _target(app, past, back.to)
    if back.keep_data:
        _judge_keeping(app, past, target)
    elif not target.generation:
        may = _may_keep(app, runs.version, target.version)
        raise StateError(
            f"{name}: no data of release {target.release} ({target.version}) is kept on {past.host}",
            hint="add --keep-data" if may else f"launchpad rollback {name} --list",
        )
    generation = "" if back.keep_data else target.generation
    return Rollback(
        tenant=past.tenant,
        host=past.host,
        version_before=runs.version,
        version=target.version,
        release_before=runs.release,
        release=target.release,
        generation=generation,
        at=past.generation(generation).at if generation else 0.0,
        soak_seconds=back.soak_seconds,
    )


def rollback(
    workspace: Workspace, what: Rollback, *, confirm: Confirmation, on_event: OnEvent = ignore
) -> VersionOutcome:
    """Carry it out: the present data is kept as a generation first; the version is written into the inventory once the
    host has committed. StateError unless the plan is the confirmed one; errors as of `submit`."""
    confirm.of(what, command="rollback")
    operation = {
        "kind": "rollback",
        "tenant": what.tenant,
        "to": what.release,
        "keep_data": not what.generation,
        "soak": what.soak_seconds,
        "replaces": what.release_before,
    }
    submission = Submission(
        identifier=confirm.id_for(workspace), operation=operation, patience=confirm.patience, wish=confirm.words
    )
    tenant = workspace.fleet.load().tenant(what.tenant)
    return submit_version(workspace, tenant, submission, version=what.version, on_event=on_event)


def _target(app: App, past: Past, to: str) -> KeptRelease:
    """The release that is meant: the named one, or the newest before that is not of a newer version."""
    runs = past.running
    others = [item for item in past.releases if not item.running]
    if to:
        meant = [item for item in others if to in (item.release, item.version)]
        if not meant and to in (runs.release, runs.version):
            raise StateError(f"{past.tenant}: {to} is what runs", hint=f"launchpad rollback {past.tenant} --list")
        missing = f"{past.tenant}: {past.host} has no release {to} of it"
    else:
        meant = [item for item in others if not is_older(runs.version, item.version, names(app))]
        missing = f"{past.tenant}: no release ran before {runs.release} ({runs.version}) on {past.host}"
    for item in meant:
        if item.kept:
            return item
    if meant:
        missing = f"{past.tenant}: release {meant[0].release} ({meant[0].version}) is not kept any more"
    raise StateError(missing, hint=f"launchpad rollback {past.tenant} --list")


def _judge_keeping(app: App, past: Past, target: KeptRelease) -> None:
    runs = past.running
    if not _may_keep(app, runs.version, target.version):
        raise StateError(
            f"{past.tenant}: {target.version} may not read the data that {runs.version} leaves",
            hint=f"leave --keep-data out; or write {runs.version} under follows: of {target.version}, if it can",
        )


def _may_keep(app: App, before: str, version: str) -> bool:
    """Whether that version reads the data as it is now: it says so, or two versions may run on it at once anyway."""
    if app.strategy == "beside" or version == before:
        return True
    return version in names(app) and may_follow(app, version, before)
