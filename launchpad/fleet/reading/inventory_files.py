"""The inventory's files at one moment: the source of a fleet, and the base of an edit."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from launchpad.fleet.words.mistakes import InventoryMistakes, Mistake, Place

SETTINGS_FILE = "launchpad.yaml"
INVENTORY = "inventory"
SECRETS = f"{INVENTORY}/secrets"
TARGET_SECRETS = f"{SECRETS}/targets"
DNS_SECRETS = f"{SECRETS}/dns"
ALERT_SECRETS = f"{SECRETS}/alerts"
LOG_SECRETS = f"{SECRETS}/logs"
SCHEMAS = f"{INVENTORY}/.schema"
LARGEST_FILE = 1024 * 1024
MOST_FILES = 20_000
SETTLED_NANOSECONDS = 2_000_000_000
"""A file that changed less than this before it was read is read again: file systems count time in steps of up to 2 s,
and within one step a file can change twice."""


@dataclass(frozen=True, slots=True)
class SeenFile:
    """A file's content, with the file system's facts from before it was read."""

    content: bytes
    inode: int
    size: int
    times: tuple[int, int]
    """When the content, and anything of the file, last changed, in nanoseconds."""
    settled: bool
    """Whether the file had not been changed shortly before it was read."""

    def still(self, facts: os.stat_result) -> bool:
        """Whether the file cannot have another content now."""
        times = (facts.st_mtime_ns, facts.st_ctime_ns)
        return self.settled and self.inode == facts.st_ino and self.size == facts.st_size and self.times == times


class FileMemory:
    """The files of the last snapshot of one workspace, so that the next snapshot reads only what changed."""

    def __init__(self) -> None:
        self.files: Mapping[str, SeenFile] = {}


@dataclass(frozen=True)
class Snapshot:
    """launchpad.yaml and every file of inventory/, by path from the workspace, and the unreadable files."""

    files: Mapping[str, bytes]
    mistakes: tuple[Mistake, ...] = ()

    @classmethod
    def take(cls, root: Path, memory: FileMemory | None = None) -> Snapshot:
        """Read the files of a workspace; never through a link to a place outside of it. With a `memory`, only files
        that changed since the memory's last snapshot are read."""
        files: dict[str, bytes] = {}
        mistakes: list[Mistake] = []
        memory = memory or FileMemory()
        seen: dict[str, SeenFile] = {}
        for name, entry in _entries(root, mistakes):
            try:
                seen[name] = _seen(entry, root, memory.files.get(name))
                files[name] = seen[name].content
            except _Refused as refused:
                mistakes.append(Mistake(Place(name), str(refused), refused.expected))
        memory.files = seen  # one assignment: threads see the old or the new
        return cls(files, tuple(mistakes))

    def with_changes(self, changes: Mapping[str, bytes | None]) -> Snapshot:
        """The snapshot after an edit: new contents by path; None removes a file."""
        files = {name: content for name, content in self.files.items() if name not in changes}
        files |= {name: content for name, content in changes.items() if content is not None}
        return replace(self, files=files)


def seen_file(root: Path, name: str, before: SeenFile | None = None) -> SeenFile | None:
    """One file of the workspace, by the rules of a snapshot; None when it does not exist. InventoryMistakes when it
    cannot be read. The one from before, when it did not change."""
    path = root / name
    try:
        if before is not None and before.still(path.lstat()):
            return before
        return _seen(path, root, None) if path.exists() or path.is_symlink() else None
    except FileNotFoundError:
        return None
    except _Refused as refused:
        raise InventoryMistakes([Mistake(Place(name), str(refused), refused.expected)]) from refused


class _Refused(Exception):
    def __init__(self, what: str, expected: str) -> None:
        super().__init__(what)
        self.expected = expected


def is_read(name: str) -> bool:
    """Whether a path below the inventory belongs to the fleet: not hidden, no editor's backup, no text file."""
    return not any(part.startswith(".") or part.endswith(("~", ".md", ".orig")) for part in name.split("/"))


Entry = Path | os.DirEntry[str]


def _entries(root: Path, mistakes: list[Mistake]) -> Iterator[tuple[str, Entry]]:
    """The files to read, by path from the workspace: not hidden, no editor's backups."""
    settings = root / SETTINGS_FILE
    if settings.exists() or settings.is_symlink():
        yield SETTINGS_FILE, settings
    if (root / INVENTORY).is_symlink() and not _is_inside(root / INVENTORY, root):
        yield INVENTORY, root / INVENTORY
        return
    folders = [INVENTORY]
    count = 0
    while folders:
        folder = folders.pop()
        for entry in _listed(root, folder, mistakes):
            count += 1
            if count > MOST_FILES:
                mistakes.append(Mistake(Place(INVENTORY), "too many files", f"at most {MOST_FILES}"))
                return
            if not is_read(entry.name):
                continue
            name = f"{folder}/{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if name.endswith((".yaml", ".yml", ".json")):
                    mistakes.append(Mistake(Place(name), "a folder", "a file", "remove the folder, or rename it"))
                folders.append(name)
            else:
                yield name, entry


def _listed(root: Path, folder: str, mistakes: list[Mistake]) -> list[os.DirEntry[str]]:
    """What is in the folder, by name; nothing for a folder that does not exist."""
    try:
        with os.scandir(root / folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        mistakes.append(Mistake(Place(folder), f"cannot be read: {error.strerror}", "a folder that you may read"))
        return []


def _seen(entry: Entry, root: Path, before: SeenFile | None) -> SeenFile:
    """The file as it is now; the one from before when it did not change."""
    try:
        if entry.is_symlink() and not _is_inside(Path(entry), root):
            raise _Refused("a link to a place outside of the workspace", "a file inside the workspace")
        if not entry.is_file():
            raise _Refused("not a file", "a regular file")
        facts = entry.stat()
        if before is not None and before.still(facts):
            return before
        if facts.st_size > LARGEST_FILE:
            raise _Refused(f"{facts.st_size} bytes", f"at most {LARGEST_FILE}")
        settled = time.time_ns() - max(facts.st_mtime_ns, facts.st_ctime_ns) > SETTLED_NANOSECONDS
        content = Path(entry).read_bytes()
        return SeenFile(content, facts.st_ino, facts.st_size, (facts.st_mtime_ns, facts.st_ctime_ns), settled)
    except OSError as error:
        raise _Refused(f"cannot be read: {error.strerror}", "a file that you may read") from error


def _is_inside(link: Path, root: Path) -> bool:
    return link.resolve().is_relative_to(root.resolve())


def schema_line(kind: str) -> str:
    """The comment with which editors find the schema of a file."""
    folders = {"launchpad": SCHEMAS, "app": "../.schema", "tenant": "../.schema"}
    return f"# yaml-language-server: $schema={folders.get(kind, '.schema')}/{kind}.json\n"
