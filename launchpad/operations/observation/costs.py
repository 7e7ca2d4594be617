"""usage --costs: what tenants' apps say their models cost in a month. Nobody can check these numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

from launchpad.errors import LaunchpadError
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.runner.wire.cost_bodies import CostsReply, ReadCosts
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class SaidCost:
    """One day of a tenant. What begins with `app_` is what the tenant's app says."""

    day: str
    """In UTC."""
    tenant: str
    host: str
    app_cost_usd: float
    app_tokens: int
    app_unpriced: int
    """Entries for which the app knows no price: the cost is too low by them."""
    asked: float
    """When the app answered last, by the host's clock."""


COLUMNS = tuple(item.name for item in fields(SaidCost))


@dataclass(frozen=True, kw_only=True)
class SaidCosts:
    """What the hosts know, by tenant and day, and the hosts that did not answer."""

    days: tuple[SaidCost, ...]
    problems: Mapping[str, str]
    """Tenant → why its app's last answer could not be used."""
    unreachable: Mapping[str, LaunchpadError]
    answered: bool


def costs(workspace: Workspace, month: str, names: Sequence[str] = ()) -> SaidCosts:
    """Of the named tenants, or of all on the named hosts, or of all. All hosts are asked when no host is named, because
    a tenant may have been anywhere in the month. InventoryError for a name without costs that is not in the inventory.
    """
    fleet = workspace.fleet.load()
    hosts = {str(name): host for name, host in fleet.hosts.items() if name in names} or {
        str(name): host for name, host in fleet.hosts.items()
    }
    tenants = [name for name in names if name not in hosts]

    asked = ReadCosts(month=month, tenants=tuple(tenants) or None)

    def look(name: str) -> CostsReply:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            return ask(runner, asked, seconds=SECONDS)

    said = fanout(hosts, look, threads=workspace.settings.parallel)
    known = [(host, item) for host, found in said.items() if isinstance(found, CostsReply) for item in found.tenants]
    days = [
        SaidCost(
            day=day,
            tenant=item.tenant,
            host=host,
            app_cost_usd=cost.cost_usd,
            app_tokens=cost.tokens,
            app_unpriced=cost.unpriced,
            asked=item.costs.asked,
        )
        for host, item in known
        for day, cost in item.costs.days.items()
    ]
    unreachable = {name: item for name, item in said.items() if isinstance(item, LaunchpadError)}
    if not unreachable:
        scope_of(fleet, [name for name in tenants if name not in {item.tenant for _, item in known}] or list(hosts))
    return SaidCosts(
        days=tuple(sorted(days, key=lambda item: (item.tenant, item.day, item.host))),
        problems={item.tenant: item.costs.problem for _, item in known if item.costs.problem},
        unreachable=unreachable,
        answered=len(unreachable) < len(hosts),
    )
