"""What the reading verbs, the watcher and boot need of a machine beyond `host.Host`: looking, listening, a word inside.

Nothing here takes part in an operation; `launchpad.runner.machine` has it all, and tests stand in for the few methods
that a verb uses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner.host import Host, Protocol


@dataclass(frozen=True)
class LogLine:
    """One line that a container wrote, as it wrote it: secrets are still in it."""

    at: str
    """Docker's time stamp, RFC 3339 with nanoseconds; sorts as text."""
    text: str
    cut: bool = False
    """Whether the line went on, too long to be kept."""


class Facts(Protocol):
    """The host itself."""

    def name(self) -> str:
        """The host's own name for itself."""

    def disk(self) -> tuple[int, int]:
        """Bytes in all and bytes free where tenants' data lies."""

    def docker_version(self) -> str:
        """Failed when Docker does not answer."""

    def running_sites(self) -> Any:
        """The configuration that Caddy runs; Failed when Caddy does not answer."""

    def reload_count(self) -> int:
        """How often Caddy was made to load a configuration."""

    def gate(self) -> tuple[bool, frozenset[IPv4Address]]:
        """Whether the traffic gate stands as the runner builds it, and the addresses that it lets pass."""

    def network_names(self) -> frozenset[str]:
        """The names of Docker's networks."""

    def lock_owner(self, name: str) -> Mapping[str, Any] | None:
        """What the lock's holder wrote into it; None when nobody holds it. Looking never takes the lock."""


class Speech(Protocol):
    """What containers say."""

    def log(self, container: str, *, since: float, tail: int | None, follow: bool) -> Iterator[LogLine]:
        """The lines that a container wrote since then, only the last so many when `tail` is given, and those it goes
        on to write when following, until it ends or is removed. An absent container has none."""


class Watching(Protocol):
    """What the watcher needs."""

    def deaths(self) -> AbstractContextManager[Callable[[float, Iterable[int]], bool]]:
        """Listen to Docker, and to the kernel about these processes. Calling what this gives waits for at most so many
        seconds, and says whether a container of a tenant may have died meanwhile. Failed when Docker goes away."""

    def start_container(self, name: str) -> None:
        """Start a stopped container again, or one whose end Docker has not noticed; fine when it runs."""


class View(Host, Facts, Speech, Watching, Protocol):
    """Everything."""
