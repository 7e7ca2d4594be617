"""backup: back up one instant of a tenant's data into every repository of its tier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.backups.backup_keys import as_sent, missing_key, targets_of, with_key
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.identifiers import part_of
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.wire.backup_bodies import ReadBackups, TargetState
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Sent:
    """The result of a backup at one target."""

    target: str
    good: bool
    snapshot: str = ""
    size: int = 0
    """The size of the data in bytes."""
    added: int = 0
    """The bytes that were added to the repository, as stored."""
    message: str = ""
    """Why the target failed; empty on success."""


@dataclass(frozen=True, kw_only=True)
class BackedUp:
    """A backup that at least one target has."""

    outcome: Outcome
    targets: tuple[Sent, ...]

    @property
    def complete(self) -> bool:
        """Whether every target has the backup."""
        return all(item.good for item in self.targets)

    def as_json(self) -> dict[str, Any]:
        return self.outcome.as_json() | {"targets": [vars(item) for item in self.targets]}


def backup(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> BackedUp:
    """Back the tenant up now, while the tenant runs. OperationFailed when a database is damaged or every target failed;
    other errors as of `following.submit`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets = targets_of(fleet, tenant)
    host = fleet.host(tenant.host)
    with hosts_of(workspace).reach(host) as runner:
        key = missing_key(workspace, runner, tenant, targets)
    operation: dict[str, Any] = {"kind": "backup", "tenant": str(tenant.name), "targets": as_sent(targets)}
    submission = Submission(identifier=identifier, operation=operation, secrets=lambda: with_key(key))
    wish = Wish(kind="backup", tenant=str(tenant.name))
    outcome = submit_once(workspace, host, wish, submission, on_event=on_event)
    with hosts_of(workspace).reach(host) as runner:
        states = ask(runner, ReadBackups(tenant=str(tenant.name))).targets
    sent = tuple(_sent(str(item.name), states.get(str(item.name), TargetState()), outcome.id) for item in targets)
    return BackedUp(outcome=outcome, targets=sent)


def backup_all(
    workspace: Workspace, names: Sequence[str] = (), *, identifier: str = "", on_event: OnEvent = ignore
) -> dict[str, BackedUp | LaunchpadError]:
    """Back up these tenants, or all whose tier has backups: hosts in parallel, the tenants of a host one after
    another."""
    fleet = workspace.fleet.load()
    meant = [fleet.tenant(name) for name in names] or [
        tenant for _, tenant in sorted(fleet.tenants.items()) if fleet.backup_targets(tenant)
    ]

    def of_host(host: str) -> dict[str, BackedUp | LaunchpadError]:
        mine = [str(tenant.name) for tenant in meant if tenant.host == host]
        return {name: _attempt(workspace, name, part_of(identifier, name), on_event=on_event) for name in mine}

    found = fanout(sorted({str(tenant.host) for tenant in meant}), of_host, threads=workspace.settings.parallel)
    results: dict[str, BackedUp | LaunchpadError] = {}
    for host, said in found.items():
        mine = dict.fromkeys(_names(meant, host), said) if isinstance(said, LaunchpadError) else said
        results.update(mine)
    return results


def _attempt(workspace: Workspace, name: str, identifier: str, *, on_event: OnEvent) -> BackedUp | LaunchpadError:
    try:
        return backup(workspace, name, identifier=identifier, on_event=on_event)
    except LaunchpadError as error:
        return error


def _names(tenants: Sequence[Tenant], host: str) -> list[str]:
    return [str(tenant.name) for tenant in tenants if tenant.host == host]


def _sent(target: str, state: TargetState, operation: str) -> Sent:
    sent = state.sent
    if sent is None or sent.operation != operation:
        return Sent(target=target, good=False, message=state.failed.message if state.failed else "")
    return Sent(target=target, good=True, snapshot=sent.snapshot, size=sent.bytes, added=sent.added)
