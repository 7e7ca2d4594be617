"""fetch and drill: fetch a backup to its tenant's host as a generation, or boot the backup in a clone to prove it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.names import TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup_keys import as_sent, missing_key, targets_of, with_key
from launchpad.operations.backups.backups import Backup, asked, chosen, judge_at
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import ReadBackups
from launchpad.workspace import Workspace


def choose(workspace: Workspace, name: str, *, at: str = "", source: str = "") -> Backup:
    """The backup that `fetch` would fetch; nothing is fetched. StateError when there is none."""
    judge_at(at)
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    return _choice(workspace, tenant, _targets(fleet, tenant, source), at=at, source=source)[0]


def fetch(
    workspace: Workspace,
    name: str,
    *,
    at: str = "",
    source: str = "",
    identifier: str = "",
    on_event: OnEvent = ignore,
) -> Outcome:
    """Fetch a backup to the tenant's host as a generation, whose id is the outcome's id; the tenant's live data does
    not change. `at` is a backup's id (the first 8 digits suffice) or a time: the newest backup before it; empty: the
    newest backup. With `source`, fetch another tenant's backup, of the same app and version, from a target over the
    network. StateError when there is no such backup."""
    return _bring(workspace, name, at=at, source=source, kind="fetch", identifier=identifier, on_event=on_event)


def drill(
    workspace: Workspace, name: str, *, at: str = "", identifier: str = "", on_event: OnEvent = ignore
) -> Outcome:
    """Prove a backup: fetch the backup, boot it in a clone without network access, wait until the clone is ready and
    stays ready, and destroy the clone. `at` as for `fetch`. OperationFailed when the clone does not become ready."""
    return _bring(workspace, name, at=at, kind="drill", identifier=identifier, on_event=on_event)


def _bring(
    workspace: Workspace, name: str, *, at: str, kind: str, identifier: str, on_event: OnEvent, source: str = ""
) -> Outcome:
    judge_at(at)
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    host = fleet.host(tenant.host)
    wanted, key = _choice(workspace, tenant, _targets(fleet, tenant, source), at=at, source=source)
    target = fleet.target(wanted.target)
    operation: dict[str, Any] = {"kind": kind, "tenant": str(tenant.name), "targets": as_sent([target])}
    operation |= {"snapshot": wanted.id} | ({"source": source} if source else {})
    wish = Wish(kind=kind, tenant=str(tenant.name), words={"at": at, "source": source})
    submission = Submission(identifier=identifier, operation=operation, secrets=lambda: with_key(key))
    return submit_once(workspace, host, wish, submission, on_event=on_event)


def _choice(
    workspace: Workspace, tenant: Tenant, targets: Sequence[Target], *, at: str, source: str
) -> tuple[Backup, Secret | None]:
    """The chosen backup, and its key when the host does not have the key."""
    with hosts_of(workspace).reach(workspace.fleet.load().host(tenant.host)) as runner:
        key = missing_key(workspace, runner, tenant, targets, source=source)
        here = not source and ask(runner, ReadBackups(tenant=str(tenant.name))).key
    if key is None and not here:
        whose = source or tenant.name
        raise StateError(
            f"{whose}: no target has a backup of {whose}",
            code="no-target-has-backup-to-fetch",
            hint=Next("backup", whose),
        )
    return chosen(asked(workspace, tenant, targets, key=key, source=source), at), key


def _targets(fleet: Fleet, tenant: Tenant, source: str) -> tuple[Target, ...]:
    """The targets to search: with `source` the source's targets, or the tenant's targets when the inventory no longer
    has the source. Folders on hosts are left out, because only the source's own uid can read them."""
    if not source:
        return targets_of(fleet, tenant)
    if source == tenant.name:
        raise StateError(f"{source} is the same tenant", code="same-tenant", hint=Next("restore", source, "--at", "ID"))
    targets = targets_of(fleet, fleet.tenants.get(TenantName(source), tenant))
    remote = tuple(target for target in targets if target.kind != "local")
    if not remote:
        raise StateError(
            f"{source}: the only backups are in a folder on a host, which no other tenant can read",
            code="backups-only-for-tenant-itself",
            hint=f"give {source}'s tier a target over the network, then: " + Next("backup", source),
        )
    return remote
