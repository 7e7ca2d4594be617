"""Start the newest backup of a tenant on another host after its host is permanently lost, with an epoch that the lost
host never had.

The lost host cannot be informed: if it is switched on again, it starts the tenant as before. So an operator must be
sure that the host is off, and must retire the tenant there before the host becomes reachable again.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.errors import HostError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.backups.backup_keys import targets_of
from launchpad.operations.backups.backups import newest_of_absent
from launchpad.operations.backups.fetch import fetch
from launchpad.operations.dns.address import ip_of
from launchpad.operations.generations.restore import plan_restore, restore
from launchpad.operations.moving.move import Move, judge_proof, write_host
from launchpad.operations.moving.whereabouts import Whereabouts, whereabouts
from launchpad.operations.requests.again import reported
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.history import read_journal
from launchpad.operations.requests.identifiers import part_of
from launchpad.operations.requests.outcome import GOOD, Outcome
from launchpad.operations.tenants.deploy import deploy_operation, revealing
from launchpad.operations.tenants.start import start
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace


def fence(
    workspace: Workspace, what: Move, *, proof: str, confirm: Confirmation, on_event: OnEvent = ignore
) -> Outcome:
    """Start the tenant's newest backup on the destination. `proof` is the reason to be sure that the source is off; the
    destination's journal keeps the proof. The same command resumes an interrupted run. Data that is already restored on
    the destination stays as it is; the outcome is `unchanged` when the tenant also runs. StateError, before any change,
    when the source answers, and when the backup has another version than the inventory; InventoryError when the tenant
    has no backups."""
    confirm.of(what, command="move")
    identifier = confirm.id_for(workspace)
    there = judge_fence(workspace, what, proof=proof, on_event=on_event)
    fleet = workspace.fleet.load()
    tenant, destination = fleet.tenant(what.tenant), fleet.host(what.destination)
    if not there.has_it:
        placed = tenant.model_copy(update={"host": destination.name})
        receipt: dict[str, Any] = {
            "tenant": str(tenant.name),
            "slot": tenant.slot,
            # A counted epoch would need the lost host's count; the time in seconds is larger than every counted epoch.
            "epoch": max(there.known + 1, int(workspace.clock.now())),
            "to": what.destination,
            "address": ip_of(destination),
            "generation": "",
            "app": str(tenant.app),
            "version": str(tenant.version),
            "release": "",
            "at": workspace.clock.now(),
            "operation": "",
            "by": str(workspace.settings.operator),
            "running": False,
            "fenced": True,
            "proof": proof,
        }
        made = deploy_operation(workspace, fleet, placed, inventory=workspace.revision(what.tenant))
        operation = made | {"kind": "arrive", "receipt": receipt, "from": what.source}
        submission = Submission(
            identifier=part_of(identifier, "arrive"),
            operation=operation,
            secrets=revealing(workspace, tenant),
        )
        submit(workspace, destination, submission, on_event=on_event)
    write_host(workspace, what.tenant, what.destination, what.source)
    record = whereabouts(workspace, destination, tenant, on_event=on_event).record or {}
    if not record.get("running") and not _has_its_data(workspace, destination, what.tenant, record):
        brought = fetch(workspace, what.tenant, identifier=part_of(identifier, "fetch"), on_event=on_event)
        restoration = plan_restore(workspace, what.tenant, generation=brought.id)
        sure = Confirmation(digest=restoration.digest, identifier=part_of(identifier, "restore"))
        restore(workspace, restoration, confirm=sure, on_event=on_event)
        reported(workspace, brought.id)
    return start(workspace, what.tenant, identifier=part_of(identifier, "start"), on_event=on_event)


def judge_fence(workspace: Workspace, what: Move, *, proof: str, on_event: OnEvent = ignore) -> Whereabouts:
    """Raise the errors of `fence` before the operator is asked for confirmation; return what the destination has of the
    tenant."""
    fleet = workspace.fleet.load()
    tenant, destination = fleet.tenant(what.tenant), fleet.host(what.destination)
    judge_proof(what.tenant, proof, of=what.source)
    targets_of(fleet, tenant)
    ip_of(destination)
    _be_gone(workspace, what, on_event=on_event)
    there = whereabouts(workspace, destination, tenant, on_event=on_event)
    if not there.has_it:
        _judge_version(workspace, tenant.model_copy(update={"host": destination.name}))
    return there


def _has_its_data(workspace: Workspace, destination: Host, name: str, record: Mapping[str, Any]) -> bool:
    """Whether a restore or a move has brought the tenant's data since the tenant arrived; the data may have changed
    since."""
    for entry in read_journal(workspace, destination, tenants=[name]):
        if entry.outcome in GOOD and entry.kind == "restore":
            return True
        if entry.outcome in GOOD and entry.kind == "arrive":
            return any(step.step in ("adopt-data", "restore-data", "start-side") for step in entry.steps)
    return bool(record.get("came_from"))  # the tenant arrived long ago


def _judge_version(workspace: Workspace, placed: Tenant) -> None:
    """Reject a backup that another version wrote than the version that would start."""
    newest = newest_of_absent(workspace, placed)
    if newest is None or not newest.version or newest.version == str(placed.version):
        return
    raise StateError(
        f"{placed.name}: the newest backup has version {newest.version}, but the inventory has version "
        f"{placed.version}",
        code="newest-backup-of-other-version",
        hint=f"write version: {newest.version} into inventory/tenants/{placed.name}.yaml, type the same command "
        f"again, then upgrade {placed.name}",
    )


def _be_gone(workspace: Workspace, what: Move, *, on_event: OnEvent) -> None:
    fleet = workspace.fleet.load()
    if what.source == what.destination:
        return
    try:
        whereabouts(workspace, fleet.host(what.source), fleet.tenant(what.tenant), on_event=on_event)
    except HostError:
        return
    raise StateError(
        f"{what.source} answers, so it is not permanently off",
        code="host-still-answers",
        hint=f"to move {what.tenant} with its present data: " + Next("move", what.tenant, "--to", what.destination),
    )
