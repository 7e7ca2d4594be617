"""Causes in what an app finds in its volumes: a damaged or a locked database, files of another user."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.diagnosing.collected import Collected, CollectedTenant, Diagnosis
from launchpad.runner.hint import Next

RECENT_SECONDS = 3600.0
LEAST_LOCKED = 3
_DAMAGED = re.compile(
    r"(?i)SQLITE_CORRUPT|SQLITE_NOTADB|database disk image is malformed|file is not a database|invalid page in block"
    r"|could not read blocks? \d+|checksum mismatch in (?:page|block)|could not locate a valid checkpoint"
)
_LOCKED = re.compile(r"(?i)database (?:table )?is locked|SQLITE_BUSY|could not obtain lock on")
_WILL_RETRY = re.compile(r"(?i)retry")
_RIGHTS = re.compile(r"\bEACCES\b|\bEPERM\b[^\n]{0,40}(?:open|chmod|chown)|(?i:permission denied)[^\n]{0,60}/")


def database_damaged(collected: Collected) -> Iterator[Diagnosis]:
    """The app's database is damaged."""
    for tenant in collected.tenants():
        said = [line for line in _words(tenant) if _DAMAGED.search(line)]
        if len(said) >= (1 if tenant.is_ill else 2):
            yield Diagnosis(
                cause="database-damaged",
                tenant=tenant.name,
                message=f"a database of {tenant.name} is damaged",
                hint=Next("generations", tenant.name)
                + ", then "
                + Next("rollback", tenant.name, "--list")
                + "; before that ask whether the disk is well: "
                + Next("diagnose", collected.host),
                evidence=tuple(said[-2:]),
            )


def database_locked(collected: Collected) -> Iterator[Diagnosis]:
    """Something in the tenant keeps its database locked."""
    for tenant in collected.tenants():
        lines = tenant.lines_since_start(seconds=RECENT_SECONDS)
        said = [line for line in lines if _LOCKED.search(line) and not _WILL_RETRY.search(line)]
        if len(said) >= LEAST_LOCKED:
            yield Diagnosis(
                cause="database-locked",
                tenant=tenant.name,
                message=f"a database of {tenant.name} stays locked: another process in the tenant holds it, or a "
                f"transaction does not end",
                hint=Next("restart", tenant.name),
                evidence=tuple(said[-2:]),
            )


def file_rights(collected: Collected) -> Iterator[Diagnosis]:
    """The app may not read or write its own files."""
    for tenant in collected.tenants():
        said = [line for line in tenant.last_words if _RIGHTS.search(line)]
        if said and tenant.is_ill:
            yield Diagnosis(
                cause="file-rights",
                tenant=tenant.name,
                message=f"{tenant.name}'s app may not open its own files: they belong to another user",
                hint=f"as root on {collected.host}: ls -ln /srv/launchpad/tenants/{tenant.name}/data; give the files "
                + "the owner of their volume, then "
                + Next("start", tenant.name),
                evidence=tuple(said[-2:]),
            )


def _words(tenant: CollectedTenant) -> list[str]:
    return [*tenant.lines_since_start(seconds=RECENT_SECONDS), *tenant.last_words]
