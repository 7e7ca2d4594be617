"""Have a tenant's names lead to where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from launchpad.operations.dns.address import ip_of
from launchpad.operations.dns.provider import Dns
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class DnsRecord:
    """A DNS record that is to be."""

    name: str
    address: str

    def __str__(self) -> str:
        return f"{self.name}. {'AAAA' if ':' in self.address else 'A'} {self.address}"


@dataclass(frozen=True, kw_only=True)
class Pointed:
    """A tenant's names: what their records are to say, and what visitors are told."""

    tenant: str
    records: tuple[DnsRecord, ...]
    written: bool
    """Whether the provider has the records now; False where they are a person's."""
    elsewhere: tuple[str, ...]
    """The names that lead to no such address yet, or to others too."""

    def as_json(self) -> dict[str, Any]:
        return {
            "tenant": self.tenant,
            "records": [{"name": item.name, "address": item.address} for item in self.records],
            "written": self.written,
            "elsewhere": list(self.elsewhere),
        }


def records(domains: tuple[str, ...], address: str) -> tuple[DnsRecord, ...]:
    """What the tenant's names are to say."""
    return tuple(DnsRecord(name=name, address=address) for name in domains)


def leading_elsewhere(domains: tuple[str, ...], address: str, *, dns: Dns) -> tuple[str, ...]:
    """The names that do not lead there, and nowhere else."""
    return tuple(name for name in domains if dns.leads_to(name) != {address})


def point(workspace: Workspace, name: str, *, dns: Dns, write: bool = True) -> Pointed:
    """Have the tenant's names lead to its host, or only look. Errors as of `Dns.point`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    domains, address = tuple(map(str, tenant.domains)), ip_of(fleet.host(tenant.host))
    return Pointed(
        tenant=name,
        records=records(domains, address),
        written=write and dns.point(domains, address),
        elsewhere=leading_elsewhere(domains, address, dns=dns),
    )
