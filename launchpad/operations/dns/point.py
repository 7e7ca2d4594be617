"""Point a tenant's names to its host."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launchpad.operations.dns.address import ip_of
from launchpad.operations.dns.provider import Dns
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class DnsRecord:
    """A DNS record to set."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name}. {'AAAA' if ':' in self.address else 'A'} {self.address}"


@dataclass(frozen=True, kw_only=True)
class Pointed:
    """A tenant's names: the records to set, and the names that still point elsewhere."""

    tenant: str
    records: tuple[DnsRecord, ...]
    written: bool
    """Whether the provider has the records now; False when an operator must set the records."""
    elsewhere: tuple[str, ...]
    """The names that do not point only to the host's address yet."""

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "records": [{"name": item.name, "address": item.address} for item in self.records],
            "written": self.written,
            "elsewhere": list(self.elsewhere),
        }


def records(domains: tuple[str, ...], address: str) -> tuple[DnsRecord, ...]:
    """The records that the tenant's names need."""
    return tuple(DnsRecord(name=name, address=address) for name in domains)


def leading_elsewhere(domains: tuple[str, ...], address: str, *, dns: Dns) -> tuple[str, ...]:
    """The names that do not point only to the address."""
    return tuple(name for name in domains if dns.leads_to(name) != {address})


def point(workspace: Workspace, name: str, *, dns: Dns, write: bool = True) -> Pointed:
    """Point the tenant's names to its host, or only check them. Errors as of `Dns.point`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    domains, address = tuple(map(str, tenant.domains)), ip_of(fleet.host(tenant.host))
    return Pointed(
        tenant=name,
        records=records(domains, address),
        written=write and dns.point(domains, address),
        elsewhere=leading_elsewhere(domains, address, dns=dns),
    )
