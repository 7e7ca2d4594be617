"""Copies of hosts' disks in the cache, so that a host that took half a minute to provision boots in seconds."""

import re
import shutil
from pathlib import Path

from labkit import base
from labkit.errors import LabError
from labkit.paths import Paths, read_json, write_json

_LABEL = re.compile(r"[a-z0-9][a-z0-9.-]{0,60}")


def check_label(label: str) -> str:
    """Return `label` when it can name a snapshot."""
    if not _LABEL.fullmatch(label) or label == "bare":
        raise LabError(f"{label!r} cannot be a snapshot's label", hint="take something like provisioned", exit_code=2)
    return label


def keep(paths: Paths, root: Path, label: str, *, key: str) -> None:
    """Copy the root of a host that is off; what had this label before is replaced when the copy is complete."""
    folder = paths.cache / "snapshots" / check_label(label)
    partial, old = folder.with_name(f"{label}.partial"), folder.with_name(f"{label}.old")
    with paths.lock("snapshots"):
        for rest in (partial, old):
            shutil.rmtree(rest, ignore_errors=True)
        partial.mkdir(parents=True)
        base.copy_root(root, partial / "root")
        write_json(partial / "snapshot.json", {"key": key})
        if folder.exists():
            folder.rename(old)
        partial.rename(folder)
        shutil.rmtree(old, ignore_errors=True)


def key_of(paths: Paths, label: str) -> str | None:
    """The key that the snapshot was made from; None when there is no such snapshot."""
    key = read_json(paths.cache / "snapshots" / check_label(label) / "snapshot.json").get("key")
    return key if isinstance(key, str) else None


def root_of(paths: Paths, label: str) -> Path:
    """The snapshot's root file system; LabError when there is none."""
    if key_of(paths, label) is None:
        raise LabError(f"there is no snapshot {label!r}", hint="scripts/lab snapshot NAME LABEL", exit_code=4)
    return paths.cache / "snapshots" / label / "root"
