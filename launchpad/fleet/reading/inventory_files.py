"""The inventory's files at one moment: the source of a fleet, and the base of an edit."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from launchpad.fleet.words.mistakes import Mistake, Place

SETTINGS_FILE = "launchpad.yaml"
INVENTORY = "inventory"
SECRETS = f"{INVENTORY}/secrets"
TARGET_SECRETS = f"{SECRETS}/targets"
DNS_SECRETS = f"{SECRETS}/dns"
ALERT_SECRETS = f"{SECRETS}/alerts"
SCHEMAS = f"{INVENTORY}/.schema"
LARGEST_FILE = 1024 * 1024
MOST_FILES = 20_000


@dataclass(frozen=True)
class Snapshot:
    """launchpad.yaml and every file of inventory/, by path from the workspace, and the unreadable files."""

    files: Mapping[str, bytes]
    mistakes: tuple[Mistake, ...] = ()

    @classmethod
    def take(cls, root: Path) -> Snapshot:
        """Read the files of a workspace; never through a link to a place outside of it."""
        files: dict[str, bytes] = {}
        mistakes: list[Mistake] = []
        for path in _paths(root, mistakes):
            name = path.relative_to(root).as_posix()
            try:
                files[name] = _content(path, root)
            except _Refused as refused:
                mistakes.append(Mistake(Place(name), str(refused), refused.expected))
        return cls(files, tuple(mistakes))

    @property
    def digest(self) -> str:
        """64 hex digits over every file's path and content."""
        total = hashlib.sha256()
        for name in sorted(self.files):
            content = self.files[name]
            total.update(f"{name}\0{len(content)}\0".encode() + content)
        return total.hexdigest()

    def with_changes(self, changes: Mapping[str, bytes | None]) -> Snapshot:
        """The snapshot after an edit: new contents by path; None removes a file."""
        files = {name: content for name, content in self.files.items() if name not in changes}
        files |= {name: content for name, content in changes.items() if content is not None}
        return replace(self, files=files)


class _Refused(Exception):
    def __init__(self, what: str, expected: str) -> None:
        super().__init__(what)
        self.expected = expected


def is_read(name: str) -> bool:
    """Whether a path below the inventory belongs to the fleet: not hidden, no editor's backup, no text file."""
    return not any(part.startswith(".") or part.endswith(("~", ".md", ".orig")) for part in name.split("/"))


def _paths(root: Path, mistakes: list[Mistake]) -> Iterator[Path]:
    """The files to read: not hidden, no editor's backups."""
    settings = root / SETTINGS_FILE
    if settings.exists() or settings.is_symlink():
        yield settings
    folders = [root / INVENTORY]
    count = 0
    while folders:
        folder = folders.pop()
        if folder.is_symlink() and not folder.resolve().is_relative_to(root.resolve()):
            yield folder
            continue
        try:
            paths = sorted(folder.iterdir()) if folder.is_dir() else []
        except OSError as error:
            place = Place(folder.relative_to(root).as_posix())
            mistakes.append(Mistake(place, f"cannot be read: {error.strerror}", "a folder that you may read"))
            continue
        for path in paths:
            count += 1
            if count > MOST_FILES:
                mistakes.append(Mistake(Place(INVENTORY), "too many files", f"at most {MOST_FILES}"))
                return
            if not is_read(path.name):
                continue
            if path.is_dir() and not path.is_symlink():
                if path.suffix in (".yaml", ".yml", ".json"):
                    place = Place(path.relative_to(root).as_posix())
                    mistakes.append(Mistake(place, "a folder", "a file", "remove the folder, or rename it"))
                folders.append(path)
            else:
                yield path


def _content(path: Path, root: Path) -> bytes:
    if path.is_symlink() and not path.resolve().is_relative_to(root.resolve()):  # folders are followed by _paths
        raise _Refused("a link to a place outside of the workspace", "a file inside the workspace")
    if not path.is_file():
        raise _Refused("not a file", "a regular file")
    try:
        if path.stat().st_size > LARGEST_FILE:
            raise _Refused(f"{path.stat().st_size} bytes", f"at most {LARGEST_FILE}")
        return path.read_bytes()
    except OSError as error:
        raise _Refused(f"cannot be read: {error.strerror}", "a file that you may read") from error


def schema_line(kind: str) -> str:
    """The comment with which editors find the schema of a file."""
    folders = {"launchpad": SCHEMAS, "app": "../.schema", "tenant": "../.schema"}
    return f"# yaml-language-server: $schema={folders.get(kind, '.schema')}/{kind}.json\n"
