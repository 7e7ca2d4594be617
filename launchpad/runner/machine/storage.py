"""The Btrfs at /srv/launchpad: created on an empty device or in a preallocated file, grown, never formatted twice."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from launchpad.runner import paths
from launchpad.runner.host import Failed, Progress
from launchpad.runner.machine.command import run, succeed
from launchpad.runner.system import Mounted, Storage, storage_source

LABEL = "launchpad"
_MB = 1024 * 1024
_LEFT_MB = 1024
"""MiB that a preallocated file must leave free on the root disk."""


def storage() -> Mounted:
    """What is mounted at /srv/launchpad."""
    device = _mounted_device()
    if not device:
        return Mounted()
    facts = _block(device)
    backing = facts / "loop/backing_file"
    source = backing.read_text().strip() if backing.exists() else device
    quotas = run(["btrfs", "qgroup", "show", paths.ROOT], reads=True).code == 0
    return Mounted(source, int((facts / "size").read_text()) * 512 // _MB, quotas)


def make_storage(wanted: Storage, progress: Progress) -> None:
    """Create or grow the storage, and mount it. Failed when that would format a device that is not empty."""
    source = storage_source(wanted.device)
    here = storage()
    if here.source not in ("", source):
        raise Failed(
            f"{paths.ROOT} is on {here.source}; Launchpad does not move it to {source}", code="storage-elsewhere"
        )
    if wanted.loop_mb:
        _preallocate(source, wanted.loop_mb, progress)
    elif not _is_block(source):
        raise Failed(f"there is no block device {source}", code="no-such-device")
    if not here.source:
        kind = run(["blkid", "--probe", "--match-tag=TYPE", "--output=value", source]).out.decode().strip()
        label = run(["blkid", "--probe", "--match-tag=LABEL", "--output=value", source]).out.decode().strip()
        if kind and (kind, label) != ("btrfs", LABEL):
            raise Failed(f"{source} is not empty ({kind}); nothing was changed", code="storage-not-empty")
        if not kind:
            progress(f"format {source}")
            succeed(["mkfs.btrfs", "--quiet", f"--label={LABEL}", "--features=squota", source], seconds=300)
        run(["systemctl", "reset-failed", "launchpad-storage.service"])
        succeed(["systemctl", "restart", "launchpad-storage.service"], seconds=120)
    elif wanted.loop_mb > here.size_mb:
        progress(f"grow the storage to {wanted.loop_mb} MiB")
        succeed(["losetup", "--set-capacity", _mounted_device()])
        succeed(["btrfs", "filesystem", "resize", "max", paths.ROOT], seconds=300)
    if not storage().quotas:
        succeed(["btrfs", "quota", "enable", "--simple", paths.ROOT], seconds=300)


def _preallocate(file: str, size_mb: int, progress: Progress) -> None:
    """Allocate the whole size on the root disk now: other data on the root disk must never make a tenant's write
    fail."""
    path = Path(file)
    now = path.stat().st_size // _MB if path.exists() else 0
    if now >= size_mb:
        return
    free = os.statvfs(path.parent)
    free_mb = free.f_bavail * free.f_frsize // _MB
    if free_mb < size_mb - now + _LEFT_MB:
        raise Failed(f"the disk has {free_mb} MiB free, not enough for {size_mb} MiB of storage", code="disk-too-small")
    progress(f"allocate {size_mb} MiB on the disk")
    succeed(["fallocate", f"--length={size_mb}MiB", file], seconds=600)
    path.chmod(0o600)


def _mounted_device() -> str:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        device, place, kind = line.split(" ")[:3]
        if place == paths.ROOT and kind == "btrfs":
            return device
    return ""


def _block(device: str) -> Path:
    """The kernel's folder of the device, found by its number, because names can be reused."""
    number = Path(device).stat().st_rdev
    return Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")


def _is_block(path: str) -> bool:
    try:
        return stat.S_ISBLK(Path(path).stat().st_mode)
    except OSError:
        return False
