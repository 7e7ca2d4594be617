"""A workspace with one host in memory that can be diagnosed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launchpad.fleet.model.host import Host
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.memory.runner import MemoryRunner
from tests.operations.places import environment_of, write_workspace
from tests.runner.diagnosing.examined import ExaminedHost, examined


@dataclass
class ExaminedHosts:
    """The way to the one host."""

    host: ExaminedHost
    asked: list[str] = field(default_factory=list)
    unable: Exception | None = None
    """What the host has to say to `diagnose`."""

    @contextmanager
    def reach(self, host: Host) -> Iterator[MemoryRunner[ExaminedHost]]:
        yield ExaminedRunner(self.host, str(host.name), asked=self.asked, unable=self.unable)


@dataclass
class ExaminedRunner(MemoryRunner[ExaminedHost]):
    unable: Exception | None = None

    def _answers(self, verb: str, body: dict[str, Any], incoming: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        if verb == "diagnose" and self.unable:
            raise self.unable
        yield from super()._answers(verb, body, incoming)


def one_examined(folder: Path, **faults: object) -> tuple[Workspace, ExaminedHosts]:
    """alice and bob on web-1, where these faults are."""
    root = write_workspace(folder / "fleet", {"web-1": 22}, {"alice": "web-1", "bob": "web-1"})
    hosts = ExaminedHosts(examined(**faults))
    environment = environment_of(root)
    settings = Settings.of(environment, home=root.parent)
    return Workspace.open(root, settings=settings, environment=environment, hosts=hosts), hosts
