"""How much room each tenant's data takes of its quota, and how much memory its containers use."""

from __future__ import annotations

from collections.abc import Iterable

from launchpad.runner import paths
from launchpad.runner.account import Finding
from launchpad.runner.host import Failed
from launchpad.runner.plan import read_record
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.watching.check import Check

NAME = "room"
FULL, NEARLY = 0.98, 0.9
LEAST_BYTES = 2 << 20
"""With less than so much of its quota left an app cannot write a page of its database any more."""


class RoomCheck(Check):
    """The facts: tenant → {"disk": [bytes used, quota], "memory": [bytes used, limit]}."""

    name = NAME
    every = 30.0

    def look(self) -> Iterable[Finding]:
        findings: list[Finding] = []
        facts: dict[str, dict[str, list[int]]] = {}
        memory: dict[str, list[int]] = {}
        try:
            for item in self.host.containers():
                if item.state == "running" and is_tenant_name(item.tenant):
                    own = memory.setdefault(item.tenant, [0, 0])
                    for index, size in enumerate(self.host.memory(item.name)):
                        own[index] += size
        except Failed:
            memory = {}  # Docker is down, which others find
        for tenant in filter(is_tenant_name, self.host.names(paths.TENANTS)):
            try:
                record = read_record(self.host, tenant)
            except Failed:
                continue  # the others' room is looked at all the same
            if record is None or not self.host.has_data(paths.data(tenant)):
                continue
            used, quota = self.host.quota(paths.data(tenant))
            facts[tenant] = {"disk": [used, quota], "memory": memory.get(tenant, [0, 0])}
            if quota and record["running"] and not record["retired"] and (what := _full(used, quota)):
                findings.append(Finding("disk", what, "launchpad usage HOST", tenant=tenant))
        self.facts = facts
        return findings


def _full(used: int, quota: int) -> str:
    """What is wrong with a quota that is used so far; empty when nothing is. One sentence for as long as it lasts."""
    if used >= quota * FULL or quota - used < LEAST_BYTES:
        return f"its data fills the quota of {quota >> 20} MB: the app's writes fail (errno 122)"
    return f"its data has nearly filled the quota of {quota >> 20} MB" if used >= quota * NEARLY else ""
