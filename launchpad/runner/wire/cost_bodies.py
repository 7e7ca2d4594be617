"""What tenants' apps say their models cost."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body


class DayCost(Record):
    """One day, as the app says."""

    cost_usd: float
    tokens: int
    unpriced: int
    """Entries for which the app knows no price: the cost is too low by them."""


class AppCosts(Record):
    """Of one tenant."""

    asked: float = 0.0
    """When the app answered last, by the host's clock."""
    problem: str = ""
    """Why the last try brought nothing; empty when it did."""
    days: Mapping[str, DayCost] = MappingProxyType({})


class TenantCosts(Record):
    """What one tenant's app says."""

    tenant: str
    costs: AppCosts


class CostsReply(Record):
    """What the apps on a host say."""

    tenants: tuple[TenantCosts, ...]


class ReadCosts(Body):
    """What apps say their models cost in a month."""

    VERB = "costs"
    REPLY = CostsReply
    month: str
    """Such as 2026-12."""
    tenants: tuple[str, ...] | None = None
    """None for all."""
