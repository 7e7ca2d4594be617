"""Causes in processes: Docker, containers and why they end."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from launchpad.runner.diagnosing.causes.room_causes import disk_full, quota_full
from launchpad.runner.diagnosing.collected import Collected, CollectedTenant, Diagnosis, stamp
from launchpad.runner.hint import Next
from launchpad.runner.waiting import OUT_OF_MEMORY

PERMANENT_EXIT = 78
KILLED = 137
LITTLE_MEMORY = 1536 << 20
"""Bytes: OpenClaw starts with less, and is killed at its first turn."""
FEW_MB = 64
RECENT_SECONDS = 3600.0
EXIT_78 = re.compile(rf"\b(?:status|with|code) {PERMANENT_EXIT}\b")
INVALID = re.compile(
    r"(?i)invalid config|unrecognized key|unknown key|config(?:uration)? (?:is )?invalid|must not|expected"
)
HEAP = re.compile(r"(?i)heap out of memory|allocation failed - |cannot allocate memory|ENOMEM|MemoryError")
_KILLED_BY_HOST = re.compile(r"(?<!cgroup )[Oo]ut of memory: Killed process \d+ \(([^)]+)\)")
"""Not at the limit of a tenant."""
NEWER = re.compile(
    r"(?i)(?:schema|state|database|migration)[^.\n]{0,80}\b(?:newer than|too new|ahead of|not supported|unsupported"
    r"|from a newer)|newer (?:schema|version of (?:openclaw|the app))|migration[^.\n]{0,60}\b(?:refused|failed|error)"
    r"|refus\w+ to (?:start|open|migrate)[^.\n]{0,60}(?:schema|newer|downgrade)|finds? a state newer"
    r"|schema \d+, and this version knows"
    r"|database files are incompatible|failed migrations|migration \S+ failed|\bP30(?:09|18)\b"
)


def docker_down(collected: Collected) -> Iterator[Diagnosis]:
    """Docker does not answer."""
    if collected.get("docker", "answers") is not False:
        return
    last = collected.get("docker", "failure", otherwise=[])[-3:]
    why = f": {last[-1]}" if last else ""
    unit = collected.get("docker", "unit", otherwise="")
    yield Diagnosis(
        cause="docker-down",
        message=f"Docker does not answer{f' (docker.service is {unit})' if unit else ''}{why[:300]}",
        hint=Next("provision", collected.host),
        evidence=(f"docker.service: {unit or 'not known'}", *last),
    )


def host_memory(collected: Collected) -> Iterator[Diagnosis]:
    """The host itself has no memory left."""
    lines = collected.get("kernel", otherwise=[])
    killed = [line for line in lines if _KILLED_BY_HOST.search(line) and collected.at - RECENT_SECONDS <= stamp(line)]
    if killed:
        names = ", ".join(dict.fromkeys(name[1] for line in killed if (name := _KILLED_BY_HOST.search(line))))
        yield Diagnosis(
            cause="host-memory",
            message=f"the host has no memory left: the kernel killed {names}",
            hint=Next("usage", collected.host) + ", then " + Next("move", "TENANT", "--to", "HOST"),
            evidence=tuple(killed[-3:]),
        )
        return
    available = collected.get("machine", "memory", "available_mb")
    total = collected.get("machine", "memory", "total_mb", otherwise=0)
    if isinstance(available, int) and total and available < min(FEW_MB, total // 20):
        yield Diagnosis(
            cause="host-memory",
            message=f"the host has no memory left: {available} of {total} MiB are available",
            hint=Next("usage", collected.host) + ", then " + Next("move", "TENANT", "--to", "HOST"),
            evidence=(f"{available} of {total} MiB available",),
        )


def out_of_memory(collected: Collected) -> Iterator[Diagnosis]:
    """The kernel killed a tenant's process at the tenant's limit, or the app found no memory."""
    for tenant in collected.tenants():
        if found := _out_of_memory(tenant):
            limit = tenant.get("memory", otherwise=[0, 0])[-1]
            room = f" of {limit >> 20} MiB" if limit else ""
            more = "; OpenClaw needs 2 GiB" if 0 < limit < LITTLE_MEMORY and _is_openclaw(tenant) else ""
            yield Diagnosis(
                cause="out-of-memory",
                tenant=tenant.name,
                message=f"{tenant.name} needs more memory than its limit{room}: the kernel killed it{more}",
                hint=f"a tier with more memory in inventory/tenants/{tenant.name}.yaml, then "
                + Next("deploy", tenant.name),
                evidence=(found,),
            )


def _out_of_memory(tenant: CollectedTenant) -> str:
    if tenant.breaker.get("out_of_memory"):
        return str(tenant.breaker.get("reason", "the kernel killed the app: out of memory"))
    for item in tenant.containers:
        if item.get("oom_killed") and item.get("state") != "running":
            return f"{item.get('service')} {OUT_OF_MEMORY}"
    if OUT_OF_MEMORY in (message := str(tenant.last_failed.get("message", ""))) and not tenant.last_undone:
        return message
    dead = tenant.breaker or any(item.get("state") in ("exited", "dead") for item in tenant.containers)
    words = [*tenant.last_words, *(tenant.lines(seconds=RECENT_SECONDS)[-40:] if dead else ())]
    return next((line for line in reversed(words) if HEAP.search(line)), "")


def migration_refused(collected: Collected) -> Iterator[Diagnosis]:
    """The app does not start on the state that it finds."""
    for tenant in collected.tenants():
        if found := _migration_refused(tenant):
            yield Diagnosis(
                cause="migration-refused",
                tenant=tenant.name,
                message=f"{tenant.name}'s version refuses the state that it finds: a newer version wrote the "
                f"state, or its migration failed",
                hint=Next("generations", tenant.name) + ", then " + Next("rollback", tenant.name, "--list"),
                evidence=(found,),
            )


def _migration_refused(tenant: CollectedTenant) -> str:
    words = tenant.last_words
    if tenant.is_ill:
        words = [*tenant.lines(seconds=RECENT_SECONDS)[-60:], *words]
    return next((line for line in reversed(words) if NEWER.search(line)), "")


def exit_78(collected: Collected) -> Iterator[Diagnosis]:
    """The app says itself that its configuration is wrong."""
    for tenant in collected.tenants():
        if not (found := _permanent(tenant)) or _migration_refused(tenant):
            continue
        words = [*tenant.lines(seconds=RECENT_SECONDS)[-40:], *tenant.last_words]
        said = next((line for line in reversed(words) if INVALID.search(line)), "") or _last_said(words)
        yield Diagnosis(
            cause="exit-78",
            tenant=tenant.name,
            message=f"{tenant.name}'s configuration is wrong: the app ends with exit status 78{because(said)}",
            hint=Next("logs", tenant.name) + ", mend the configuration, then " + Next("deploy", tenant.name),
            evidence=tuple(filter(None, (found, said))),
        )


def _permanent(tenant: CollectedTenant) -> str:
    if tenant.breaker.get("exit_code") == PERMANENT_EXIT:
        return str(tenant.breaker.get("reason", f"exit status {PERMANENT_EXIT}"))
    for item in tenant.containers:
        if tenant.is_wanted and item.get("exit_code") == PERMANENT_EXIT and item.get("state") in ("exited", "dead"):
            return f"{item.get('service')} ended with {PERMANENT_EXIT}"
    message = str(tenant.last_failed.get("message", ""))
    return message if EXIT_78.search(message) and not tenant.last_undone else ""


def no_process(collected: Collected) -> Iterator[Diagnosis]:
    """Docker says that a container runs, and its process is gone; or there is no container at all."""
    if collected.get("docker", "answers") is False:
        return
    for tenant in collected.tenants():
        if not tenant.is_wanted or tenant.breaker or tenant.get("operation") or tenant.get("starting"):
            continue
        gone = [str(item.get("service")) for item in tenant.containers if item.get("state") == "dead"]
        have = {item.get("service") for item in tenant.containers}
        lacking = [name for name in tenant.get("manifest", "services", otherwise=[]) if name not in have]
        what = f"the container of {', '.join(gone)} has no process" if gone else ""
        what = what or (
            f"there is no container of {', '.join(lacking)}" if lacking and "containers" in tenant.own else ""
        )
        if what:
            yield Diagnosis(
                cause="no-process",
                tenant=tenant.name,
                message=f"{tenant.name}: {what}",
                hint=Next("restart", tenant.name) if gone else Next("deploy", tenant.name),
                evidence=tuple(f"{item.get('name')}: {item.get('state')}" for item in tenant.containers) or (what,),
            )


def crash_loop(collected: Collected) -> Iterator[Diagnosis]:
    """The app dies again and again, by nothing that another analyser names."""
    full = any(True for _ in disk_full(collected))
    quota = {item.tenant for item in quota_full(collected)}
    for tenant in collected.tenants():
        explained = full or tenant.name in quota or _out_of_memory(tenant) or _migration_refused(tenant)
        if not tenant.breaker or _permanent(tenant) or explained:
            continue
        words = tenant.last_words or tenant.lines(seconds=RECENT_SECONDS)
        said = _last_error(words)
        yield Diagnosis(
            cause="crash-loop",
            tenant=tenant.name,
            message=f"{tenant.name} died again and again until the watch gave up: "
            f"{tenant.breaker.get('reason', '')}{because(said)}",
            hint=Next("logs", tenant.name) + ", then " + Next("start", tenant.name),
            evidence=tuple(words[-4:]),
        )


def _is_openclaw(tenant: CollectedTenant) -> bool:
    return "openclaw" in str(tenant.get("record", "app", otherwise="")).lower()


def _last_said(words: Sequence[str]) -> str:
    """The last line in which the app names an error; else its last line."""
    return _last_error(words) or next(reversed(words), "")


def _last_error(words: Sequence[str]) -> str:
    """The last line in which the app names an error; empty without one."""
    return next((line for line in reversed(words) if re.search(r"(?i)error|fatal|cannot|fail", line)), "")


def because(line: str) -> str:
    """What the app said, without its time stamp."""
    return f": {re.sub(r'^[0-9T:.-]+Z? ', '', line).strip()[:200]}" if line else ""
