"""Plan an update or a reboot of this host. Only decides; what it reads is the package lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.journal import open_journals
from launchpad.runner.maintaining.steps import InstallUpdates, Reboot
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.steps import LookAgain
from launchpad.runner.step import Step
from launchpad.runner.steps import Commit
from launchpad.runner.system import ProvisionHost
from launchpad.runner.tenant_record import read_tenant


def accepted(host: ProvisionHost, operation: Mapping[str, Any]) -> list[Step]:
    """The steps of an operation that is to begin now. Refused while an operation is open on a tenant: a reboot would
    interrupt the operation."""
    steps = planned(host, operation)
    if any(isinstance(step, Reboot) for step in steps):
        _refuse_while_open(host)
    return steps


def planned(host: ProvisionHost, operation: Mapping[str, Any]) -> list[Step]:
    """The steps of an `update` or a `reboot`; empty when there is nothing to do."""
    return planned_update(host) if operation["kind"] == "update" else planned_reboot(host)


def planned_update(host: ProvisionHost) -> list[Step]:
    """Install what the package archives have. Failed when an archive does not answer."""
    packages = host.system.updates()
    return [InstallUpdates(packages=packages), LookAgain(), Commit()] if packages else []


def planned_reboot(host: ProvisionHost) -> list[Step]:
    """Reboot when an update asks for a reboot."""
    if host.read(paths.REBOOT) is None:
        return []
    running = tuple(name for name in host.names(paths.TENANTS) if slots.is_tenant_name(name) and _runs(host, name))
    return [Reboot(boot=host.boot_id(), tenants=running), Commit()]


def _refuse_while_open(host: Host) -> None:
    for journal in open_journals(host):
        operation = (journal.asked() or {}).get("operation", {})
        if tenant := operation.get("tenant"):
            raise Refused(
                f"{tenant}: the running {operation['kind']} must end before the host reboots",
                code="operation-before-reboot",
                kind="locked",
                hint=Next("attach", journal.identifier),
            )


def _runs(host: Host, tenant: str) -> bool:
    try:
        record = read_tenant(host, tenant)
    except Failed:
        return False  # its record is damaged: nobody can stop and start it in order
    return bool(record and record.is_to_run)
