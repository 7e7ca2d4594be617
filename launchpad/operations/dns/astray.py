"""Check where a tenant's names point: a name that does not point to its host gets no certificate."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from launchpad.errors import LaunchpadError
from launchpad.events import HeardEvent, NameAstray, OnEvent
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.dns.address import ip_of
from launchpad.operations.dns.point import DnsRecord
from launchpad.operations.dns.provider import Dns
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.wire.host_bodies import Names
from launchpad.workspace import Workspace

SECONDS = 10.0
"""How long a resolver that does not answer may delay the end of an operation."""


@contextmanager
def astray_told(
    workspace: Workspace, tenant: Tenant, host: Host, *, dns: Dns | None, on_event: OnEvent
) -> Iterator[None]:
    """While the block runs, report each of the tenant's names that does not point to its host, with the record to set.
    Without `dns` nothing is checked."""
    if dns is None or not tenant.domains:
        yield
        return

    def look() -> None:
        with suppress(LaunchpadError):  # a host without an address, or an unreachable host, is reported elsewhere
            for found in astray(workspace, tenant, host, dns=dns):
                on_event(HeardEvent(host=str(host.name), operation="", tenant=str(tenant.name), event=found))

    thread = threading.Thread(target=look, daemon=True)
    thread.start()
    yield
    thread.join(SECONDS)


def astray(workspace: Workspace, tenant: Tenant, host: Host, *, dns: Dns) -> list[NameAstray]:
    """The names that point elsewhere for the resolver of this machine and for the resolver of the host: a private
    network may have names that only its hosts resolve."""
    address = ip_of(host)
    led = {str(name): dns.leads_to(str(name)) for name in tenant.domains}
    led = {name: there for name, there in led.items() if there != {address}}
    if not led:
        return []
    with hosts_of(workspace).reach(host) as runner:
        told = ask(runner, Names(names=tuple(led)), seconds=SECONDS).names
    found = []
    for name in led:
        there = frozenset(told.get(name, ()))
        if address not in there:
            record = str(DnsRecord(name=name, address=address))
            found.append(NameAstray(name=name, leads_to=tuple(sorted(there)), record=record))
    return found
