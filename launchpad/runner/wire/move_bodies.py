"""The verb about a tenant's place, for a move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner.generation_records import Generation as Generation
from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body


class WhereaboutsReply(Record):
    """What the host knows; with an operation under way nothing else."""

    operation: str = ""
    """The id of the tenant's open operation."""
    record: Mapping[str, Any] | None = None
    tombstone: Mapping[str, Any] | None = None
    """The one in force."""
    known: int = 0
    """The highest epoch seen."""
    generations: tuple[Generation, ...] = ()
    """The newest first."""
    volumes: tuple[str, ...] = ()
    clock: float = 0.0
    forwards: bool = False
    """Whether this host forwards the tenant's requests."""
    waits: bool | None = None
    """Whether requests would wait here for the tenant's arrival; None from a runner that cannot hold requests."""


class AskWhereabouts(Body):
    """What the host knows about a tenant's place."""

    VERB = "whereabouts"
    REPLY = WhereaboutsReply
    tenant: str
    slot: int = 0
    epoch: int = 0
    """Of the tenant's release."""
