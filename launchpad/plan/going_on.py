"""What goes on at a host beside its facts: operations under way, and alerts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class OperationSeen:
    """An operation that is under way on the host, or waits there to be finished."""

    id: str
    kind: str
    tenant: str
    """Empty for an operation on the host itself."""
    who: str
    at: float
    """When the host accepted the operation, by the host's clock; 0 when unknown."""


@dataclass(frozen=True, kw_only=True)
class AlertSeen:
    """A problem that a host sends to people; times by this machine's clock."""

    tenant: str
    """Empty for the host itself."""
    layer: str
    told: float
    """When a message was sent last; 0 for not yet."""


@dataclass(frozen=True, kw_only=True)
class Alerted:
    """What a host sends to people."""

    alerts: tuple[AlertSeen, ...] = ()
    silenced: Mapping[str, float] = field(default_factory=dict)
    """Tenant → until when no alert about the tenant is sent, by this machine's clock; empty for the whole host."""


def operations_from_reply(body: Mapping[str, Any]) -> Iterator[OperationSeen]:
    """The operations that are open on the host, and those that hold a tenant, from the reply to `observe`."""
    holding = {name: value.get("operation") or {} for name, value in body["tenants"].items()}
    found = {item["id"]: item | {"tenant": name} for name, item in holding.items() if item.get("id")}
    for value in (found | {item["id"]: item for item in body.get("operations") or ()}).values():
        words = {key: str(value.get(key) or "") for key in ("id", "kind", "tenant", "who")}
        yield OperationSeen(**words, at=float(value.get("at") or 0.0))
