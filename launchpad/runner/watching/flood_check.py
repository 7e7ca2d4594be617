"""Limit the CPU of a container that floods its log, until the flood stops: each line costs Docker's daemon, which all
tenants share. Other containers of the tenant keep their CPU."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from launchpad.runner import cell, paths
from launchpad.runner.account import Finding
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import read_tenant
from launchpad.runner.watching.check import Check
from launchpad.runner.watching.flooding import Flood, judged

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.view import LogReader, View

LOOK_SECONDS = 5.0
LIST_SECONDS = 30.0
DOCKER_PID = "/run/docker.pid"
TICKS = 100
"""Of the kernel's clock, a second."""


class Flooder:
    """One container."""

    def __init__(self, reader: LogReader, *, tenant: str, service: str, cpus: float, share: float) -> None:
        self.reader, self.tenant, self.service, self.cpus = reader, tenant, service, cpus
        self.flood = Flood(share, times=int(share < 1.0))
        self.rate = self.bytes = 0.0


class FloodCheck(Check):
    name, every = "logs", LOOK_SECONDS

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        self._known: dict[str, Flooder] = {}
        self._listed = self._looked = -LIST_SECONDS
        self._docker = (0.0, 0.0)

    def look(self) -> Iterable[Finding]:
        now = self.host.elapsed()
        if now - self._listed >= LIST_SECONDS:
            self._listed = now
            self._known = dict(self._present())
        seconds, self._looked = now - self._looked, now
        cost = self._cost(now)
        for container, item in self._known.items():
            item.rate, item.bytes = (item.bytes + item.reader.written()) / max(seconds, 1.0), 0.0
            then = judged(item.flood, rate=item.rate, seconds=seconds)
            if then.share == item.flood.share:
                item.flood = then
            elif self.host.lock_owner(f"tenant-{item.tenant}") is None:  # an operation is not disturbed
                self._limit(container, item, then, cost)
        self.health = [_fact(item) for item in self._known.values() if item.flood.share < 1.0]
        return []

    def is_wanted(self, looked: float) -> bool:
        """Count meanwhile, too: small files are rotated away between two looks."""
        for item in self._known.values():
            item.bytes += item.reader.written()
        return super().is_wanted(looked)

    def _limit(self, container: str, item: Flooder, then: Flood, cost: str) -> None:
        try:
            self.host.set_cpus(container, item.cpus * then.share)
        except Failed:
            return  # Docker is down, or the container was removed
        item.flood = then
        if then.share < 1.0:
            speed = f"{item.rate / (1 << 20):.1f} MiB a second"
            message = f"{item.service} floods its log, {speed}{cost}: limited to {then.share:.1%} of its CPUs"
        else:
            message = f"the flood of {item.service}'s log is over{cost}: the limit of its CPUs is removed"
        self.account.note("logs", message, tenant=item.tenant)

    def _present(self) -> Iterator[tuple[str, Flooder]]:
        """The containers that should run, and what is known of them."""
        for tenant in filter(is_tenant_name, self.host.names(paths.TENANTS)):
            try:
                record = read_tenant(self.host, tenant)
                if record is None or not record.running:
                    continue
                for service, cpus in self._services(tenant, record.started):
                    container = f"{cell.project(tenant, record.side)}-{service}-1"
                    known = self._known.get(container)
                    if known is None or known.reader.is_gone() or known.cpus != cpus:
                        known = self._new(container, tenant, service, cpus)
                    if known is not None:
                        yield container, known
            except (Failed, ValueError, KeyError, TypeError):
                continue  # a damaged record, which other checks report

    def _services(self, tenant: str, release: str) -> Iterator[tuple[str, float]]:
        data = self.host.read(f"{paths.release(tenant, release)}/release.json")
        for service in json.loads(data or b"{}").get("services", ()):
            yield service["name"], float(service["cpus"])

    def _new(self, container: str, tenant: str, service: str, cpus: float) -> Flooder | None:
        reader = self.host.log_reader(container)
        if reader is None:
            return None
        reader.written()
        # The limit outlives the watch and a reboot.
        share = min(1.0, round(self.host.cpus(container) / cpus, 3)) or 1.0
        return Flooder(reader, tenant=tenant, service=service, cpus=cpus, share=share if share < 0.99 else 1.0)

    def _cost(self, now: float) -> str:
        """How much of a core Docker's daemon took since the last look, for people; empty when unknown."""
        pid = (self.host.read(DOCKER_PID) or b"").strip()
        found = re.search(rb"\) (.*)", self.host.read(f"/proc/{pid.decode()}/stat") or b"") if pid.isdigit() else None
        if found is None:
            return ""
        words = found[1].split()
        used = (int(words[11]) + int(words[12])) / TICKS
        (before, at), self._docker = self._docker, (used, now)
        return f" (dockerd used {(used - before) / (now - at):.0%} of a core)" if 0 < at < now else ""


def _fact(item: Flooder) -> Fact:
    said = f"{item.service} floods its log, and its CPU is limited until the flood stops"
    hint = Next("logs", item.tenant, "--service", item.service, "-n", "20")
    return Fact(
        Layer.data, Grade.warning, said, hint, tenant=item.tenant, subject=f"log-{item.service}",
        value=round(item.rate), unit="B",
    )  # fmt: skip
