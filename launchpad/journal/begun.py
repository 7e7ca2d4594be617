"""Operations that this checkout started and has not yet reported to its user: one file each, in .launchpad/begun.

A note is on disk before the request is sent, and removed after the end was shown. So the same command, typed again
after its client was killed, finds its own operation and does not start another.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from launchpad.fleet.keeping.workspace_files import STATE, remove_file, replace_file, state_folder

FOLDER = "begun"


@dataclass(frozen=True, kw_only=True)
class Begun:
    """An operation, and the command that started it."""

    id: str
    kind: str
    tenant: str
    host: str
    at: float
    """When the operation was requested, by this machine's clock."""
    words: Mapping[str, Any] = field(default_factory=dict)
    """The command's other arguments that identify it."""


class BegunFolder:
    """The notes of one checkout; an unreadable note is ignored."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def note(self, begun: Begun) -> None:
        """Write the note to disk; StateError when that fails. An earlier note of the same id stays."""
        path = self._path(begun.id)
        if not path.exists():
            state_folder(self._root)
            replace_file(path, json.dumps(dataclasses.asdict(begun)).encode() + b"\n", mode=0o600)

    def all(self) -> list[Begun]:
        """All notes, newest first."""
        folder = self._root / STATE / FOLDER
        found = [_read(path) for path in sorted(folder.glob("*.json"), reverse=True)] if folder.is_dir() else []
        return sorted((item for item in found if item is not None), key=lambda item: item.at, reverse=True)

    def forget(self, identifier: str) -> None:
        """Remove the note, after the end was shown or the operation never began; a missing note is no error."""
        if identifier and (path := self._path(identifier)).exists():
            remove_file(path)

    def _path(self, identifier: str) -> Path:
        return self._root / STATE / FOLDER / f"{Path(identifier).name}.json"


def _read(path: Path) -> Begun | None:
    try:
        return Begun(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
