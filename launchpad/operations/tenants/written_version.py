"""Write a tenant's version into the inventory as soon as its host has committed, and send the new revision to the
host."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.events import Committed, HeardEvent, OnEvent, ignore
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.version_order import names
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.fleet.words.names import TenantName, VersionName
from launchpad.operations.requests.again import EarlierOperation, come_back
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.observing import what_runs
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.tenants.deploy import deploy_operation
from launchpad.runner.hint import Next
from launchpad.runner.protocol import release_from_json
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class VersionOutcome(Outcome):
    """The outcome of an operation that changes a tenant's version, and of writing the version into the inventory."""

    version: str
    """The version that runs now and that the inventory must have."""
    written: bool
    """Whether the inventory was changed; false when it had the version already, or after a problem."""
    problem: LaunchpadError | None = None
    """Why the version could not be written; the tenant runs all the same, and `launchpad adopt` writes the version
    later."""

    def as_json(self) -> dict[str, Any]:
        plain = {item.name: getattr(self, item.name) for item in dataclasses.fields(self)}
        problem = self.problem.as_dict() if self.problem else None
        return plain | {"lines": list(self.lines), "problem": problem}


def submit_version(
    workspace: Workspace, fleet: Fleet, submission: Submission, *, version: str, on_event: OnEvent
) -> VersionOutcome:
    """Carry out an operation after which its tenant runs that version, and write the version into the inventory as soon
    as the host has committed. `fleet` is the inventory from before. Errors as of `submit`; a failed edit is no
    error."""
    tenant = fleet.tenant(str(submission.operation["tenant"]))
    host = fleet.host(tenant.host)
    return written_at_commit(
        workspace, tenant, version=version, carry_out=lambda hear: submit(workspace, host, submission, on_event=hear),
        on_event=on_event,
    )  # fmt: skip


def written_at_commit(
    workspace: Workspace, tenant: Tenant, *, version: str, carry_out: Callable[[OnEvent], Outcome], on_event: OnEvent
) -> VersionOutcome:
    """The same for an operation that `carry_out` submits or follows. Nothing is written when following stops before the
    commit."""
    writing = _Writing(workspace, tenant, version)

    def hear(heard: HeardEvent) -> None:
        on_event(heard)
        if isinstance(heard.event, Committed):
            writing.once()

    outcome = carry_out(hear)
    if outcome.outcome == "running":
        return writing.ended(outcome)
    writing.once()
    if writing.problem is None:
        with suppress(LaunchpadError):  # the next deploy sends the revision
            tell_revision(workspace, str(tenant.name), release=outcome.release)
    return writing.ended(outcome)


def come_back_to_version(workspace: Workspace, found: EarlierOperation, *, on_event: OnEvent) -> VersionOutcome:
    """Follow an earlier operation of this kind to its end, and write the version that then runs into the inventory.
    Errors as of `again.come_back`; a failed edit is no error."""
    return with_its_version(workspace, come_back(workspace, found, on_event=on_event))


def with_its_version(workspace: Workspace, outcome: Outcome) -> VersionOutcome:
    """Write the version that the tenant of an ended operation runs into the inventory."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(outcome.tenant)
    runs = what_runs(workspace, fleet, tenant)
    return written_at_commit(workspace, tenant, version=runs.version, carry_out=lambda _: outcome, on_event=ignore)


class _Writing:
    def __init__(self, workspace: Workspace, tenant: Tenant, version: str) -> None:
        self._workspace = workspace
        self._tenant = tenant
        self._version = version
        self._written: bool | None = None
        self.problem: LaunchpadError | None = None

    def once(self) -> None:
        if self._written is not None:
            return
        try:
            self._written = write_version(self._workspace, self._tenant, self._version)
        except LaunchpadError as error:
            self._written, self.problem = False, error

    def ended(self, outcome: Outcome) -> VersionOutcome:
        plain = {item.name: getattr(outcome, item.name) for item in dataclasses.fields(Outcome)}
        written = bool(self._written)
        return VersionOutcome(**plain, version=self._version, written=written, problem=self.problem)


def write_version(workspace: Workspace, tenant: Tenant, version: str) -> bool:
    """Write the version into the tenant's file; return whether the file changed. StateError when the file has
    another version than `tenant`, because somebody changed it meanwhile. InventoryError when the app does not list
    the version."""
    try:
        workspace.fleet.set_tenant_version(
            TenantName(tenant.name), VersionName(version), replaces=VersionName(tenant.version)
        )
    except StateError as error:
        if workspace.fleet.load().tenant(tenant.name).version == version:
            return False
        error.hint = Next("adopt", tenant.name)
        raise
    except InventoryMistakes as error:
        app = workspace.fleet.load().app(tenant.app)
        if version in names(app):
            raise
        hint = f"add the version to inventory/apps/{app.name}.yaml, then: " + Next("adopt", tenant.name)
        raise InventoryError(
            f"{app.name} has no version {version} in the inventory", code="no-such-version-in-inventory", hint=hint
        ) from error
    return version != tenant.version


def tell_revision(workspace: Workspace, name: str, *, release: str) -> None:
    """Send the tenant's host the inventory's new revision, so that the host rejects a checkout without the edit.

    Only when the inventory renders exactly the running release: then the deploy changes only the revision on the host.
    StateError when this inventory does not descend from the running revision.
    """
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    operation: dict[str, Any] = deploy_operation(workspace, fleet, tenant, inventory=workspace.revision(name))
    if not tenant.running or release_from_json(operation["release"]).short != release:
        return
    submission = Submission(
        identifier=new_identifier(workspace.clock.now()), operation=operation | {"replaces": release}
    )
    submit(workspace, fleet.host(tenant.host), submission, on_event=ignore)
