"""What a host needs to reach a tenant's backups: the targets' credentials, and the repository's key the first time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.fleet import Fleet, kit_recipients
from launchpad.fleet.names import SecretName
from launchpad.fleet.sealing import Identity, digest_of_recipients, seal
from launchpad.fleet.secret import Secret
from launchpad.fleet.target import Target
from launchpad.fleet.tenant import Tenant
from launchpad.workspace import Runner, Workspace

KEY = "REPOSITORY_KEY"
KEY_LENGTH = 43
"""Characters of a random key: 256 bits and a little."""
LOOK_SECONDS = 360.0


@dataclass(frozen=True)
class NewKey:
    """A tenant's repository key that its host does not have yet, and how it lies beside the repository."""

    value: Secret
    wrap: str
    new: bool
    """Whether it was made just now: no repository is there yet."""
    recipients: str = ""
    """A digest of whom it is wrapped for; empty where that is unknown."""

    def as_sent(self) -> dict[str, str]:
        """What goes along with an operation beside the secret itself."""
        return {"wrap": self.wrap} | ({"recipients": self.recipients} if self.recipients else {})


def targets_of(fleet: Fleet, tenant: Tenant) -> tuple[Target, ...]:
    """Where the tenant's backups go; InventoryError when its tier has none."""
    targets = fleet.backup_targets(tenant)
    if not targets:
        raise InventoryError(
            f"{tenant.name}: its tier {tenant.tier} has no backups",
            hint=f"write backup: {{targets: [TARGET]}} under {tenant.tier} in inventory/tiers.yaml",
        )
    return targets


def as_sent(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """The targets as a host is told of them."""
    return [
        {
            "name": str(item.name),
            "kind": item.kind,
            "url": str(item.url),
            "host_keys": [str(key) for key in item.host_keys],
        }
        for item in targets
    ]


def credentials(workspace: Workspace, targets: Sequence[Target]) -> dict[str, dict[str, Any]]:
    """{"TARGET.NAME": {"version", "value"}} in the clear; StateError for one that is missing."""
    found: dict[str, dict[str, Any]] = {}
    for target in targets:
        if not target.credentials:
            continue
        for name, (version, value) in revealed(workspace, target, target.credentials).items():
            found[f"{target.name}.{name}"] = {"version": version, "value": value.reveal()}
    return found


def revealed(workspace: Workspace, target: Target, names: Sequence[SecretName]) -> dict[SecretName, tuple[int, Secret]]:
    """Those of the target's credentials; StateError for one that is missing, unless it may do without any."""
    kept = workspace.target_secrets.reveal(target.name)
    found = {name: kept[name] for name in names if name in kept}
    missing = [name for name in names if name not in kept]
    if missing and (found or not target.optional):
        hint = f"launchpad target credential {target.name} {missing[0]}"
        raise StateError(f"target {target.name}: no {missing[0]}", hint=hint)
    return found


def missing_key(
    workspace: Workspace, runner: Runner, tenant: Tenant, targets: Sequence[Target], *, source: str = ""
) -> NewKey | None:
    """None when the host has the tenant's key. Otherwise the one that lies, wrapped, beside an earlier repository of
    the tenant, or of `source`; a new one when there is none. StateError when that cannot be told: two keys would be the
    end of one."""
    name = source or str(tenant.name)
    if not source and runner.ask("backups", {"tenant": name})["key"]:
        return None
    body = {"tenant": str(tenant.name), "targets": as_sent(targets), "wraps": True}
    body |= {"secrets": credentials(workspace, targets)} | ({"source": source} if source else {})
    found = runner.ask("backups", body, seconds=LOOK_SECONDS)
    if found["wraps"]:
        return opened(workspace, name, found["wraps"])
    for target, problem in found["problems"].items():
        raise StateError(
            f"{name}: whether {target} holds earlier backups cannot be told: {problem}",
            hint=f"launchpad target show {target}",
        )
    return wrapped(workspace, Secret.generated(KEY_LENGTH), new=True)


def wrapped(workspace: Workspace, key: Secret, *, new: bool = False) -> NewKey:
    """The key, wrapped for the recipients and the recovery identity that launchpad.yaml names now."""
    recipients = kit_recipients(workspace.fleet.load().defaults)
    return NewKey(key, seal(key, recipients), new=new, recipients=digest_of_recipients(recipients))


def opened(workspace: Workspace, tenant: str, wraps: Sequence[str]) -> NewKey:
    """The key in the newest of the wrapped ones (given newest first) that this operator can open; StateError when there
    is none: somebody else's may lie in front of ours."""
    identity = Identity(workspace.settings.identity)
    for wrap in wraps[:-1]:
        with suppress(StateError):
            return NewKey(identity.open(wrap, what="it"), wrap, new=False)
    return NewKey(identity.open(wraps[-1], what=f"{tenant}: the wrapped key of its backups"), wraps[-1], new=False)


def with_key(secrets: Mapping[str, Mapping[str, Any]], key: NewKey | None) -> dict[str, Mapping[str, Any]]:
    """The secrets of a request, the key among them when it has to go along."""
    return dict(secrets) | ({KEY: {"version": 1, "value": key.value.reveal()}} if key else {})
