"""What a host needs to reach a tenant's backups: the targets' credentials, and the repository's key the first time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from launchpad.errors import InventoryError, LaunchpadError, StateError
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
    the tenant, or of `source`, and opens it; a new one when there is none. StateError when that cannot be told: two
    keys would be the end of one."""
    name = source or str(tenant.name)
    if not source and runner.ask("backups", {"tenant": name})["key"]:
        return None
    body = {"tenant": str(tenant.name), "targets": as_sent(targets), "secrets": credentials(workspace, targets)}
    body |= {"source": source} if source else {}
    found = runner.ask("backups", body | {"wraps": True}, seconds=LOOK_SECONDS)
    if found["wraps"]:
        keys = opened(workspace, name, found["wraps"])
        return keys[0] if len(keys) == 1 else _right(runner, name, body, keys)
    for target, problem in found["problems"].items():
        raise StateError(
            f"{name}: whether {target} holds earlier backups cannot be told: {problem}",
            hint=f"launchpad target show {target}",
        )
    return wrapped(workspace, Secret.generated(KEY_LENGTH), new=True)


def _right(runner: Runner, name: str, body: Mapping[str, Any], keys: Sequence[NewKey]) -> NewKey:
    """Of several that could be opened the one that a repository with backups is opened by."""
    opens: dict[str, NewKey] = {}
    for key in keys:
        told = dict(body) | {"secrets": with_key(body["secrets"], key)}
        found = runner.ask("backups", told, seconds=LOOK_SECONDS * len(body["targets"]))["snapshots"]
        opens |= {target: key for target, snapshots in found.items() if snapshots}
    if len(right := {key.value.reveal(): key for key in opens.values()}) == 1:
        return next(iter(right.values()))
    where = ", ".join(sorted(opens)) or "no target's repository"
    raise StateError(
        f"{name}: {len(keys)} keys lie beside its backups, and {len(right) or 'none'} of them opened {where}",
        hint="one may be made up by who broke into a host: take the targets that you do not trust out of the tier",
    )


def wrapped(workspace: Workspace, key: Secret, *, new: bool = False) -> NewKey:
    """The key, wrapped for the recipients and the recovery identity that launchpad.yaml names now."""
    recipients = kit_recipients(workspace.fleet.load().defaults)
    return NewKey(key, seal(key, recipients), new=new, recipients=digest_of_recipients(recipients))


def opened(workspace: Workspace, tenant: str, wraps: Sequence[str]) -> list[NewKey]:
    """The different keys in the wrapped ones (given newest first) that this operator can open, the newest first:
    whoever could write there may have laid some of them. StateError when there is none."""
    identity = Identity(workspace.settings.identity)
    found: dict[str, NewKey] = {}
    for wrap in wraps:
        with suppress(LaunchpadError, ValueError):  # what somebody lays there may be anything
            value = identity.open(wrap, what="it")
            found.setdefault(value.reveal(), NewKey(value, wrap, new=False))
    if not found:
        identity.open(wraps[0], what=f"{tenant}: the wrapped key of its backups")  # and says why it cannot
    return list(found.values())


def with_key(secrets: Mapping[str, Mapping[str, Any]], key: NewKey | None) -> dict[str, Mapping[str, Any]]:
    """The secrets of a request, the key among them when it has to go along."""
    return dict(secrets) | ({KEY: {"version": 1, "value": key.value.reveal()}} if key else {})
