"""The way to hosts that are in memory: the operator's side on one end, the runner's own verbs on the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from launchpad import __version__
from launchpad.fleet.model.host import Host
from launchpad.runner.provision.settings_record import stored_settings
from tests.memory.runner import MemoryRunner
from tests.memory.system import BareHost


@dataclass
class BareRunner(MemoryRunner[BareHost]):
    """One whose `hello` tells of that runner, and whose `observe` tells of nothing but the settings."""

    digest: str = ""

    def _answers(self, verb: str, body: dict[str, Any], incoming: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        if verb == "hello":
            yield {"type": "reply", "body": {"runner": __version__, "digest": self.digest}}
        elif verb == "observe" and self.digest:
            yield {"type": "reply", "body": {"host": {"settings_digest": stored_settings(self.host).digest}}}
        else:
            yield from super()._answers(verb, body, incoming)


@dataclass
class MemoryHosts:
    """Hosts by name; `digest` is the runner's that they all have."""

    hosts: dict[str, BareHost]
    digest: str
    connections: int = 0
    asked: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    """Raised, one at a time, by the next connections."""

    @contextmanager
    def reach(self, host: Host) -> Iterator[BareRunner]:
        self.connections += 1
        if self.failures:
            raise self.failures.pop(0)
        yield BareRunner(self.hosts[str(host.name)], str(host.name), asked=self.asked, digest=self.digest)
