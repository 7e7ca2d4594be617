"""The analysers in the order in which causes cause one another, and what is said when none of them fits. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from launchpad.runner.diagnosing.causes import (
    app_causes,
    change_causes,
    edge_causes,
    host_causes,
    image_causes,
    kernel_causes,
    limit_causes,
    process_causes,
    room_causes,
    state_causes,
    target_causes,
)
from launchpad.runner.diagnosing.collected import UNKNOWN, Collected, CollectedTenant, Diagnosis
from launchpad.runner.diagnosing.unexplained import unexplained
from launchpad.runner.hint import Next, at, hint_from_json

Analyser = Callable[[Collected], Iterable[Diagnosis]]

ANALYSERS: tuple[Analyser, ...] = (
    room_causes.disk_full,
    room_causes.inodes,
    kernel_causes.read_only,
    kernel_causes.disk_failing,
    process_causes.docker_down,
    edge_causes.resolver_down,
    host_causes.clock_wrong,
    process_causes.host_memory,
    host_causes.firewall,
    kernel_causes.network_card,
    kernel_causes.connections_full,
    edge_causes.caddy_down,
    room_causes.quota_full,
    process_causes.out_of_memory,
    image_causes.registry_login,
    image_causes.image_gone,
    image_causes.image_damaged,
    change_causes.network_taken,
    state_causes.database_damaged,
    state_causes.file_rights,
    limit_causes.too_many_processes,
    limit_causes.open_files,
    limit_causes.shared_memory,
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
    app_causes.provider_refuses,
    state_causes.database_locked,
    app_causes.channel_taken,
    app_causes.channel_refused,
    target_causes.target_failed,
    room_causes.slow_disk,
    change_causes.change_undone,
    host_causes.settings_changed,
    host_causes.update_pending,
)
"""The root first: a full disk before the crash loop that it causes."""
NOTES = frozenset({"time-server", "update-pending", "change-undone"})
"""Causes of nothing that is wrong now: who is ill beside one of these is ill of something else."""

DEADLY = frozenset(
    {
        "database-damaged",
        "file-rights",
        "too-many-processes",
        "open-files",
        "shared-memory",
        "image-damaged",
        "wrong-architecture",
    }
)
"""Causes of a tenant's crash loop."""


def analyse(collected: Collected) -> list[Diagnosis]:
    """Every cause that is seen, the root first; then `unknown` for what is wrong and what no analyser explains; none
    for who is well."""
    found = [item for analyser in ANALYSERS for item in _said_by(analyser, collected)]
    died = {item.tenant for item in found if item.cause in DEADLY}
    found = [item for item in found if item.cause != "crash-loop" or item.tenant not in died]
    causes = [item for item in found if item.cause not in NOTES]
    unknown = [] if causes else list(_unknown(collected))
    unknown += _said_by(lambda _: list(_of_facts(collected, [*found, *unknown])), collected)
    if unknown:
        looked = ", ".join(sorted(set(collected.sections) - {"tenants"}))
        logs = "the tenants' records, containers and logs"
        unknown[0] = unknown[0].but(message=f"{unknown[0].message}; looked at {looked} and {logs}")
    return [*causes, *unknown, *(item for item in found if item.cause in NOTES)]


def _unknown(collected: Collected) -> Iterator[Diagnosis]:
    """What is wrong with tenants."""
    if symptoms := [text for tenant in collected.tenants() for text in _symptoms_of(tenant)]:
        yield Diagnosis(
            cause=UNKNOWN,
            tenant=collected.tenant,
            message=f"unknown: {symptoms[0]}",
            hint=Next("logs", collected.tenant) if collected.tenant else Next("status", collected.host),
            evidence=tuple(symptoms[:6]),
        )


def _of_facts(collected: Collected, causes: Iterable[Diagnosis]) -> Iterator[Diagnosis]:
    """What the watch found and nobody explains."""
    for fact in unexplained(collected, causes):
        tenant, message = str(fact.get("tenant", "")), str(fact.get("message", ""))
        hint = at(hint_from_json(fact.get("hint", "")), collected.host)
        yield Diagnosis(
            cause=UNKNOWN,
            tenant=tenant,
            message=f"unknown: {tenant or fact.get('subject')}: {message}",
            hint=hint or (Next("logs", tenant) if tenant else Next("health", collected.host)),
            evidence=(f"{fact.get('subject')}: {message}",),
        )


def _said_by(analyser: Analyser, collected: Collected) -> Iterator[Diagnosis]:
    """What the analyser says; one that stumbles over what was collected hides no other."""
    try:
        yield from list(analyser(collected))
    except (AttributeError, KeyError, TypeError, ValueError):
        return


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
