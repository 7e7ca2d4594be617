"""Copies of hosts' disks in the cache, so that a host that took half a minute to provision boots in a second."""

import re
import secrets
import shutil
from pathlib import Path

from labkit import disks
from labkit.errors import LabError
from labkit.paths import Paths, read_json, write_json

_LABEL = re.compile(r"[a-z0-9][a-z0-9.-]{0,60}")


def check_label(label: str) -> str:
    """Return `label` when it can name a snapshot."""
    if not _LABEL.fullmatch(label) or label == "bare":
        raise LabError(f"{label!r} cannot be a snapshot's label", hint="take something like provisioned", exit_code=2)
    return label


def keep(paths: Paths, root: Path, label: str, *, key: str) -> None:
    """Copy the root of a host that is off; whoever boots this label from now on gets this copy."""
    folder = _folder(paths, label)
    with paths.lock("snapshots"):
        folder.mkdir(parents=True, exist_ok=True)
        copy = folder / secrets.token_hex(4)
        disks.copy(root, copy)
        write_json(folder / "snapshot.json", {"key": key, "copy": copy.name})
        for other in [path for path in folder.iterdir() if path.is_dir() and path != copy]:
            # Hosts may still stand on an older copy; it goes when the next one is made.
            if not disks.is_used(other):
                shutil.rmtree(other)


def key_of(paths: Paths, label: str) -> str | None:
    """The key that the snapshot was made from; None when there is no such snapshot."""
    key = read_json(_folder(paths, label) / "snapshot.json").get("key")
    return key if isinstance(key, str) else None


def root_of(paths: Paths, label: str) -> Path:
    """The snapshot's root file system; LabError when there is none."""
    copy = read_json(_folder(paths, label) / "snapshot.json").get("copy")
    if not isinstance(copy, str):
        raise LabError(f"there is no snapshot {label!r}", hint="scripts/lab snapshot NAME LABEL", exit_code=4)
    return _folder(paths, label) / copy


def _folder(paths: Paths, label: str) -> Path:
    return paths.cache / "snapshots" / check_label(label)
