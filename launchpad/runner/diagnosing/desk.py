"""What a collector is told, and what every collector may use: the host with the programs that only look."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from launchpad.runner.diagnosing.log_lines import without_bodies
from launchpad.runner.host import Protocol
from launchpad.runner.record import Record
from launchpad.runner.view import View

LOG_SECONDS = 48 * 3600
MOST_LINES, LEAST_LINES = 4000, 200
TEXT_BYTES = 128 << 10
"""Of one program's answer, and of one release's files."""


class Examined(View, Protocol):
    """A host with the programs that look at it."""

    def looked(self, argv: Sequence[str], *, seconds: float) -> str:
        """What the program wrote, whatever its exit status. Failed when it is missing, or does not end in time."""

    def name_servers(self) -> Mapping[str, bool]:
        """The host's own, and whether each answers."""


class Desk(Record):
    """What every collector is told."""

    host: Examined
    tenants: tuple[str, ...]
    """Those that the bundle is about."""
    addresses: tuple[str, ...] = ()
    """Where operators and visitors reach the host, as the inventory has it: a router may stand before the host."""
    lines: int = MOST_LINES
    """Of each container, at most."""
    operation: str = ""
    """The one that just failed: no other is read then."""


Collect = Callable[[Desk], Any]


def lines_of(desk: Desk, container: str) -> Iterator[str]:
    most = max(LEAST_LINES, desk.lines // max(1, len(desk.tenants)))
    since = max(0.0, desk.host.now() - LOG_SECONDS)
    for line in desk.host.log(container, since=since, tail=most, follow=False):
        yield f"{line.at[:19]}Z {without_bodies(line.text)}"


def newest(lines: Iterable[str], size: int) -> list[str]:
    """The last lines that fit."""
    kept: list[str] = []
    for line in reversed(list(lines)):
        size -= len(line) + 8
        if size < 0:
            break
        kept.append(line)
    return kept[::-1]
