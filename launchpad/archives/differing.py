"""The differences between two converted tars, as another tar for a host that already has the first one."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import BinaryIO

GONE = ".launchpad-gone"
"""The first entry of a tar of differences, which hosts expect: a JSON list of the removed paths."""

Signs = tuple[bool, int, int, str]
"""Whether the entry is a folder, its mode and size, and a digest of its content."""


def difference(before: Path, after: Path, *, out: BinaryIO) -> int:
    """Write the differences from `before` to `after`; returns the number of files. Both are tars of `carry`: files and
    folders."""
    old, new = _signs(before), _signs(after)
    gone = [name for name, signs in old.items() if name not in new or new[name][0] != signs[0]]
    files = 0
    with (
        tarfile.open(after, "r:") as tar,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made,
    ):
        listed = json.dumps(_topmost(gone)).encode()
        entry = tarfile.TarInfo(GONE)
        entry.size = len(listed)
        made.addfile(entry, io.BytesIO(listed))
        for member in tar:
            if member.isdir() or old.get(member.name) != new[member.name]:
                made.addfile(member, tar.extractfile(member) if member.isreg() else None)
                made.members = []  # type: ignore[attr-defined]  # it would keep every entry
                files += member.isreg()
    return files


def _signs(path: Path) -> dict[str, Signs]:
    found: dict[str, Signs] = {}
    with tarfile.open(path, "r:") as tar:
        for member in tar:
            stream = tar.extractfile(member) if member.isreg() else None
            digest = hashlib.file_digest(stream, "sha256").hexdigest() if stream else ""  # type: ignore[arg-type]
            found[member.name] = (member.isdir(), member.mode, member.size, digest)
    return found


def _topmost(names: list[str]) -> list[str]:
    """The names without those whose folder is removed too."""
    going = set(names)
    return [name for name in names if not any(above in going for above in _above(name))]


def _above(name: str) -> list[str]:
    parts = name.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]
