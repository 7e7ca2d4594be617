"""forget: prune a tenant's backups: from the operator's machine with credentials that no host has, and a target that is
a folder on a host on that host."""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, Literal

from launchpad.errors import HostError, LaunchpadError, StateError
from launchpad.events import ignore
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.tier import Keep
from launchpad.fleet.words.names import TenantName
from launchpad.operations.backups.backup_keys import as_sent, targets_of
from launchpad.operations.backups.repositories import HERE, WorkOptions, ask, task, with_key
from launchpad.operations.backups.thinning_record import drop, recall, remember
from launchpad.operations.requests.asking import ask as ask_host
from launchpad.operations.requests.asking import understood
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier, part_of
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import ReadBackups, ThinnedAtTarget
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """The result of pruning one target."""

    target: str
    removed: tuple[str, ...]
    """The deleted backups' ids."""
    left: int
    waiting: tuple[str, ...] = ()
    """The backups that the next run deletes; only for the first run, which records the repository."""


Odd = Literal["", "keep", "delete"]
"""What to do with new backups that are dated before recorded backups: reject them (empty), trust them (keep), because
somebody copied them or a clock was wrong, or delete them."""


def forget(
    workspace: Workspace, name: str, *, odd: Odd = "", identifier: str = "", how: WorkOptions = HERE
) -> dict[str, Forgotten | LaunchpadError]:
    """Delete, at each target, the backups that the tier's `keep` rule does not retain, except the last proven
    backup. A failure at one target does not stop the others. The first run for a repository from this workspace
    deletes nothing. The id of the work on a host follows from `identifier`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets = targets_of(fleet, tenant)
    backup = fleet.tiers[tenant.tier].backup
    assert backup is not None
    spare = _proven(workspace, tenant) if any(target.kind != "local" for target in targets) else ""
    found: dict[str, Forgotten | LaunchpadError] = {}
    for target in targets:
        try:
            if target.kind == "local":
                part = part_of(identifier, str(target.name)) or new_identifier(workspace.clock.now())
                done = _on_host(workspace, target, tenant, part, keep=backup.keep, how=how)
            else:
                told = with_key(workspace, target, task(workspace, target, name, deletes=True), how)
                done = thin(workspace, target, told, keep=backup.keep, spare=spare, odd=odd, how=how)
        except LaunchpadError as error:
            found[str(target.name)] = error
        else:
            found[str(target.name)] = done
    return found


def erase(workspace: Workspace, name: str, target: Target, *, how: WorkOptions = HERE) -> Forgotten:
    """Delete every backup of a removed tenant, and the backups' wrapped keys. Errors as of `erasable`."""
    told = with_key(workspace, target, erasable(workspace, name, target), how)
    done = understood(ThinnedAtTarget, ask(target, told | {"do": "erase"}, how), host=str(target.name))
    drop(workspace, target, name)
    return Forgotten(target=str(target.name), removed=done.removed, left=0)


def erasable(workspace: Workspace, name: str, target: Target) -> dict[str, Any]:
    """The request for the repository to erase. StateError while the inventory has the tenant, for a target that is a
    folder on a host (root deletes the folder there), and without PRUNE_ credentials; Malformed for a bad tenant
    name."""
    present = TenantName(name) in workspace.fleet.load().known
    if target.kind == "local":
        hint = f"on the host, as root: rm -r {target.url}/{name} {target.url}/{name}.key"
        hint = "first: " + Next("tenant remove", name) + "; then type this command again" if present else hint
        raise StateError(
            f"{target.name} is a folder on a host: root deletes its backups of {name} by hand",
            code="root-deletes-backups",
            hint=hint,
        )
    if present:
        raise StateError(
            f"{name} is still in the inventory", code="tenant-still-in-inventory", hint=Next("tenant remove", name)
        )
    return task(workspace, target, name, deletes=True)


def thin(
    workspace: Workspace,
    target: Target,
    told: Mapping[str, Any],
    *,
    keep: Keep,
    spare: str = "",
    odd: Odd = "",
    how: WorkOptions = HERE,
) -> Forgotten:
    """Prune the repository that `told` names from this machine, except the backup of the generation `spare`. StateError
    for backups out of order without a decision on them."""
    name = str(told["tenant"])
    before = recall(workspace, target, name)
    rules = {"do": "forget", "now": workspace.clock.now(), "keep": keep.model_dump(), "spare": spare, "odd": odd}
    said = ask(target, {**told, **rules, **({"before": before} if before else {"dry": True})}, how)
    done = understood(ThinnedAtTarget, said, host=str(target.name))
    if suspects := done.odd:
        raise StateError(
            f"{target.name}: {len(suspects)} new backup{'s' if len(suspects) > 1 else ''} of {name} "
            f"({', '.join(item[:8] for item in suspects[:3])}{', …' if len(suspects) > 3 else ''}) "
            f"dated before {_day(before)}, the date of a recorded backup; nothing was deleted",
            code="backup-out-of-order",
            hint="an intruder may have backdated backups so that the real backups expire: check the host, then type: "
            + Next("backups forget", name, "--out-of-order", "delete")
            + " (or keep, if you know the reason)",
        )
    remember(workspace, target, name, dict(done.seen or {}))
    removed, left = done.removed, done.left
    if before is None:
        return Forgotten(target=str(target.name), removed=(), left=left + len(removed), waiting=removed)
    return Forgotten(target=str(target.name), removed=removed, left=left)


def _day(before: Mapping[str, Any] | None) -> str:
    newest = before["newest"] if before else 0
    return f"{datetime.datetime.fromtimestamp(newest, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _proven(workspace: Workspace, tenant: Tenant) -> str:
    """The generation of the last proven backup, from the host's record; empty when the host has no record."""
    with suppress(HostError), hosts_of(workspace).reach(workspace.fleet.load().host(tenant.host)) as runner:
        proof = ask_host(runner, ReadBackups(tenant=str(tenant.name))).proven
        return proof.generation if proof else ""
    return ""


def _on_host(
    workspace: Workspace, target: Target, tenant: Tenant, identifier: str, *, keep: Keep, how: WorkOptions
) -> Forgotten:
    """Prune a folder on the host: only the host reads its folders, with the tenant's own uid."""
    host, name = workspace.fleet.load().host(tenant.host), str(tenant.name)
    operation = {"kind": "forget", "tenant": name, "targets": as_sent([target]), "keep": keep.model_dump()}
    submission = Submission(identifier=identifier, operation=operation)
    how.progress(f"{target.name}, on {host.name}")
    submit(workspace, host, submission, on_event=ignore)
    with hosts_of(workspace).reach(host) as runner:
        done = ask_host(runner, ReadBackups(tenant=name)).targets[str(target.name)].thinned
    assert done is not None
    return Forgotten(target=str(target.name), removed=done.removed, left=done.left)


def as_json(found: Mapping[str, Forgotten | LaunchpadError]) -> dict[str, Any]:
    """Target → the result of pruning the target, or the error."""
    return {
        target: said.as_dict() if isinstance(said, LaunchpadError) else _plain(said) for target, said in found.items()
    }


def _plain(said: Forgotten) -> dict[str, Any]:
    return asdict(said) | {"removed": list(said.removed), "waiting": list(said.waiting)}
