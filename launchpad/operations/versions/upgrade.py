"""upgrade: upgrade a tenant to a newer version of its app, with image, configuration, secrets and data together."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.version_order import is_older, may_follow, names, next_on_the_way, passed
from launchpad.operations.requests.confirmation import Confirmation, plan_digest
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.observing import seen_on, wanted
from launchpad.operations.requests.render import rendered
from launchpad.operations.tenants.deploy import deploy_operation, may_shrink_of, revealing
from launchpad.operations.tenants.written_version import VersionOutcome, submit_version, write_version
from launchpad.operations.versions.rehearsal_host import (
    RehearsalPlace,
    let_go_of_unless_well,
    place_for,
    rehearse_elsewhere,
)
from launchpad.plan.fleet_plan import differences
from launchpad.plan.observed import TenantSeen
from launchpad.runner.hint import Next
from launchpad.runner.protocol import release_from_json
from launchpad.workspace import Workspace

SOAK_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class UpgradeRequest:
    """What is asked for."""

    version: str = ""
    """The version; empty: the app's newest."""
    soak_seconds: int = SOAK_SECONDS
    """How long the new version must stay healthy under traffic before the upgrade is final and the automatic undo
    ends."""
    rehearse: bool = True
    """Whether the upgrade is rehearsed on a clone of the tenant's own data."""
    rehearse_on: str = ""
    """The host for the rehearsal; empty: as the inventory sets."""


@dataclass(frozen=True, kw_only=True)
class Upgrade:
    """A planned upgrade: the present and the new version and release."""

    tenant: str
    host: str
    app: str
    version_before: str
    version: str
    release_before: str
    release: str
    breaks: tuple[tuple[str, str], ...]
    """What each passed version breaks."""
    notes: tuple[tuple[str, str], ...]
    also: tuple[str, ...]
    """The inventory's other changes that are not deployed yet and are deployed with the upgrade."""
    soak_seconds: int
    rehearse: bool
    rehearsal: RehearsalPlace | None = None
    """Where the upgrade is rehearsed; None without a rehearsal."""

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return plan_digest(self.as_json())

    @property
    def empty(self) -> bool:
        """Whether the tenant already runs that version."""
        return self.version == self.version_before

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        plain |= {"breaks": dict(self.breaks), "notes": dict(self.notes), "also": list(self.also)}
        return plain | {"rehearsal": self.rehearsal.as_json() if self.rehearsal else None}


def plan_upgrade(workspace: Workspace, name: str, target: UpgradeRequest) -> Upgrade:
    """Plan the upgrade; the host is asked for the running release. InventoryError for an unknown rehearsal host, and
    for a version that the app does not list or that is not pinned; StateError for a version that is older than the
    running version or cannot follow it, and when the tenant is stopped."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    if target.rehearse_on:
        fleet.host(target.rehearse_on)
    app = fleet.app(tenant.app)
    version = str(app.version(target.version or app.versions[-1].version).version)
    release = rendered(workspace, fleet, _at(tenant, version)).release
    host, runs = seen_on(workspace, fleet, tenant)
    if runs.generations is None:
        raise StateError(
            f"{tenant.host}: the host's runner is too old for upgrades",
            code="runner-too-old-for-upgrade",
            hint=Next("provision", tenant.host) + ", then type the same command again",
        )
    if not runs.running:
        raise StateError(
            f"{name} is stopped; start it first: an upgrade needs a running release",
            code="stopped",
            hint=Next("start", name),
        )
    _judge(app, name, runs.version, version)
    way = passed(app, runs.version, version)
    return Upgrade(
        tenant=str(tenant.name),
        host=str(tenant.host),
        app=str(app.name),
        version_before=runs.version,
        version=version,
        release_before=runs.release,
        release=release.short,
        breaks=tuple((str(item.version), str(item.breaks)) for item in way if item.breaks),
        notes=tuple((str(item.version), str(item.notes)) for item in way if item.notes),
        also=_not_deployed(workspace, fleet, tenant, runs),
        soak_seconds=target.soak_seconds,
        rehearse=target.rehearse,
        rehearsal=place_for(fleet, tenant, release, host, asked=target.rehearse_on) if target.rehearse else None,
    )


def upgrade(
    workspace: Workspace, what: Upgrade, *, confirm: Confirmation, on_event: OnEvent = ignore
) -> VersionOutcome:
    """Carry the upgrade out; the version is written into the inventory as soon as the host has committed. StateError
    unless the plan is the confirmed one and still current; errors as of `submit`."""
    confirm.of(what, command="upgrade")
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(what.tenant)
    if what.empty:
        written = write_version(workspace, tenant, what.version)
        return VersionOutcome(
            host=what.host, tenant=what.tenant, id="", kind="upgrade", outcome="unchanged",
            release=what.release_before, version=what.version, written=written,
        )  # fmt: skip
    operation = _operation(workspace, fleet, tenant, what)
    if release_from_json(operation["release"]).short != what.release:
        raise StateError(
            f"{what.tenant}: the inventory was changed after the plan was made",
            code="inventory-changed-after-plan",
            hint=Next("upgrade", what.tenant),
        )
    place = what.rehearsal
    if place is None or not place.elsewhere:
        return _submitted(workspace, fleet, what, operation, confirm=confirm, on_event=on_event)
    generation = rehearse_elsewhere(workspace, operation, on=place.host, patience=confirm.patience, on_event=on_event)
    operation |= {"rehearse": False, "rehearsed": {"host": place.host, "generation": generation}}
    with let_go_of_unless_well(workspace, tenant):
        return _submitted(workspace, fleet, what, operation, confirm=confirm, on_event=on_event)


def _submitted(
    workspace: Workspace, fleet: Fleet, what: Upgrade, operation: dict[str, Any], *, confirm: Confirmation,
    on_event: OnEvent,
) -> VersionOutcome:  # fmt: skip
    submission = Submission(
        identifier=confirm.id_for(workspace),
        operation=operation,
        secrets=revealing(workspace, fleet.tenant(what.tenant)),
        patience=confirm.patience,
        wish=confirm.words,
    )
    return submit_version(workspace, fleet, submission, version=what.version, on_event=on_event)


def _judge(app: App, name: str, before: str, version: str) -> None:
    """Reject a version that is older than the running version, or that cannot follow it in one step."""
    if version == before:
        return
    if is_older(version, before, names(app)):
        raise StateError(
            f"{name}: {version} is older than the running version {before} and may not read {name}'s data",
            code="version-older-than-running",
            hint=Next("rollback", name, "--list"),
        )
    if not may_follow(app, version, before):
        first = next_on_the_way(app, before, version)
        way = "first: " + Next("upgrade", name, "--to", first) if first else Next("versions", app.name)
        raise StateError(
            f"{name}: {version} cannot follow {before} in one step", code="version-not-in-one-step", hint=way
        )


def _not_deployed(workspace: Workspace, fleet: Fleet, tenant: Tenant, runs: TenantSeen) -> tuple[str, ...]:
    """The inventory's changes apart from the version; empty when they can no longer be computed."""
    if runs.version not in names(fleet.app(tenant.app)):
        return ()
    (want,) = wanted(workspace, fleet, [_at(tenant, runs.version)])
    return () if want.problem or want.release == runs.release else tuple(differences(want, runs))


def _operation(workspace: Workspace, fleet: Fleet, tenant: Tenant, what: Upgrade) -> dict[str, Any]:
    deploy = deploy_operation(workspace, fleet, _at(tenant, what.version), inventory=workspace.revision(what.tenant))
    return {
        **deploy,
        **may_shrink_of(fleet, tenant),
        "kind": "upgrade",
        "replaces": what.release_before,
        "soak": what.soak_seconds,
        "rehearse": what.rehearse,
    }


def _at(tenant: Tenant, version: str) -> Tenant:
    """The tenant as if its file had that version."""
    return tenant.model_copy(update={"version": type(tenant.version)(version)})
