"""Who keeps the records of tenants' names: the provider that launchpad.yaml names, or a person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from launchpad.errors import StateError
from launchpad.fleet.model.dns import CREDENTIAL
from launchpad.operations.dns.resolver import Resolver
from launchpad.workspace import Workspace


class Dns(Protocol):
    """Who keeps the records of tenants' names."""

    def point(self, names: Sequence[str], address: str) -> bool:
        """Have the names lead to the address; False where a person has to do it. ServiceError or StateError when it
        cannot be done; typed again it goes on from there."""

    def leads_to(self, name: str) -> frozenset[str]:
        """The addresses that a visitor is told now; empty when there is none."""


def dns_of(workspace: Workspace) -> Dns:
    """Who keeps this fleet's names. StateError when its credential is missing."""
    provider = workspace.fleet.load().defaults.dns
    if provider is None:
        return Resolver()
    found = workspace.dns_secrets.reveal(provider.owner).get(CREDENTIAL)
    if found is None:
        raise StateError(f"dns: no {CREDENTIAL} for {provider.provider}", hint=f"launchpad dns credential {CREDENTIAL}")
    from launchpad.operations.dns.hetzner import Hetzner  # late: its library is needed by nobody else

    return Hetzner(found[1], Resolver())
