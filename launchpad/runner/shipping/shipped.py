"""How far the collector has the lines of this host: written by the shipper, read by the watch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from launchpad.runner import paths
from launchpad.runner.host import Failed, Files
from launchpad.runner.protocol import Refused, record_from_json
from launchpad.runner.record import Record


class Shipped(Record):
    """What the collector has, and why it gets no more."""

    marks: Mapping[str, str] = MappingProxyType({})
    """Source → the mark of its last accepted line, `TIME COUNT`."""
    problem: str = ""
    """Why the collector does not accept lines now; empty when it does."""
    since: float = 0.0
    """Since when it does not, in seconds since 1970."""


def read_shipped(host: Files) -> Shipped:
    """A missing or damaged file counts as none: then everything that Docker keeps is sent again."""
    try:
        return record_from_json(Shipped, json.loads(host.read(paths.SHIPPED) or b"{}"), paths.SHIPPED)
    except (Failed, ValueError, Refused):
        return Shipped()
