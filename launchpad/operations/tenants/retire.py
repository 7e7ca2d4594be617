"""retire: remove a tenant from its host. The host keeps the data until a purge."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.target import Target
from launchpad.fleet.words.names import TenantName
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.runner.hint import Next
from launchpad.runner.protocol import canonical, digest_of
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Retained:
    """Backups that a purge leaves at a target. Whoever can open their key can read them until an operator deletes them:
    the `keep` rule of a tier counts from the newest backup, so nothing expires without new backups."""

    target: str
    where: str
    """The target's URL with the tenant's folder."""
    delete: str
    """The command that deletes the backups."""


@dataclass(frozen=True, kw_only=True)
class Retirement:
    """A planned retirement: the tenant, its host, and whether the data goes too."""

    tenant: str
    host: str
    purge: bool
    """Whether the data, secrets and releases are deleted too, permanently."""

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return digest_of(canonical(self.as_json())).removeprefix("sha256:")[:12]

    def as_json(self) -> dict[str, Any]:
        return {"tenant": self.tenant, "host": self.host, "purge": self.purge}


def plan_retirement(workspace: Workspace, name: str, *, host: str = "", purge: bool = False) -> Retirement:
    """Plan the retirement. A tenant that is no longer in the inventory needs its host's name."""
    fleet = workspace.fleet.load()
    where = fleet.host(host or _home(fleet, name))
    return Retirement(tenant=str(TenantName(name)), host=str(where.name), purge=purge)


def retire(
    workspace: Workspace, what: Retirement, *, confirm: str, identifier: str = "", on_event: OnEvent = ignore
) -> Outcome:
    """Carry the retirement out; StateError unless `confirm` is its digest. Errors as of `following.submit`."""
    if confirm != what.digest:
        raise StateError(
            f"retiring {what.tenant} was not confirmed: its digest is {what.digest}",
            code="retire-digest-differs",
            hint=Next("retire", what.tenant),
        )
    operation = {"kind": "retire", "tenant": what.tenant, "purge": what.purge}
    wish = Wish(kind="retire", tenant=what.tenant, words={"purge": what.purge}, host=what.host)
    host = workspace.fleet.load().host(what.host)
    return submit_once(workspace, host, wish, Submission(identifier=identifier, operation=operation), on_event=on_event)


def retained(workspace: Workspace, what: Retirement) -> list[Retained]:
    """Where backups of a purged tenant may remain: at each target of its tier, or at every target when the inventory no
    longer has the tenant. Of a tenant that lives on another host, only what that host's folders may have."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenants.get(TenantName(what.tenant))
    targets = fleet.backup_targets(tenant) if tenant else tuple(item for _, item in sorted(fleet.targets.items()))
    return [
        Retained(target=str(item.name), where=f"{item.url}/{what.tenant}", delete=_end(item, what))
        for item in targets
        if item.kind == "local" or tenant is None or tenant.host == what.host
    ]


def _end(target: Target, what: Retirement) -> str:
    if target.kind == "local":
        return f"on {what.host}, as root: rm -r {target.url}/{what.tenant} {target.url}/{what.tenant}.key"
    return Next("backups erase", what.tenant, "--target", target.name)


def _home(fleet: Fleet, name: str) -> str:
    if name not in fleet.tenants and fleet.hosts:
        raise StateError(
            f"no tenant {name} in the inventory, so its host must be named",
            code="host-must-be-named",
            hint=Next("retire", name, "--host", "|".join(map(str, fleet.hosts))),
        )
    return str(fleet.tenant(name).host)
