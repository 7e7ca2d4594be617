"""Ask each tenant's app once a day what its models cost, by its action `usage-cost`: one app at a time."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from launchpad.runner import booting, cell, paths
from launchpad.runner.account import Finding
from launchpad.runner.app_cost import ACTION, costs_of, days_of, keep_costs, learned
from launchpad.runner.host import Failed
from launchpad.runner.journal import open_subjects
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import TenantRecord, read_tenant
from launchpad.runner.watching.app_memory import has_memory
from launchpad.runner.watching.check import Check

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.protocol import Action
    from launchpad.runner.view import View
    from launchpad.runner.wire.cost_bodies import AppCosts

DAY_SECONDS, AGAIN_SECONDS = 86_400.0, 600.0
"""From answer to answer, and after a try without one."""
RUN_SECONDS = 20.0


class CostCheck(Check):
    name, every = "costs", 60.0

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        self._due: dict[str, float] = {}
        """Tenant → when its app is asked, by the clock of `elapsed`."""

    def look(self) -> Iterable[Finding]:
        if booting.is_going_on(self.host):
            return []
        now, names = self.host.elapsed(), [name for name in self.host.names(paths.TENANTS) if is_tenant_name(name)]
        self._due = {name: self._due.get(name, now + self._left(name)) for name in names}
        for name in sorted(names, key=self._due.__getitem__):
            if self._due[name] > now:
                break
            self._due[name] = now + AGAIN_SECONDS
            if self._ask(name):
                break
        return []

    def _left(self, tenant: str) -> float:
        """Seconds until the app is asked again; 0 for one that never answered."""
        asked = costs_of(self.host, tenant).asked
        return min(max(0.0, asked + DAY_SECONDS - self.host.now()), DAY_SECONDS) if asked else 0.0

    def _ask(self, tenant: str) -> bool:
        """Whether its app was asked."""
        try:
            record = read_tenant(self.host, tenant)
            if record is None or not self._runs(tenant, record):
                return False
            release = cell.read_release(self.host, tenant, record.started)
            action = next((item for item in release.actions if item.name == ACTION), None)
            if action is None:
                return False
            container = f"{cell.project(tenant, record.side)}-{action.service}-1"
            before = costs_of(self.host, tenant)
            after = self._answer(before, action, container)
        except (Failed, ValueError, KeyError, TypeError):
            return False  # a damaged record, which other checks report
        if after.asked > before.asked:
            self._due[tenant] += DAY_SECONDS - AGAIN_SECONDS
        if after != before:
            keep_costs(self.host, tenant, after)
        return True

    def _answer(self, before: AppCosts, action: Action, container: str) -> AppCosts:
        try:
            if not has_memory(self.host, container):
                return before.but(problem="not asked: too little memory is free")
            said = self.host.execute(container, action.argv, seconds=min(action.timeout_seconds, RUN_SECONDS))
            if said.code:
                return before.but(problem=f"ends with exit status {said.code}")
            return learned(before, days_of(said.out), at=self.host.now())
        except (Failed, ValueError) as error:
            return before.but(problem=str(error)[:200])

    def _runs(self, tenant: str, record: TenantRecord) -> bool:
        """Whether the app runs, and no operation has the tenant."""
        if not record.running or record.retired or not may_run(self.host, record):
            return False
        if self.host.read(f"{paths.tenant(tenant)}/breaker.json") is not None:
            return False
        subject = f"tenant-{tenant}"
        return self.host.lock_owner(subject) is None and subject not in open_subjects(self.host)
