"""Archives for tests: plain ones, and ones that nobody's tar would make."""

from __future__ import annotations

import io
import json
import sqlite3
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from launchpad.fleet.keeping.store import FolderStore
from launchpad.fleet.model.app import App
from launchpad.workspace import SHIPPED_TEMPLATES

CONFIG = {"meta": {"lastTouchedVersion": "2026.1.24-3"}, "gateway": {"auth": {"token": "t" * 32}}}
SHIPPED = {"extends": "openclaw", "images": {}}


def openclaw(folder: Path) -> App:
    """The shipped app, as a workspace has it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "launchpad.yaml").write_text("{}\n")
    return FolderStore(folder, templates=(SHIPPED_TEMPLATES,)).load().app("openclaw")


def member(name: str, content: bytes = b"", **more: Any) -> tuple[tarfile.TarInfo, bytes]:
    """An entry: a file, unless `type` says otherwise."""
    entry = tarfile.TarInfo(name)
    entry.size = len(content)
    for key, value in more.items():
        setattr(entry, key, value)
    return entry, content


def pack(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]], mode: str = "w:gz") -> Path:
    with tarfile.open(path, mode, format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        for entry, content in members:
            tar.addfile(entry, io.BytesIO(content))
    return path


def of(files: dict[str, Any]) -> list[tuple[tarfile.TarInfo, bytes]]:
    """Entries of plain files; what is no bytes is written as JSON."""
    return [
        member(name, content if isinstance(content, bytes) else json.dumps(content, indent=1).encode())
        for name, content in files.items()
    ]


def database(folder: Path, *, damaged: bool = False) -> bytes:
    """A SQLite file with some pages."""
    path = folder / "made.sqlite"
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")
    connection.executemany("INSERT INTO t VALUES (?)", [("x" * 200,)] * 999)
    connection.commit()
    connection.close()
    content = bytearray(path.read_bytes())
    if damaged:
        content[3 * 4096 : 4 * 4096] = b"\xff" * 4096
    return bytes(content)
