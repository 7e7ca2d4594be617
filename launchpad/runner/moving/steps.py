"""The steps of a move: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them."""

from __future__ import annotations

from typing import Any

from launchpad.runner.step import Step


class Entomb(Step):
    """The tombstone: from here on this host does not start the tenant. Undo takes it away; its content is shown to
    nobody before the commit."""

    tenant: str
    tombstone: dict[str, Any]

    @property
    def title(self) -> str:
        return f"record the move to {self.tombstone['to']}"


class AdoptData(Step):
    """The data that came becomes the tenant's, who has none here. At most once an operation: what is written to it
    afterwards stays. Undo takes it away again; the generation that it is of stays."""

    tenant: str
    slot: int
    generation: str
    volumes: tuple[str, ...]
    disk_mb: int
    title = "take over the received data"


class PlaceCertificates(Step):
    """The certificates that came for its domains, where Caddy looks for its own. Newer ones stay."""

    tenant: str
    domains: tuple[str, ...]
    title = "take over the received certificates"
    undone = False


class PutForward(Step):
    """In the place of its site: requests for its domains are passed on to the host where it is now."""

    tenant: str
    domains: tuple[str, ...]
    address: str

    @property
    def title(self) -> str:
        return f"forward the tenant's requests to {self.address}"


class DropReceived(Step):
    """Drop generations of it that came and are not needed here, and what came only in part. Only after the commit."""

    tenant: str
    drop: tuple[str, ...]
    title = "remove received data that is not needed"
    undone = False


MoveStep = Entomb | AdoptData | PlaceCertificates | PutForward | DropReceived
