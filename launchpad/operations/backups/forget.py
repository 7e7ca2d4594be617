"""forget: thin a tenant's backups out: from the operator's machine with credentials that no host has, and a folder of a
host on that host."""

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
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.reaching import hosts_of
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was deleted at one target."""

    target: str
    removed: tuple[str, ...]
    """The backups' ids."""
    left: int
    waiting: tuple[str, ...] = ()
    """What the next run deletes: it was the first look at this repository from here."""


Odd = Literal["", "keep", "delete"]
"""What to do with backups out of order, new ones that are dated before those that were seen already: refuse, or believe
them, because somebody copied them there or a clock was wrong, or delete them."""


def forget(
    workspace: Workspace, name: str, *, odd: Odd = "", how: WorkOptions = HERE
) -> dict[str, Forgotten | LaunchpadError]:
    """Delete what the tier's `keep` does not keep, at each target, but for the backup that was proven last; what went
    wrong at one stops no other. The first look at a repository from this workspace deletes nothing."""
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
                done = _on_host(workspace, target, tenant, keep=backup.keep, how=how)
            else:
                told = with_key(workspace, target, task(workspace, target, name, deletes=True), how)
                done = thin(workspace, target, told, keep=backup.keep, spare=spare, odd=odd, how=how)
        except LaunchpadError as error:
            found[str(target.name)] = error
        else:
            found[str(target.name)] = done
    return found


def erase(workspace: Workspace, name: str, target: Target, *, how: WorkOptions = HERE) -> Forgotten:
    """Delete every backup of a tenant that is no more, and the wrapped keys beside them. Errors as of `erasable`."""
    told = with_key(workspace, target, erasable(workspace, name, target), how)
    done = ask(target, told | {"do": "erase"}, how)
    drop(workspace, target, name)
    return Forgotten(target=str(target.name), removed=tuple(done["removed"]), left=0)


def erasable(workspace: Workspace, name: str, target: Target) -> dict[str, Any]:
    """What the program is told of the repository. StateError while the inventory has the tenant, for a folder on a
    host, which is root's there to remove, and without the credentials that delete; Malformed for no tenant's name."""
    if TenantName(name) in workspace.fleet.load().known:
        raise StateError(f"{name} is in the inventory still", hint=f"launchpad tenant remove {name}")
    if target.kind == "local":
        hint = f"there, as root: rm -r {target.url}/{name} {target.url}/{name}.key"
        raise StateError(f"{target.name} is a folder on a host, which is erased by hand", hint=hint)
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
    """Thin out the repository that `told` names from here, all but the backup of the generation `spare`. StateError
    when there are backups out of order, and nothing says what with them."""
    name = str(told["tenant"])
    before = recall(workspace, target, name)
    rules = {"do": "forget", "now": workspace.clock.now(), "keep": keep.model_dump(), "spare": spare, "odd": odd}
    done = ask(target, {**told, **rules, **({"before": before} if before else {"dry": True})}, how)
    if suspects := done["odd"]:
        raise StateError(
            f"{target.name}: {len(suspects)} new backup{'s' if len(suspects) > 1 else ''} of {name} "
            f"({', '.join(item[:8] for item in suspects[:3])}{', …' if len(suspects) > 3 else ''}) "
            f"dated before {_day(before)}, which was there already; nothing was deleted",
            hint="somebody may be pushing the real ones out: look at the host. Then "
            f"launchpad backups forget {name} --out-of-order delete, or keep when you know why",
        )
    remember(workspace, target, name, done["seen"])
    removed, left = tuple(done["removed"]), int(done["left"])
    if before is None:
        return Forgotten(target=str(target.name), removed=(), left=left + len(removed), waiting=removed)
    return Forgotten(target=str(target.name), removed=removed, left=left)


def _day(before: Mapping[str, Any] | None) -> str:
    newest = before["newest"] if before else 0
    return f"{datetime.datetime.fromtimestamp(newest, datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _proven(workspace: Workspace, tenant: Tenant) -> str:
    """The generation of the backup that was proven last, as its host says; empty when it does not say."""
    with suppress(HostError), hosts_of(workspace).reach(workspace.fleet.load().host(tenant.host)) as runner:
        proof = runner.ask("backups", {"tenant": str(tenant.name)})["proven"] or {}
        return str(proof.get("generation", ""))
    return ""


def _on_host(workspace: Workspace, target: Target, tenant: Tenant, *, keep: Keep, how: WorkOptions) -> Forgotten:
    """Only the host reads its folders, as the tenant's own uid."""
    host, name = workspace.fleet.load().host(tenant.host), str(tenant.name)
    operation = {"kind": "forget", "tenant": name, "targets": as_sent([target]), "keep": keep.model_dump()}
    submission = Submission(identifier=new_identifier(workspace.clock.now()), operation=operation)
    how.progress(f"{target.name}, on {host.name}")
    submit(workspace, host, submission, on_event=ignore)
    with hosts_of(workspace).reach(host) as runner:
        done = runner.ask("backups", {"tenant": name})["targets"][str(target.name)]["thinned"]
    return Forgotten(target=str(target.name), removed=tuple(done["removed"]), left=int(done["left"]))


def as_json(found: Mapping[str, Forgotten | LaunchpadError]) -> dict[str, Any]:
    """Target → what was deleted there, or the error."""
    return {
        target: said.as_dict() if isinstance(said, LaunchpadError) else _plain(said) for target, said in found.items()
    }


def _plain(said: Forgotten) -> dict[str, Any]:
    return asdict(said) | {"removed": list(said.removed), "waiting": list(said.waiting)}
