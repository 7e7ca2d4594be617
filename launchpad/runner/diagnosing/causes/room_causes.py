"""Causes in storage: a full disk, a full quota, no inodes, a slow disk."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.diagnosing.collected import Collected, Diagnosis
from launchpad.runner.hint import Next

LEAST_FREE = 128 << 20
"""Bytes: with less than so much, and than one part in LEAST_SHARE, programs fail to write."""
LEAST_SHARE = 100
FULL_QUOTA = 0.98
LEAST_OF_QUOTA = 2 << 20
SLOW_MS, WAITED_PERCENT = 250.0, 30.0
"""A request to a healthy disk waits less than so long, but for a moment: somebody waits for the disk for so much of the
last minute, too."""
HOPELESS_MS = 2000.0
STALLED_PERCENT = 70.0
_HUNG = re.compile(r"blocked for more than \d+ seconds|timing out command|resetting link")
_WHAT = {"/": "the root disk", "/srv/launchpad": "the tenants' storage", "/var/lib/docker": "Docker's storage"}


def disk_full(collected: Collected) -> Iterator[Diagnosis]:
    """The host's disk, where tenants' data, images or the system lie."""
    told: set[tuple[int, int]] = set()
    for path, disk in collected.get("machine", "disks", otherwise={}).items():
        total, free = disk.get("total", 0), disk.get("free", 0)
        if not total or free >= min(LEAST_FREE, total // LEAST_SHARE) or (total, free) in told:
            continue
        told.add((total, free))  # one disk under two paths
        yield Diagnosis(
            cause="disk-full",
            message=f"{_WHAT.get(path, path)} is full: {free >> 20} of {total >> 20} MiB are free",
            hint=Next("prune", collected.host),
            evidence=(f"{path}: {free} of {total} bytes free",),
        )


def inodes(collected: Collected) -> Iterator[Diagnosis]:
    """No new file can be made, although there is room."""
    told: set[tuple[int, int]] = set()
    for path, disk in collected.get("machine", "disks", otherwise={}).items():
        total, free = disk.get("inodes", 0), disk.get("inodes_free", 0)
        if not total or free >= total // 200 or (total, free) in told:  # Btrfs has no number of them
            continue
        told.add((total, free))
        yield Diagnosis(
            cause="inodes",
            message=f"{_WHAT.get(path, path)} has no inodes left: no file can be made ({free} of {total} are free)",
            hint=f"as root on {collected.host}: du --inodes -xd3 {path} | sort -n | tail",
            evidence=(f"{path}: {free} of {total} inodes free",),
        )


def quota_full(collected: Collected) -> Iterator[Diagnosis]:
    """A tenant's data fills its quota."""
    for tenant in collected.tenants():
        used, quota = _pair(tenant.get("quota"))
        if quota and (used >= quota * FULL_QUOTA or quota - used < LEAST_OF_QUOTA):
            kept = tenant.get("generations", "count", otherwise=0)
            share = f"; {kept} generations count too" if kept else ""
            yield Diagnosis(
                cause="quota-full",
                tenant=tenant.name,
                message=f"{tenant.name}'s data fills its quota of {quota >> 20} MiB{share}",
                hint=f"a tier with more disk in inventory/tenants/{tenant.name}.yaml, then "
                + Next("deploy", tenant.name),
                evidence=(f"{used} of {quota} bytes used",),
            )


def slow_disk(collected: Collected) -> Iterator[Diagnosis]:
    """The disk answers so slowly that apps time out."""
    waits = collected.get("machine", "wait_ms", otherwise={})
    some, full = (
        collected.get("machine", "pressure", "io", f"{kind}_avg60", otherwise=0.0) for kind in ("some", "full")
    )
    least = SLOW_MS if some >= WAITED_PERCENT else HOPELESS_MS
    slow = [f"{name}: {wait:.0f} ms a request" for name, wait in waits.items() if wait >= least]
    hung = [line for line in collected.get("kernel", otherwise=[]) if _HUNG.search(line)][-3:]
    if slow or full >= STALLED_PERCENT or hung:
        stalls = [f"all work waited for the disk {full:.0f} % of the last minute"] if full >= STALLED_PERCENT else []
        yield Diagnosis(
            cause="slow-disk",
            message=f"the disk is slow: {'; '.join([*slow, *stalls]) or 'the kernel reports requests that hang'}",
            hint=f"as root on {collected.host}: journalctl -k -b | grep -i -e I/O -e blocked; then ask the "
            f"provider of the VPS",
            evidence=(*slow, *stalls, *hung),
        )


def _pair(value: object) -> tuple[int, int]:
    return (int(value[0]), int(value[1])) if isinstance(value, (list, tuple)) and len(value) == 2 else (0, 0)
