"""The steps of a move: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them."""

from __future__ import annotations

from typing import Any

from launchpad.runner.step import Step


class Entomb(Step):
    """Write the tombstone: from here on this host does not start the tenant. Undo removes it; nobody gets its content
    before the commit."""

    tenant: str
    tombstone: dict[str, Any]

    @property
    def title(self) -> str:
        return f"record the move to {self.tombstone['to']}"


class AdoptData(Step):
    """Make the received generation the data of a tenant without data. At most once in an operation, so that later
    writes stay. Undo removes the data; the generation stays."""

    tenant: str
    slot: int
    generation: str
    volumes: tuple[str, ...]
    disk_mb: int
    title = "take over the received data"


class PlaceCertificates(Step):
    """Write the received certificates of the tenant's domains to Caddy's storage. Newer ones stay."""

    tenant: str
    domains: tuple[str, ...]
    title = "take over the received certificates"
    undone = False


class PutForward(Step):
    """Replace the tenant's site: requests for its domains are forwarded to its new host."""

    tenant: str
    domains: tuple[str, ...]
    address: str

    @property
    def title(self) -> str:
        return f"forward the tenant's requests to {self.address}"


class DropReceived(Step):
    """Remove received generations that are not needed here, and incomplete transfers. Only after the commit."""

    tenant: str
    drop: tuple[str, ...]
    title = "remove received data that is not needed"
    undone = False


MoveStep = Entomb | AdoptData | PlaceCertificates | PutForward | DropReceived
