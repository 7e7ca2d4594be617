"""forget: thin a tenant's backups out: from the operator's machine with credentials that no host has, and a folder of a
host on that host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.events import ignore
from launchpad.fleet.target import Target
from launchpad.fleet.tenant import Tenant
from launchpad.fleet.tier import Keep
from launchpad.operations.backup_keys import as_sent, targets_of
from launchpad.operations.following import Submission, submit
from launchpad.operations.identifiers import new_identifier
from launchpad.operations.reaching import hosts_of
from launchpad.operations.repositories import HERE, How, ask, task, with_key
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Forgotten:
    """What was deleted at one target."""

    target: str
    removed: tuple[str, ...]
    """The backups' ids."""
    left: int


def forget(workspace: Workspace, name: str, *, how: How = HERE) -> dict[str, Forgotten | LaunchpadError]:
    """Delete what the tier's `keep` does not keep, at each target; what went wrong at one stops no other."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets = targets_of(fleet, tenant)
    backup = fleet.tiers[tenant.tier].backup
    assert backup is not None
    found: dict[str, Forgotten | LaunchpadError] = {}
    for target in targets:
        thin = _on_host if target.kind == "local" else _from_here
        try:
            found[str(target.name)] = thin(workspace, target, tenant, keep=backup.keep, how=how)
        except LaunchpadError as error:
            found[str(target.name)] = error
    return found


def erase(workspace: Workspace, name: str, target: Target, *, how: How = HERE) -> Forgotten:
    """Delete every backup of a tenant that is no more, and the wrapped keys beside them. StateError while the inventory
    has it, and for a folder on a host, which is root's there to remove."""
    if name in workspace.fleet.load().tenants:
        raise StateError(f"{name} is in the inventory still", hint=f"launchpad tenant remove {name}")
    if target.kind == "local":
        hint = f"there, as root: rm -r {target.url}/{name} {target.url}/{name}.key"
        raise StateError(f"{target.name} is a folder on a host, which is erased by hand", hint=hint)
    told = with_key(workspace, target, task(workspace, target, name, deletes=True), how)
    done = ask(target, told | {"do": "erase"}, how)
    return Forgotten(target=str(target.name), removed=tuple(done["removed"]), left=0)


def _from_here(workspace: Workspace, target: Target, tenant: Tenant, *, keep: Keep, how: How) -> Forgotten:
    told = with_key(workspace, target, task(workspace, target, str(tenant.name), deletes=True), how)
    rules = {"do": "forget", "now": workspace.clock.now(), "keep": keep.model_dump()}
    done = ask(target, told | rules, how)
    return Forgotten(target=str(target.name), removed=tuple(done["removed"]), left=int(done["left"]))


def _on_host(workspace: Workspace, target: Target, tenant: Tenant, *, keep: Keep, how: How) -> Forgotten:
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
        target: said.as_dict() if isinstance(said, LaunchpadError) else asdict(said) | {"removed": list(said.removed)}
        for target, said in found.items()
    }
