"""The hosts and tenants that the names on a command line select."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from launchpad.errors import InventoryError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.nearest import nearest
from launchpad.runner.hint import Next


@dataclass(frozen=True)
class Scope:
    """The hosts to ask and the selected tenants, each in order of name."""

    hosts: tuple[Host, ...]
    tenants: tuple[Tenant, ...]
    whole_hosts: frozenset[str]
    """The hosts that are selected as a whole, not only for some of their tenants."""


def named_hosts(fleet: Fleet, names: Sequence[str]) -> dict[str, Host]:
    """The named hosts in the given order, or all by name; InventoryError for an unknown name."""
    return {name: fleet.host(name) for name in (dict.fromkeys(names) or sorted(map(str, fleet.hosts)))}


def scope_of(fleet: Fleet, names: Sequence[str]) -> Scope:
    """Select by names of tenants and hosts, mixed; no name selects the whole fleet. InventoryError for a name that is
    neither.

    A name that both a tenant and a host have selects both.
    """
    hosts = {str(name) for name in (names or fleet.hosts) if name in fleet.hosts}
    tenants = {str(name) for name in names if name in fleet.tenants}
    for name in names:
        if name in fleet.unreadable and name not in hosts:
            fleet.tenant(name)  # raises the error of a tenant whose file has mistakes
        if name not in hosts and name not in tenants:
            guess = nearest(name, [*fleet.tenants, *fleet.hosts])
            hint = f"did you mean {guess}?" if guess else Next("tenant list") + "; " + Next("host list")
            raise InventoryError(
                f"the inventory has no tenant or host {name}", code="no-such-tenant-or-host", hint=hint
            )
    meant = [fleet.tenants[name] for name in sorted(fleet.tenants)]
    meant = [tenant for tenant in meant if tenant.name in tenants or tenant.host in hosts]
    asked = {str(tenant.host) for tenant in meant} | hosts
    return Scope(
        hosts=tuple(fleet.hosts[name] for name in sorted(fleet.hosts) if name in asked),
        tenants=tuple(meant),
        whole_hosts=frozenset(hosts),
    )
