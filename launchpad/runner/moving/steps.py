"""The steps of a move: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from launchpad.runner.steps import step_name


@dataclass(frozen=True, kw_only=True)
class Entomb:
    """The tombstone: from here on this host does not start the tenant. Undo takes it away; its content is shown to
    nobody before the commit."""

    tenant: str
    tombstone: dict[str, Any]

    @property
    def title(self) -> str:
        return f"write down that it left for {self.tombstone['to']}"


@dataclass(frozen=True, kw_only=True)
class AdoptData:
    """The data that came becomes the tenant's, who has none here. At most once an operation: what is written to it
    afterwards stays. Undo takes it away again; the generation that it is of stays."""

    tenant: str
    slot: int
    generation: str
    volumes: tuple[str, ...]
    disk_mb: int
    title: ClassVar[str] = "take over the data that came"


@dataclass(frozen=True, kw_only=True)
class PlaceCertificates:
    """The certificates that came for its domains, where Caddy looks for its own. Newer ones stay."""

    tenant: str
    domains: tuple[str, ...]
    title: ClassVar[str] = "take over its certificates"


@dataclass(frozen=True, kw_only=True)
class PutForward:
    """In the place of its site: requests for its domains are passed on to the host where it is now."""

    tenant: str
    domains: tuple[str, ...]
    address: str

    @property
    def title(self) -> str:
        return f"pass its requests on to {self.address}"


@dataclass(frozen=True, kw_only=True)
class DropReceived:
    """Drop generations of it that came and are not needed here, and what came only in part. Only after the commit."""

    tenant: str
    drop: tuple[str, ...]
    title: ClassVar[str] = "drop what came and is not needed"


MoveStep = Entomb | AdoptData | PlaceCertificates | PutForward | DropReceived

MOVE_STEPS: dict[str, type] = {step_name(kind): kind for kind in MoveStep.__args__}
