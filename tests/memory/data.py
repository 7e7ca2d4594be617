"""Tenants' data on the host in memory: subvolumes, their snapshots, and the state that an app keeps in them.

Whatever lies below a subvolume's path is its content. An app whose image has a schema brings its state up to it in
place, and dies for good on a newer one, as OpenClaw does.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from copy import copy, deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from launchpad.runner.host import Container, Failed
from tests.memory.effects import effect

PARTIAL = ".launchpad-partial"
STATE = "state.json"
PERMANENT = 78


@dataclass
class File:
    data: bytes
    mode: int = 0o644
    uid: int = 0


class Zeros(bytes):
    """So many zero bytes, pickled as their number: the room that an operation keeps is most of a host's bytes."""

    def __reduce__(self) -> tuple[Callable[[int], Zeros], tuple[int]]:
        return zeros, (len(self),)


@cache
def zeros(size: int) -> Zeros:
    """One object for each number of them."""
    return Zeros(size)


def kept(data: bytes) -> bytes:
    """The bytes as a file keeps them."""
    return zeros(len(data)) if data and not data[0] and data == zeros(len(data)) else bytes(data)


class MemoryData:
    """`Data` without secrets, and what apps do with it."""

    files: dict[str, File]
    folders: dict[str, tuple[int, int]]
    links: dict[str, str]
    volumes: dict[str, dict[str, Any]]
    boxes: dict[str, Container]
    schemas: dict[str, int]
    behaviours: dict[str, str]
    mounts: dict[str, str]
    refusals: list[str]
    disk_full: bool
    struck: bool
    halfway: bool
    free: int
    charged: dict[str, int]
    """By data: bytes that count beside its files."""

    def _room(self, path: str, size: int) -> None:
        raise NotImplementedError

    @effect
    def make_data(self, path: str, *, volumes: Sequence[str], disk_mb: int, uid: int) -> None:
        self._room(path, 0)
        known = self.volumes.setdefault(path, {"volumes": {}, "disk_mb": 0, "read_only": False})
        for name in volumes[: len(volumes) // 2] if self.halfway else volumes:
            known["volumes"].setdefault(name, {"uid": uid})
        known["disk_mb"] = disk_mb

    def has_data(self, path: str) -> bool:
        return path in self.volumes

    def usage(self, path: str) -> int:
        if path not in self.volumes:
            raise Failed(f"{path}: No such file or directory")
        own = sum(len(item.data) for name, item in self.files.items() if name.startswith(f"{path}/"))
        return own + self.charged.get(path, 0)

    @effect
    def set_quota(self, path: str, disk_mb: int) -> None:
        if path not in self.volumes:
            raise Failed(f"{path}: No such file or directory")
        self.volumes[path]["disk_mb"] = disk_mb

    @effect
    def snapshot(self, data: str, to: str) -> None:
        if data not in self.volumes:
            raise Failed(f"{data}: No such file or directory")
        self._room(to, 0)
        if to not in self.volumes and not self.halfway:
            self._copy(data, to, read_only=True)

    @effect
    def restore(self, source: str, data: str, *, disk_mb: int) -> None:
        above, _, name = data.rpartition("/")
        beside = f"{above}/.{name}{PARTIAL}"
        self._drop(beside)
        if source not in self.volumes:
            raise Failed(f"{source}: No such file or directory")
        self._room(data, 0)
        self._copy(source, beside, read_only=False)
        if self.halfway:
            return
        self._drop(data)
        self._copy(beside, data, read_only=False)
        self.volumes[data]["disk_mb"] = disk_mb
        self._drop(beside)

    @effect
    def clone(self, source: str, to: str, *, disk_mb: int) -> None:
        if source not in self.volumes:
            raise Failed(f"{source}: No such file or directory")
        self._room(to, 0)
        if self.halfway:
            return
        if to not in self.volumes:
            self._copy(source, to, read_only=False)
        self.volumes[to]["disk_mb"] = disk_mb

    def room(self, path: str) -> int:
        self.struck = self.struck or self.disk_full
        return 0 if self.disk_full else self.free

    def reclaim(self, path: str, *, seconds: float) -> None:
        """The room is free at once."""

    def _copy(self, source: str, to: str, *, read_only: bool) -> None:
        self.volumes[to] = deepcopy(self.volumes[source]) | {"read_only": read_only}
        table: dict[str, Any]
        for table in (self.files, self.folders, self.links):
            for path in [path for path in table if path.startswith(f"{source}/")]:
                table[to + path.removeprefix(source)] = copy(table[path])

    def _drop(self, path: str) -> None:
        table: dict[str, Any]
        for table in (self.files, self.folders, self.links, self.volumes):
            for name in [name for name in table if name == path or name.startswith(f"{path}/")]:
                del table[name]

    def put_out(self, path: str, folder: Path) -> None:
        """Lay what is below the path out on disk."""
        folder.mkdir(parents=True)
        for name in self.folders:
            if name.startswith(f"{path}/"):
                Path(folder, name[len(path) + 1 :]).mkdir(parents=True, exist_ok=True)
        for name, item in self.files.items():
            if name.startswith(f"{path}/"):
                file = Path(folder, name[len(path) + 1 :])
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(item.data)
                file.chmod(item.mode)
        for name, target in self.links.items():
            if name.startswith(f"{path}/"):
                Path(folder, name[len(path) + 1 :]).symlink_to(target)
        for entry in (folder, *folder.rglob("*")):
            os.utime(entry, (0, 0), follow_symlinks=False)

    def put_in_place(self, folder: Path, path: str, uid: int) -> None:
        """What is below the path is what lies on disk now."""
        table: dict[str, Any]
        for table in (self.files, self.folders, self.links):
            for name in [name for name in table if name.startswith(f"{path}/")]:
                del table[name]
        for item in sorted(folder.rglob("*")):
            name = f"{path}/{item.relative_to(folder)}"
            if item.is_symlink():
                self.links[name] = str(item.readlink())
            elif item.is_dir():
                self.folders[name] = (item.stat().st_mode & 0o777, uid)
            else:
                self.files[name] = File(item.read_bytes(), item.stat().st_mode & 0o777, uid)

    def _be_writable(self, path: str) -> None:
        """Failed below a snapshot."""
        if any(known["read_only"] and path.startswith(f"{place}/") for place, known in self.volumes.items()):
            raise Failed(f"{path}: Read-only file system")

    # --- apps

    def state(self, folder: str) -> dict[str, Any]:
        """What an app keeps in this volume's folder: {"schema", "log": [what was written, in order]}."""
        item = self.files.get(f"{folder}/{STATE}")
        found: dict[str, Any] = json.loads(item.data) if item else {"schema": 0, "log": []}
        return found

    def put_in(self, name: str, *lines: str) -> None:
        """Have a container add these lines to its state."""
        folder = self.mounts[name]
        state = self.state(folder)
        state["log"] += lines
        self.files[f"{folder}/{STATE}"] = File(json.dumps(state).encode())

    def _run_app(self, name: str) -> None:
        """A container was started: its app opens its state."""
        box = self.boxes[name]
        schema, folder = self.schemas.get(box.image), self.mounts.get(name)
        if schema is None or folder is None:
            return
        state = self.state(folder)
        if state["schema"] > schema:
            self.boxes[name] = box.but(state="exited", exit_code=PERMANENT, address="")
            self.refusals.append(box.release)
            return
        if self.behaviours.get(box.image) == "forgetful" and state["schema"] < schema:
            state["log"] = state["log"][1:-1]
        state["schema"] = schema
        self.files[f"{folder}/{STATE}"] = File(json.dumps(state).encode())
        self.put_in(name, f"{box.release} started")
