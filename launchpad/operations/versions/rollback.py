"""rollback: return a tenant to an earlier release, with its data from the end of that release."""

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
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Back:
    """What is asked for."""

    to: str = ""
    """A release, or a version (its newest release); empty: the previous release."""
    keep_data: bool = False
    soak_seconds: int = 0


@dataclass(frozen=True, kw_only=True)
class Rollback:
    """A planned rollback: the present release, the earlier release, and the data."""

    tenant: str
    host: str
    version_before: str
    version: str
    release_before: str
    release: str
    generation: str
    """The generation that replaces the data; empty: the present data stays."""
    at: float
    """When that generation was taken, by the host's clock; 0 without a generation."""
    soak_seconds: int

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return plan_digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def plan_rollback(workspace: Workspace, name: str, back: Back) -> Rollback:
    """Plan the rollback; the host is asked what it keeps. StateError when the host does not keep the release or its
    data, and when the present data would stay for a version that is not declared to read it."""
    fleet = workspace.fleet.load()
    app = fleet.app(fleet.tenant(name).app)
    past = generations(workspace, name)
    runs, target = past.running, _target(app, past, back.to)
    if back.keep_data:
        _judge_keeping(app, past, target)
    elif not target.generation:
        may = _may_keep(app, runs.version, target.version)
        raise StateError(
            f"{name}: {past.host} keeps no data of release {target.release} ({target.version})",
            code="no-data-of-release",
            hint="add --keep-data" if may else Next("rollback", name, "--list"),
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
    """Carry the rollback out. The present data is first kept as a generation; the version is written into the inventory
    as soon as the host has committed. StateError unless the plan is the confirmed one; errors as of `submit`."""
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
    return submit_version(workspace, workspace.fleet.load(), submission, version=what.version, on_event=on_event)


def _target(app: App, past: Past, to: str) -> KeptRelease:
    """The chosen release: the named release, or the newest earlier release whose version is not newer."""
    runs = past.running
    others = [item for item in past.releases if not item.running]
    if to:
        meant = [item for item in others if to in (item.release, item.version)]
        if not meant and to in (runs.release, runs.version):
            raise StateError(
                f"{past.tenant}: {to} is the running release",
                code="running-release",
                hint=Next("rollback", past.tenant, "--list"),
            )
        missing = f"{past.tenant}: {past.host} has no release {to} of {past.tenant}"
    else:
        meant = [item for item in others if not is_older(runs.version, item.version, names(app))]
        missing = f"{past.tenant}: no release ran before {runs.release} ({runs.version}) on {past.host}"
    for item in meant:
        if item.kept:
            return item
    if meant:
        missing = f"{past.tenant}: {past.host} no longer keeps release {meant[0].release} ({meant[0].version})"
    raise StateError(missing, code="release-no-longer-kept", hint=Next("rollback", past.tenant, "--list"))


def _judge_keeping(app: App, past: Past, target: KeptRelease) -> None:
    runs = past.running
    if not _may_keep(app, runs.version, target.version):
        raise StateError(
            f"{past.tenant}: version {target.version} may not be able to read the data of version {runs.version}",
            code="version-cannot-read-data",
            hint=f"omit --keep-data; or, if {target.version} can read the data: write {runs.version} under follows: "
            f"of {target.version}",
        )


def _may_keep(app: App, before: str, version: str) -> bool:
    """Whether that version can read the present data: it is declared so, or the app allows two versions at once."""
    if app.strategy == "beside" or version == before:
        return True
    return version in names(app) and may_follow(app, version, before)
