"""Check how much of its quota each tenant's data uses, and how much memory its containers use; meter the usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from launchpad.runner import paths
from launchpad.runner.account import Finding
from launchpad.runner.backed_up import backed_up_at, proven_at
from launchpad.runner.expected import expectations
from launchpad.runner.facts import Fact, Grade, Layer, lateness
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Container, Failed
from launchpad.runner.metering.exposition import export
from launchpad.runner.metering.meter import Meter, Room
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import TenantRecord, read_tenant
from launchpad.runner.watching.check import Check

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.view import View

NAME = "room"
FULL, NEARLY = 0.98, 0.9
DAY = 86400.0
OLD_PROOF_SECONDS = 35 * DAY
"""A drill each week, or each month, proves a backup more often."""
LEAST_BYTES = 2 << 20
"""With less than so many bytes of its quota left, an app cannot write to its database."""


class RoomCheck(Check):
    """The facts: tenant → {"disk": [bytes used, quota], "memory": [bytes used, limit]}."""

    name = NAME
    every = 30.0

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        self._meter = Meter(host, account)

    def look(self) -> Iterable[Finding]:
        findings: list[Finding] = []
        facts: dict[str, dict[str, list[int]]] = {}
        health: list[Fact] = []
        memory: dict[str, list[int]] = {}
        rooms: dict[str, Room] = {}
        containers: list[Container] | None = None
        known = expectations(self.host).backups
        try:
            containers = self.host.containers()
            for item in containers:
                if item.state == "running" and is_tenant_name(item.tenant):
                    own = memory.setdefault(item.tenant, [0, 0])
                    for index, size in enumerate(self.host.memory(item.name, process=item.process)):
                        own[index] += size
        except Failed:
            memory = {}  # Docker is down, which other checks report
        for tenant in filter(is_tenant_name, self.host.names(paths.TENANTS)):
            try:
                record = read_tenant(self.host, tenant)
            except Failed:
                continue  # still check the other tenants
            if record is None or not self.host.has_data(paths.data(tenant)):
                continue
            used, quota = self.host.quota(paths.data(tenant))
            facts[tenant] = {"disk": [used, quota], "memory": memory.get(tenant, [0, 0])}
            if record.retired:
                continue
            if may_run(self.host, record):
                used_memory, limit = memory.get(tenant, (0, 0))
                rooms[tenant] = Room(slot=record.slot, disk=used, memory=used_memory, memory_limit=limit)
            health += _backups(self.host, tenant, record, known.get(tenant))
            if quota and record.running:
                grade, what = _full(used, quota)
                if grade is not Grade.ok:
                    findings.append(Finding("disk", what, Next("usage", HERE), tenant=tenant))
                health.append(_quota(tenant, used, quota))
        self.facts, self.health = facts, health
        if self._meter.is_due():
            if containers is not None:
                self._meter.look(containers, rooms)
            export(self.host)  # also that Docker is down
        return [*findings, *self._meter.findings]


def _quota(tenant: str, used: int, quota: int) -> Fact:
    grade, what = _full(used, quota)
    hint = "" if grade is Grade.ok else Next("usage", HERE)
    return Fact(
        Layer.data, grade, what, hint, tenant=tenant, subject="disk", value=float(used), unit="B", limit=float(quota)
    )


def _full(used: int, quota: int) -> tuple[Grade, str]:
    """How well a quota is that is used so far. One sentence for as long as it lasts."""
    if used >= quota * FULL or quota - used < LEAST_BYTES:
        return Grade.critical, f"its data fills the quota of {quota >> 20} MiB: the app's writes fail (errno 122)"
    if used >= quota * NEARLY:
        return Grade.warning, f"its data has nearly filled the quota of {quota >> 20} MiB"
    return Grade.ok, f"its data has room in its quota of {quota >> 20} MiB"


def _backups(host: View, tenant: str, record: TenantRecord, every: int | None) -> Iterator[Fact]:
    """The age of its newest backup, and of the last proof. Late is what the inventory says, and a proof that is old."""
    now, plain = host.now(), Fact(Layer.data, Grade.ok, "", tenant=tenant, unit="s")
    backed_up, proven = backed_up_at(host, tenant), proven_at(host, tenant)
    if every and record.running:
        age = max(0.0, now - (record.at if backed_up is None else backed_up))
        grade = lateness(age, every)
        message = "has no backup" if backed_up is None else f"was backed up {age / 3600:.0f} h ago"
        hint = "" if grade is Grade.ok else Next("backup", tenant)
        limit = float(every)
        yield plain.but(grade=grade, message=message, hint=hint, subject="backup", value=age, limit=limit)
    elif backed_up is not None:
        yield plain.but(message="was backed up", subject="backup", value=max(0.0, now - backed_up))
    if proven is not None:
        age = max(0.0, now - proven)
        old = age > OLD_PROOF_SECONDS and record.running
        message = f"a backup was proven {age / DAY:.0f} days ago" if old else "a backup was proven"
        grade, hint = (Grade.warning, Next("drill", tenant)) if old else (Grade.ok, "")
        yield plain.but(grade=grade, message=message, hint=hint, subject="proof", value=age)
