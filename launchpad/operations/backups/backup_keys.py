"""Access to a tenant's backups: the targets' credentials, and the key of an existing repository."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.sealing.age import AgeIdentity
from launchpad.fleet.words.names import SecretName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.requests.asking import ask
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import ReadBackups
from launchpad.workspace import Runner, Workspace

KEY = "REPOSITORY_KEY"
LOOK_SECONDS = 360.0


def targets_of(fleet: Fleet, tenant: Tenant) -> tuple[Target, ...]:
    """The targets of the tenant's tier; InventoryError when the tier has none."""
    targets = fleet.backup_targets(tenant)
    if not targets:
        raise InventoryError(
            f"{tenant.name}: tier {tenant.tier} has no backups",
            code="tier-without-backups",
            hint=f"write backup: {{targets: [TARGET]}} under {tenant.tier} in inventory/tiers.yaml",
        )
    return targets


def as_sent(targets: Sequence[Target]) -> list[dict[str, Any]]:
    """The targets in the form that a host takes."""
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
    """The targets' credentials as {"TARGET.NAME": {"version", "value"}}, unsealed; StateError when one is missing."""
    found: dict[str, dict[str, Any]] = {}
    for target in targets:
        if not target.credentials:
            continue
        for name, (version, value) in revealed(workspace, target, target.credentials).items():
            found[f"{target.name}.{name}"] = {"version": version, "value": value.reveal()}
    return found


def revealed(workspace: Workspace, target: Target, names: Sequence[SecretName]) -> dict[SecretName, tuple[int, Secret]]:
    """The target's credentials, unsealed; StateError when one is missing, unless the target needs none."""
    kept = workspace.target_secrets.reveal(target.name)
    found = {name: kept[name] for name in names if name in kept}
    missing = [name for name in names if name not in kept]
    if missing and (found or not target.optional):
        hint = Next("target credential", target.name, missing[0])
        raise StateError(f"target {target.name}: no {missing[0]}", code="target-credential-missing", hint=hint)
    return found


def missing_key(
    workspace: Workspace, runner: Runner, tenant: Tenant, targets: Sequence[Target], *, source: str = ""
) -> Secret | None:
    """The key of an earlier repository of the tenant, or of `source`, when the tenant's host does not have the key:
    the wrapped key beside the repository, opened here. None when the host has the key, or when there is no
    repository yet and the host will make a key. StateError when this is unknown: a second key would make earlier
    backups unreadable."""
    name = source or str(tenant.name)
    if not source and ask(runner, ReadBackups(tenant=name)).key:
        return None
    asked = ReadBackups(tenant=str(tenant.name), targets=tuple(as_sent(targets)), source=source)
    found = ask(runner, asked.but(wraps=True), seconds=LOOK_SECONDS)
    if found.wraps:
        return _right(runner, name, asked, opened(workspace, name, found.wraps))
    for target, problem in found.problems.items():
        raise StateError(
            f"{name}: cannot check whether {target} has earlier backups: {problem}",
            code="earlier-backups-unknown",
            hint=Next("target show", target),
        )
    return None


def _right(runner: Runner, name: str, asked: ReadBackups, keys: Sequence[Secret]) -> Secret | None:
    """The one of the keys that opens a repository; None when there is no repository to open."""
    opens: dict[str, Secret] = {}
    problems: dict[str, str] = {}
    for key in keys:
        said = ask(runner, asked.but(secrets=with_key(key)), seconds=LOOK_SECONDS * len(asked.targets))
        opens |= dict.fromkeys(said.there, key)
        problems |= said.problems
    if not opens and not problems:
        return None
    if len(right := {key.reveal(): key for key in opens.values()}) == 1:
        return next(iter(right.values()))
    where = ", ".join(sorted(opens)) or "no target's repository"
    raise StateError(
        f"{name}: {len(keys)} keys are stored beside the backups, and {len(right) or 'none'} of them opened {where}",
        code="stored-keys-not-opened",
        hint="an intruder on a host may have added a false key: remove the targets that you do not trust from the tier",
    )


def opened(workspace: Workspace, tenant: str, wraps: Sequence[str]) -> list[Secret]:
    """The distinct keys that this operator can open, newest first, from the wrapped keys (given newest first). Somebody
    with write access may have added false keys. StateError when no key opens."""
    identity = AgeIdentity(workspace.settings.identity)
    found: dict[str, Secret] = {}
    for wrap in wraps:
        with suppress(LaunchpadError, ValueError):  # the stored text may come from anybody
            value = identity.open(wrap, what="it")
            found.setdefault(value.reveal(), value)
    if not found:
        identity.open(wraps[0], what=f"{tenant}: the wrapped key of the backups")  # raises the error of the last one
    return list(found.values())


def with_key(key: Secret | None) -> dict[str, dict[str, Any]]:
    """The secrets of a request: the key, when the host needs it."""
    return {KEY: {"version": 1, "value": key.reveal()}} if key else {}
