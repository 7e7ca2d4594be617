"""What this checkout asked hosts for and has not reported to its user yet: one file each, in .launchpad/begun.

The note is on disk before the host is asked, and goes when the end was shown. So the same command, typed again after
its client was killed, finds its own operation instead of beginning another one.
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
    """An operation, and the command that asked for it."""

    id: str
    kind: str
    tenant: str
    host: str
    at: float
    """When it was asked for, by this machine's clock."""
    words: Mapping[str, Any] = field(default_factory=dict)
    """What else the command said, of what makes it this command and no other."""


class BegunFolder:
    """The notes of one checkout; a note that cannot be read counts as none."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def note(self, begun: Begun) -> None:
        """Write it down for good; StateError when it cannot be written. An earlier note of the same id stays."""
        path = self._path(begun.id)
        if not path.exists():
            state_folder(self._root)
            replace_file(path, json.dumps(dataclasses.asdict(begun)).encode() + b"\n", mode=0o600)

    def all(self) -> list[Begun]:
        """The newest first."""
        folder = self._root / STATE / FOLDER
        found = [_read(path) for path in sorted(folder.glob("*.json"), reverse=True)] if folder.is_dir() else []
        return sorted((item for item in found if item is not None), key=lambda item: item.at, reverse=True)

    def forget(self, identifier: str) -> None:
        """Its end was shown, or it never began; fine when there is no note."""
        if identifier and (path := self._path(identifier)).exists():
            remove_file(path)

    def _path(self, identifier: str) -> Path:
        return self._root / STATE / FOLDER / f"{Path(identifier).name}.json"


def _read(path: Path) -> Begun | None:
    try:
        return Begun(**json.loads(path.read_bytes()))
    except (OSError, ValueError, TypeError):
        return None
