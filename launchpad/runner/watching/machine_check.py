"""The machine below the tenants: disk, inodes, memory, load, clock, failed units, updates, and whether backups' targets
can be reached. What a provision would bring back is the check of the host."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from launchpad.runner import paths
from launchpad.runner.account import Finding
from launchpad.runner.capacity import available_mb, cpus, shortages
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Failed
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.shipping.shipped import read_shipped
from launchpad.runner.watching.check import Check

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.backups.host_target import HostTarget
    from launchpad.runner.view import View

LOOK_SECONDS = 30.0
UPDATES_SECONDS, TARGETS_SECONDS = 3600.0, 900.0
REACH_SECONDS = 5.0
LEAST_SHARE, LOW_SHARE = 0.03, 0.1
"""Of inodes or memory that are free: less is critical, or a warning."""
MOST_LOAD = 4.0
"""Programs that wait for each CPU, over a quarter of an hour."""
OFF_SECONDS, FAR_OFF_SECONDS = 0.5, 5.0
"""How wrong the clock may be: certificates, backups and other hosts are judged by it."""
PATIENCE_SECONDS = 2 * 86400.0
"""Debian's own updater installs an update of security within a day; after so long nobody does."""
PORTS = {"sftp": 22, "http": 80, "https": 443}
MOST_NAMED = 5


class MachineCheck(Check):
    name, every = "machine", LOOK_SECONDS

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        self._updates_at = self._targets_at = 0.0
        self._looked_at = host.elapsed()
        self._updates: list[Fact] = []
        self._targets: list[Fact] = []
        self._outdated: float | None = None
        """Since when an update of security waits, by the host's clock."""

    def look(self) -> Iterable[Finding]:
        now = self.host.elapsed()
        far = self._targets_at <= now
        self._targets_at = now + TARGETS_SECONDS if far else self._targets_at
        self._targets = list(self._reached(far=far))
        if self._updates_at <= now or self.account.asked_since(self._looked_at):  # somebody has just installed them
            self._updates_at, self._updates = now + UPDATES_SECONDS, [self._outdated_packages()]
        self._looked_at = now
        own = (self._disk(), self._inodes(), self._memory(), self._load(), self._clock(), self._units(), self._logs())
        self.health = [*(fact for facts in own for fact in facts), *self._updates, *self._targets]
        return [
            Finding(fact.subject, fact.message, fact.hint)
            for fact in self.health
            if fact.grade is Grade.critical and fact.layer is not Layer.disk  # which `observe` looks at itself
        ]

    def _disk(self) -> Iterator[Fact]:
        short = list(shortages(self.host))
        for item in short:
            grade = Grade.critical if item.is_urgent else Grade.warning
            yield Fact(Layer.disk, grade, item.message, item.hint, subject=item.what, value=float(item.free), unit="B")
        if not short:
            total, free = self.host.disk()
            room = f"{free >> 20} of {total >> 20} MiB are free for tenants' data"
            yield Fact(Layer.disk, Grade.ok, room, subject="data", value=float(free), unit="B", limit=float(total))

    def _inodes(self) -> Iterator[Fact]:
        for path in ("/", paths.ROOT):
            try:
                total, free = self.host.inodes(path)
            except Failed:
                continue
            if total:
                left = f"{100 * free // total} % of the inodes of {path} are free"
                hint = "" if free > total * LOW_SHARE else Next("prune", HERE)
                yield Fact(
                    Layer.inodes,
                    _of_share(free / total),
                    left,
                    hint,
                    subject=path,
                    value=float(free),
                    limit=float(total),
                )

    def _memory(self) -> Iterator[Fact]:
        found = re.search(rb"^MemTotal: +([0-9]+) kB$", self.host.read("/proc/meminfo") or b"", re.MULTILINE)
        free = available_mb(self.host)
        if found and free is not None:
            total = int(found[1]) // 1024
            grade = _of_share(free / total)
            hint = "" if grade is Grade.ok else Next("usage", HERE)
            left = f"{free} of {total} MiB of memory are available"
            mega = float(1 << 20)
            yield Fact(
                Layer.memory, grade, left, hint, subject="memory", value=free * mega, unit="B", limit=total * mega
            )

    def _load(self) -> Iterator[Fact]:
        words = (self.host.read("/proc/loadavg") or b"").split()
        if len(words) >= 3 and (count := cpus(self.host)):
            load = float(words[2])
            grade = Grade.warning if load > MOST_LOAD * count else Grade.ok
            hint = "" if grade is Grade.ok else Next("usage", HERE)
            message = f"{load:g} programs want {count} CPUs, over a quarter of an hour"
            yield Fact(Layer.load, grade, message, hint, subject="load", value=load)

    def _clock(self) -> Iterator[Fact]:
        said = self.host.clock_state()
        plain = Fact(Layer.clock, Grade.ok, f"is right within {said.offset:.3f} s", subject="chrony")
        if not said.runs:
            # That the unit does not run is a finding of the check of the host.
            yield plain.but(grade=Grade.warning, message="chrony does not answer, so nobody sets the clock", hint=SETS)
        elif not said.synchronised:
            yield plain.but(grade=Grade.warning, message="chrony has no time server that answers", hint=SETS)
        else:
            off = Grade.ok if said.offset < OFF_SECONDS else Grade.warning
            grade = Grade.critical if said.offset >= FAR_OFF_SECONDS else off
            message = plain.message if grade is Grade.ok else f"is wrong by {said.offset:.1f} s"
            yield plain.but(grade=grade, message=message, value=said.offset, unit="s")

    def _units(self) -> Iterator[Fact]:
        failed = self.host.failed_units()
        plain = Fact(Layer.units, Grade.ok, "no unit of systemd failed", subject="failed", value=float(len(failed)))
        if failed:
            more = f" and {len(failed) - MOST_NAMED} more" if len(failed) > MOST_NAMED else ""
            names = ", ".join(failed[:MOST_NAMED]) + more
            hint = f"`systemctl status {failed[0]}` as root on HOST"
            plain = plain.but(grade=Grade.warning, message=f"failed units: {names}", hint=hint)
        yield plain

    def _outdated_packages(self) -> Fact:
        at = self.host.now()
        plain = Fact(Layer.updates, Grade.ok, "no update waits", subject="updates", at=at)
        try:
            count, security = self.host.pending_updates()
        except Failed as failed:
            return plain.but(grade=Grade.unknown, message=f"cannot tell which updates wait: {failed.message}")
        self._outdated = (self._outdated or at) if security else None
        if count:
            plain = plain.but(message=f"{count} updates wait, {security} of security")
        late = self._outdated is not None and at - self._outdated > PATIENCE_SECONDS
        hint = Next("maintain", HERE) if late else ""
        return plain.but(grade=Grade.warning if late else Grade.ok, hint=hint, value=float(count))

    def _reached(self, *, far: bool) -> Iterator[Fact]:
        """A fact for each target; without `far` the remote ones are as they were."""
        settings, before = stored_settings(self.host).settings, {fact.subject: fact for fact in self._targets}
        for known in settings.targets if settings else ():
            target, at = known.target, self.host.now()
            if target.remote and not far and target.name in before:
                yield before[target.name]
                continue
            problem = self._problem(target)
            grade, message = Grade.ok, f"target {target.name} can be reached"
            if problem:
                grade, message = Grade.warning, f"target {target.name} cannot be reached: {problem}"
            hint = Next("target show", target.name, "--host", HERE) if problem else ""
            yield Fact(Layer.targets, grade, message, hint, subject=target.name, at=at)

    def _logs(self) -> Iterator[Fact]:
        settings = stored_settings(self.host).settings
        if settings is None or settings.logs is None:
            return
        to, shipped = settings.logs.host, read_shipped(self.host)
        plain = Fact(Layer.targets, Grade.ok, f"tenants' logs reach the collector {to}", subject="collector")
        if shipped.problem:
            message = f"tenants' logs do not reach the collector {to}: {shipped.problem}"
            hint = Next("provision", to)
            plain = plain.but(grade=Grade.warning, message=message, hint=hint, since=shipped.since)
        yield plain

    def _problem(self, target: HostTarget) -> str:
        """Why the target cannot be reached; empty when it can, as far as a connection tells."""
        if not target.remote:
            folder, _, name = target.url.rstrip("/").rpartition("/")
            return "" if name in self.host.names(folder) else f"{target.url} is not there"
        where = urlsplit(target.url)
        return self.host.reaches(where.hostname or "", where.port or PORTS[where.scheme], seconds=REACH_SECONDS)


SETS = "`systemctl status chrony` as root on HOST"


def _of_share(share: float) -> Grade:
    if share < LEAST_SHARE:
        return Grade.critical
    return Grade.warning if share < LOW_SHARE else Grade.ok
