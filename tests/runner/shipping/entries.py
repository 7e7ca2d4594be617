"""A collector in memory: what it accepted, read as systemd reads the journal export format."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from launchpad.runner.host import Failed
from launchpad.runner.shipping.shipper import Shipper
from tests.runner.verbs.view import MemoryView


@dataclass
class Collector:
    """`down`: why it accepts nothing, once for each entry."""

    uploads: list[bytes] = field(default_factory=list)
    down: list[str] = field(default_factory=list)
    again: list[bool] = field(default_factory=list)

    def __call__(self, entries: bytes, *, again: bool) -> None:
        self.again.append(again)
        if self.down:
            raise Failed(self.down.pop(0))
        self.uploads.append(entries)

    @property
    def entries(self) -> list[dict[str, str]]:
        return [entry for upload in self.uploads for entry in read_entries(upload)]

    @property
    def texts(self) -> list[str]:
        return [entry["MESSAGE"] for entry in self.entries]


def read_entries(data: bytes) -> Iterator[dict[str, str]]:
    """The entries of an export: NAME=value lines, or NAME, a length of 8 bytes and so many bytes."""
    entry: dict[str, str] = {}
    while data:
        line, _, data = data.partition(b"\n")
        name, equals, value = line.partition(b"=")
        if not line:
            yield entry
            entry = {}
        elif equals:
            entry[name.decode()] = value.decode()
        else:
            size = int.from_bytes(data[:8], "little")
            entry[name.decode()] = data[8 : 8 + size].decode()
            assert data[8 + size : 9 + size] == b"\n"
            data = data[9 + size :]
    assert entry == {}, "the last entry is not ended"


def shipper(host: MemoryView, collector: Collector, *, stops: bool = False) -> Shipper:
    """A shipper as systemd starts it."""
    return Shipper(host, "web-1", upload=collector, stopping=lambda: stops)
