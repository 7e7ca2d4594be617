"""The analysers in the order in which causes cause one another, and what is said when none of them fits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from launchpad.runner.diagnosing.causes import (
    app_causes,
    change_causes,
    edge_causes,
    host_causes,
    image_causes,
    process_causes,
    room_causes,
    target_causes,
)
from launchpad.runner.diagnosing.collected import UNKNOWN, Collected, CollectedTenant, Diagnosis

Analyser = Callable[[Collected], Iterable[Diagnosis]]

ANALYSERS: tuple[Analyser, ...] = (
    room_causes.disk_full,
    room_causes.inodes,
    process_causes.docker_down,
    edge_causes.resolver_down,
    host_causes.clock_wrong,
    process_causes.host_memory,
    host_causes.firewall,
    edge_causes.caddy_down,
    room_causes.quota_full,
    process_causes.out_of_memory,
    image_causes.registry_login,
    image_causes.image_gone,
    process_causes.migration_refused,
    process_causes.exit_78,
    process_causes.no_process,
    process_causes.crash_loop,
    edge_causes.name_elsewhere,
    edge_causes.certificate_refused,
    edge_causes.untrusted_proxy,
    edge_causes.origin_refused,
    app_causes.key_revoked,
    app_causes.key_without_money,
    app_causes.provider_down,
    app_causes.channel_taken,
    app_causes.channel_refused,
    target_causes.target_failed,
    room_causes.slow_disk,
    change_causes.change_undone,
    host_causes.settings_changed,
    host_causes.update_pending,
)
"""The root first: a full disk before the crash loop that it causes."""
NOTES = frozenset({"update-pending", "change-undone"})
"""Causes of nothing that is wrong now: who is ill beside one of these is ill of something else."""


def analyse(collected: Collected) -> list[Diagnosis]:
    """Every cause that is seen, the root first; `unknown` when something is wrong and no analyser names a cause; none
    for who is well."""
    found = [item for analyser in ANALYSERS for item in _said_by(analyser, collected)]
    symptoms = list(_symptoms(collected))
    if not symptoms or any(item.cause not in NOTES for item in found):
        return found
    looked = ", ".join(sorted(set(collected.sections) - {"tenants"}))
    logs = "the tenants' records, containers and logs"
    unknown = Diagnosis(
        cause=UNKNOWN,
        tenant=collected.tenant,
        message=f"unknown: {symptoms[0]}; looked at {looked} and {logs}",
        hint=f"launchpad logs {collected.tenant}" if collected.tenant else f"launchpad status {collected.host}",
        evidence=tuple(symptoms[:6]),
    )
    return [unknown, *found]


def _said_by(analyser: Analyser, collected: Collected) -> Iterator[Diagnosis]:
    """What the analyser says; one that stumbles over what was collected hides no other."""
    try:
        yield from list(analyser(collected))
    except (AttributeError, KeyError, TypeError, ValueError):
        return


def _symptoms(collected: Collected) -> Iterator[str]:
    """What is wrong, whatever the cause."""
    for tenant in collected.tenants():
        yield from _symptoms_of(tenant)
    for item in collected.get("account", "findings", otherwise=[]):
        if item.get("subject") != "reboot" and item.get("grade", "critical") == "critical":
            yield str(item.get("message", ""))


def _symptoms_of(tenant: CollectedTenant) -> Iterator[str]:
    if tenant.breaker:
        yield f"{tenant.name}: {tenant.breaker.get('reason', 'the watch gave up')}"
    if tenant.is_wanted and not tenant.get("operation"):
        for probe in tenant.get("probes", otherwise=[]):
            if probe.get("ok") is False:
                yield f"{tenant.name}: {probe.get('name') or probe.get('kind')}: {probe.get('detail', '')}"
    if (failed := tenant.last_failed) and not tenant.last_undone:
        yield f"{tenant.name}: {failed.get('kind')} failed: {failed.get('message', '')}"
    yield from (f"{tenant.name}: {text}" for text in tenant.get("drift", otherwise=[]))
