"""Causes in what a process may have: processes, threads, open files."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.diagnosing.collected import Collected, CollectedTenant, Diagnosis, stamp
from launchpad.runner.hint import Next

RECENT_SECONDS = 3600.0
LEAST = 2
"""One failed attempt may be a user's own script."""
_PROCESSES = re.compile(
    r"(?i)\bspawn\b[^\n]{0,80}\bEAGAIN\b|failed to create new OS thread|newosproc|pthread_create[^\n]{0,20} failed"
    r"|can't start new thread|unable to create (?:new )?native thread"
    r"|^[^\[]*fork: (?:retry: )?resource temporarily|^[^\[]*cannot fork\b"
)
_FILES = re.compile(
    r"\bE[MN]FILE\b|^(?!.*\bexec\b).*(?i:too many open files)"
    r"|(?i:number of file watchers reached|inotify[^\n]{0,40}limit)"
)
_SHARED = re.compile(r"(?i)shared memory segment[^\n]{0,120}no space left|/dev/shm\b[^\n]{0,80}no space left")
"""Docker gives a container 64 MiB of it."""


def too_many_processes(collected: Collected) -> Iterator[Diagnosis]:
    """The tenant's limit of processes is reached."""
    for tenant in collected.tenants():
        if said := _said(tenant, _PROCESSES):
            yield Diagnosis(
                cause="too-many-processes",
                tenant=tenant.name,
                message=f"{tenant.name} starts no more processes: the limit of its tier is reached",
                hint=Next("restart", tenant.name)
                + f"; if that comes again, a tier with more processes in inventory/tenants/{tenant.name}.yaml",
                evidence=tuple(said[-2:]),
            )


def open_files(collected: Collected) -> Iterator[Diagnosis]:
    """A tenant or Caddy has as many files open as a process may have."""
    for tenant in collected.tenants():
        if said := _said(tenant, _FILES):
            yield Diagnosis(
                cause="open-files",
                tenant=tenant.name,
                message=f"{tenant.name} opens no more files: as many are open or watched as a process may have",
                hint=Next("restart", tenant.name)
                + "; if that comes again, look for what keeps files open: "
                + Next("logs", tenant.name),
                evidence=tuple(said[-2:]),
            )
    lines = collected.get("caddy", "lines", otherwise=[])
    said = [line for line in lines if _FILES.search(line) and collected.at - RECENT_SECONDS <= stamp(line)]
    if len(said) >= LEAST:
        yield Diagnosis(
            cause="open-files",
            message="Caddy accepts no more connections: as many files are open as a process may have",
            hint=Next("provision", collected.host) + "; find who opens so many: " + Next("usage", collected.host),
            evidence=tuple(said[-2:]),
        )


def shared_memory(collected: Collected) -> Iterator[Diagnosis]:
    """The container's shared memory is full, which is no disk."""
    for tenant in collected.tenants():
        if said := _said(tenant, _SHARED):
            yield Diagnosis(
                cause="shared-memory",
                tenant=tenant.name,
                message=f"the shared memory of {tenant.name}'s container is full: the database needs more of it",
                hint="less shared memory in the database's settings (dynamic_shared_memory_type: mmap), then "
                + Next("deploy", tenant.name),
                evidence=tuple(said[-2:]),
            )


def _said(tenant: CollectedTenant, pattern: re.Pattern[str]) -> list[str]:
    """The lines, when they are more than one, or the last words of an app that is dead."""
    words = [line for line in tenant.last_words if pattern.search(line)]
    lines = [
        line for line in tenant.lines_since_start(seconds=RECENT_SECONDS, all_of_them=True) if pattern.search(line)
    ]
    return words or (lines if len(lines) >= LEAST else [])
