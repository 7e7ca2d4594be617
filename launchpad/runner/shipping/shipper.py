"""Send every tenant's lines to the collector (launchpad-ship.service).

What the collector has accepted is on disk as a mark for each container, so a restart of either side loses no line that
Docker still keeps. While the collector does not answer nothing is read: Docker's files keep the lines. Where Docker has
removed lines meanwhile, a gap is sent.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Failed, Protocol
from launchpad.runner.log_following import LogFollower
from launchpad.runner.log_secrets import LogSecrets
from launchpad.runner.log_sources import LogSource
from launchpad.runner.machine.local_records import stamp_of
from launchpad.runner.protocol import record_as_json
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.shipping.export_format import ExportFormat
from launchpad.runner.shipping.host_certificate import certificate
from launchpad.runner.shipping.shipped import Shipped, read_shipped
from launchpad.runner.shipping.unit_end import until_replaced
from launchpad.runner.shipping.upload import Upload
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.view import View
from launchpad.runner.wire.log_bodies import LogRequest

MOST_BYTES = 1 << 20
"""Of entries in one upload."""
FIRST_PAUSE, LONGEST_PAUSE = 2.0, 30.0
"""Seconds between two tries to reach the collector."""
REMOVED = "the container was removed while this host read no logs"


class Sends(Protocol):
    """Send entries; with `again` the collector may have some of them."""

    def __call__(self, entries: bytes, *, again: bool) -> None: ...


class TenantLogs(LogFollower):
    """Every tenant's lines, each with its release; read at a pace that costs little."""

    pause_seconds, look_seconds, round_bytes = 10.0, 15.0, 1 << 19

    def __init__(self, host: View, marks: Mapping[str, str]) -> None:
        super().__init__(host, LogRequest((), follow=True, marks=marks), {}, secrets=LogSecrets(host))

    def names(self) -> Iterable[str]:
        return [name for name in self._host.names(paths.TENANTS) if is_tenant_name(name)]

    def kept(self, marks: Mapping[str, str]) -> dict[str, str]:
        """The marks without those of containers that are gone."""
        known = {source.key for source in self._sources.values()} | self._marks.keys()
        return {key: mark for key, mark in marks.items() if key in known}

    def gone(self) -> Iterator[dict[str, Any]]:
        """A gap for each container that was removed while nothing was read; once."""
        if not self.has_looked:
            return
        at = stamp_of(int(self._host.now() * 1e9))
        for key, mark in self._marks.items():
            tenant, _, container = key.partition("/")
            named = {"tenant": tenant, "service": container, "release": "", "source": key}
            yield {"type": "gap", "at": at, "after": mark.partition(" ")[0], "why": REMOVED, **named}
        self._marks.clear()

    def _of(self, source: LogSource) -> Iterator[dict[str, Any]]:
        for line in super()._of(source):
            yield line | {"release": source.release}


class Shipper:
    """`upload` sends entries; Failed when the collector does not accept them. `stopping`: whether to end."""

    def __init__(self, host: View, name: str, *, upload: Sends, stopping: Callable[[], bool]) -> None:
        self._host, self._upload, self._stopping = host, upload, stopping
        self._shipped = read_shipped(host)
        self._format = ExportFormat(host=name, boot=host.boot_id(), began=host.now() - host.elapsed())
        self._logs = TenantLogs(host, self._shipped.marks)
        self._reached = False
        """Whether the collector accepted the last upload. Else it may have a part of the next one, which is sent even
        when it is empty."""

    def run(self) -> None:
        while not self._stopping():
            self.round()
            self._host.wait(self._logs.pause_seconds)

    def round(self) -> None:
        """Read a piece of every container, and send it; ends when the collector has it, or at a stop."""
        marks, batch = dict(self._shipped.marks), bytearray()
        for line in chain(self._logs.round(), self._logs.gone()):
            if line["type"] in ("log", "gap"):
                batch += self._format.entry(line)
            if line["type"] == "log":
                marks[line["source"]] = f"{line['at']} {line.get('n', 1)}"
            elif line["type"] == "mark" and not line["mark"].startswith(" "):  # it has written something
                marks[line["source"]] = line["mark"]
            if len(batch) >= MOST_BYTES:
                if not self._sent(batch, marks):
                    return
                batch.clear()
        self._sent(batch, self._logs.kept(marks))

    def _sent(self, batch: bytearray, marks: Mapping[str, str]) -> bool:
        """Whether the collector has accepted the batch; tries until then, or until a stop."""
        pause = FIRST_PAUSE
        while batch or not self._reached:
            try:
                self._upload(bytes(batch), again=not self._reached)
                self._reached = True
                break
            except Failed as failed:
                self._reached = False
                self._tell(failed.message)
            if self._stopping():
                return False
            self._host.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
        self._keep(Shipped(marks=dict(marks)))
        return True

    def _tell(self, problem: str) -> None:
        if problem != self._shipped.problem:
            print(f"the collector cannot be reached: {problem}", file=sys.stderr, flush=True)
            since = self._shipped.since if self._shipped.problem else self._host.now()
            self._keep(self._shipped.but(problem=problem, since=since))

    def _keep(self, shipped: Shipped) -> None:
        if shipped != self._shipped:
            self._shipped = shipped
            self._host.write(paths.SHIPPED, json.dumps(record_as_json(shipped)).encode(), mode=0o600)


def ship(host: View) -> int:
    """Send until the unit is stopped, the settings change, or another runner is installed; systemd starts it again."""
    settings = stored_settings(host).settings
    if settings is None or settings.logs is None:
        print("the host's settings name no collector", file=sys.stderr)
        return 1
    stopping = until_replaced(host, settings)
    own = settings.identity.host
    upload = Upload(settings.logs, certificate(host, settings.logs), own=own)
    Shipper(host, own, upload=upload, stopping=stopping).run()
    return 0
