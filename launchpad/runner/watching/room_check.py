"""Check how much of its quota each tenant's data uses, and how much memory its containers use; meter the usage."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from launchpad.runner import paths
from launchpad.runner.account import Finding
from launchpad.runner.backed_up import backed_up_at, proven_at
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.host import Container, Failed
from launchpad.runner.metering.exposition import export
from launchpad.runner.metering.meter import Meter, Room
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.plan import read_record
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.watching.check import Check

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.view import View

NAME = "room"
FULL, NEARLY = 0.98, 0.9
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
        try:
            containers = self.host.containers()
            for item in containers:
                if item.state == "running" and is_tenant_name(item.tenant):
                    own = memory.setdefault(item.tenant, [0, 0])
                    for index, size in enumerate(self.host.memory(item.name)):
                        own[index] += size
        except Failed:
            memory = {}  # Docker is down, which other checks report
        for tenant in filter(is_tenant_name, self.host.names(paths.TENANTS)):
            try:
                record = read_record(self.host, tenant)
            except Failed:
                continue  # still check the other tenants
            if record is None or not self.host.has_data(paths.data(tenant)):
                continue
            used, quota = self.host.quota(paths.data(tenant))
            facts[tenant] = {"disk": [used, quota], "memory": memory.get(tenant, [0, 0])}
            if record["retired"]:
                continue
            if may_run(self.host, record):
                used_memory, limit = memory.get(tenant, (0, 0))
                rooms[tenant] = Room(slot=record["slot"], disk=used, memory=used_memory, memory_limit=limit)
            health += _backups(self.host, tenant)
            if quota and record["running"]:
                grade, what = _full(used, quota)
                if grade is not Grade.ok:
                    findings.append(Finding("disk", what, "launchpad usage HOST", tenant=tenant))
                health.append(_quota(tenant, used, quota))
        self.facts, self.health = facts, health
        if containers is not None and self._meter.is_due():
            self._meter.look(containers, rooms)
            export(self.host)
        return [*findings, *self._meter.findings]


def _quota(tenant: str, used: int, quota: int) -> Fact:
    grade, what = _full(used, quota)
    hint = "" if grade is Grade.ok else "launchpad usage HOST"
    return Fact(
        Layer.data, grade, what, hint, tenant=tenant, subject="disk", value=float(used), unit="B", limit=float(quota)
    )


def _full(used: int, quota: int) -> tuple[Grade, str]:
    """How well a quota is that is used so far. One sentence for as long as it lasts."""
    if used >= quota * FULL or quota - used < LEAST_BYTES:
        return Grade.critical, f"its data fills the quota of {quota >> 20} MB: the app's writes fail (errno 122)"
    if used >= quota * NEARLY:
        return Grade.warning, f"its data has nearly filled the quota of {quota >> 20} MB"
    return Grade.ok, f"its data has room in its quota of {quota >> 20} MB"


def _backups(host: View, tenant: str) -> Iterator[Fact]:
    """The age of its newest backup, and of the last proof. How often it is to have one, the inventory knows."""
    now = host.now()
    for subject, at, said in (
        ("backup", backed_up_at(host, tenant), "was backed up"),
        ("proof", proven_at(host, tenant), "a backup was proven"),
    ):
        if at is not None:
            age = max(0.0, now - at)
            yield Fact(Layer.data, Grade.ok, said, tenant=tenant, subject=subject, value=age, unit="s")
