"""The DNS provider of tenants' names: the provider in launchpad.yaml, or an operator who sets records by hand."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from launchpad.errors import StateError
from launchpad.fleet.model.dns import CREDENTIAL
from launchpad.operations.dns.resolver import Resolver
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace


class Dns(Protocol):
    """Sets and reads the DNS records of tenants' names."""

    def point(self, names: Sequence[str], address: str) -> bool:
        """Point the names to the address; False when an operator must set the records by hand. ServiceError or
        StateError on failure; a second call resumes."""

    def leads_to(self, name: str) -> frozenset[str]:
        """The addresses that visitors' resolvers return now; empty when there is none."""


def dns_of(workspace: Workspace) -> Dns:
    """The fleet's DNS provider. StateError when its credential is missing."""
    provider = workspace.fleet.load().defaults.dns
    if provider is None:
        return Resolver()
    found = workspace.dns_secrets.reveal(provider.owner).get(CREDENTIAL)
    if found is None:
        raise StateError(
            f"dns: no {CREDENTIAL} for {provider.provider}",
            code="no-such-dns-record",
            hint=Next("dns credential", CREDENTIAL),
        )
    from launchpad.operations.dns.hetzner import Hetzner  # imported late: only this provider needs its library

    return Hetzner(found[1], Resolver())
