"""Where a tenant's log lines come from: its containers, or Caddy; each read from a place on."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from launchpad.runner.drift import read_manifest
from launchpad.runner.host import Container
from launchpad.runner.log_filter import LogFilter, Wanted, about, every, without_probes
from launchpad.runner.log_redaction import LogRedaction
from launchpad.runner.plan import read_record
from launchpad.runner.view import ContainerLine, LogReader, View
from launchpad.runner.wire.log_bodies import LogRequest

CADDY = "launchpad-caddy"
PIECE = 1 << 20
"""Bytes that are read of one container before its lines are passed on."""


class LogSource:
    """A tenant's container that is being read, and which of its lines to show under which name."""

    def __init__(self, reader: LogReader, *, tenant: str, service: str, wanted: Wanted, query: LogRequest) -> None:
        self.reader, self.tenant, self.service = reader, tenant, service
        self.key = f"{tenant}/{reader.identity}"
        self._wanted, self._query = wanted, query
        self._filter = self._new_filter()
        self.release = ""
        """The first digits of the release that the container is of; empty for Caddy."""
        self.told = ""
        """The mark that the operator's side has."""

    @property
    def mark(self) -> str:
        return f"{self.reader.at} {self.reader.count}"

    def past(self, redaction: LogRedaction, *, since: float, lines: int | None, now: float) -> Iterator[dict[str, Any]]:
        """The lines to show of what was written until now; reads further back until enough of them are found."""
        first, until = _stamp(since), _stamp(now)
        tail = lines
        while tail is not None:
            self._filter = self._new_filter()
            whole = self.reader.tail(tail)
            read = list(self._read(until))
            shown = [item for item in self.show(read, redaction) if item["at"] >= first]
            if whole or len(shown) >= (lines or 0) or (read and read[0].at < first):
                yield from shown[-lines:] if lines else ()
                return
            tail *= 8
        self.reader.since(since)
        yield from self.show(self._read(until), redaction)

    def show(self, lines: Iterable[ContainerLine], redaction: LogRedaction) -> Iterator[dict[str, Any]]:
        """The wanted lines as the operator's side gets them, without known secrets; gaps too."""
        named = {"tenant": self.tenant, "service": self.service, "source": self.key}
        for line in lines:
            counted = {"n": line.count} if line.count > 1 else {}
            if line.lost_after:
                yield {"type": "gap", "at": line.at, "after": line.lost_after, **named}
            if self._wanted(line.text) and self._filter.shows(text := redaction.line(line)):
                yield {"type": "log", "at": line.at, "text": text, **named, **counted}

    def _read(self, until: str) -> Iterator[ContainerLine]:
        while lines := self.reader.read(PIECE):
            yield from lines
            if lines[-1].at > until:
                return

    def _new_filter(self) -> LogFilter:
        return LogFilter(level=self._query.level, grep=self._query.grep)


def open_sources(
    host: View, name: str, query: LogRequest, *, containers: Iterable[Container], beside: Mapping[str, LogSource]
) -> Iterator[tuple[str, LogSource]]:
    """The tenant's containers that are not read yet, each with its name; `beside` has those that are read."""
    wanted: Wanted
    releases: dict[str, str] = {}
    if query.edge:
        record = read_record(host, name)
        found = [(CADDY, "caddy", about((record or {}).get("domains") or ()))]
    else:
        mine = [item for item in containers if item.tenant == name]
        releases = {item.name: item.release for item in mine}
        found = [(item.name, item.service, _of_app(host, item, query)) for item in mine]
    for container, service, wanted in found:
        place = f"{name} {container}"
        if place in beside or (query.services and service not in query.services):
            continue
        if (reader := host.log_reader(container)) is not None:
            source = LogSource(reader, tenant=name, service=service, wanted=wanted, query=query)
            source.release = releases.get(container, "")
            yield place, source


def _of_app(host: View, item: Container, query: LogRequest) -> Wanted:
    manifest = None if query.probes else read_manifest(host, item.tenant, item.release)
    if query.probes:
        return every
    return without_probes({probe["path"] for probe in manifest.probes if probe.get("path")} if manifest else ())


def _stamp(at: float) -> str:
    """A time as Docker writes it."""
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(at))}.{int(at % 1 * 1e9):09d}Z"
