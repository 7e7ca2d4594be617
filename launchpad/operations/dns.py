"""Where a tenant's names lead: the one place that a DNS provider would be put in."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from typing import Protocol


class Dns(Protocol):
    """Who keeps the records of tenants' names."""

    def point(self, names: Sequence[str], address: str) -> bool:
        """Have the names lead to the address; False where a person has to do it."""

    def leads_to(self, name: str) -> frozenset[str]:
        """The addresses that a visitor is told now; empty when there is none."""


class Resolver:
    """This machine's resolver; records are a person's to change."""

    def point(self, names: Sequence[str], address: str) -> bool:  # noqa: ARG002 (the seam's)
        return False

    def leads_to(self, name: str) -> frozenset[str]:
        try:
            found = socket.getaddrinfo(name, 443, type=socket.SOCK_STREAM)
        except OSError:
            return frozenset()
        return frozenset(str(item[4][0]) for item in found)
