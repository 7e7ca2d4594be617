"""The steps of a rehearsal for another host: data, no behaviour. The trying itself is a `Rehearse` like any other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from launchpad.runner.steps import step_name


@dataclass(frozen=True, kw_only=True)
class AwaitData:
    """Wait until the generation has come. Undo takes everything of the tenant away, with what is only just coming."""

    tenant: str
    generation: str
    title: ClassVar[str] = "wait for a copy of the data"
    expected: ClassVar[bool] = True
    """The data may be here before this is begun, so this is undone even when it never was."""


@dataclass(frozen=True, kw_only=True)
class SendAway:
    """Take everything of the tenant away. Before the commit: one that cannot be taken away yet is undone until it
    can."""

    tenant: str
    title: ClassVar[str] = "take everything of it away again"


GuestStep = AwaitData | SendAway

GUEST_STEPS: dict[str, type] = {step_name(kind): kind for kind in GuestStep.__args__}
