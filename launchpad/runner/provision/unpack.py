"""Putting a runner on the host: from its archive into a root-owned folder, compiled, switched to by one rename.

An archive that is run as it is (`python3 -I runner.pyz`) would compile all it imports at every start: 300 ms for every
`status`. In a folder the compiled files lie beside the sources, and Python does not even look whether they are fresh.
"""

from __future__ import annotations

import compileall
import io
import json
import os
import py_compile
import shutil
import zipfile
from dataclasses import dataclass
from pathlib import Path

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, digest_of

START = "start"
MANIFEST = "runner.json"
MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Version:
    """What a runner says it is."""

    version: str
    protocol: int

    @property
    def order(self) -> tuple[int, ...]:
        """For comparing: a protocol never goes back either."""
        return (self.protocol, *(int(part) for part in self.version.split(".") if part.isdecimal()))


def folder_of(archive: bytes) -> str:
    """Where this archive's runner lies once it is unpacked."""
    return f"{paths.LIBRARY}/runner-{digest_of(archive).removeprefix('sha256:')[:16]}"


def version_of(archive: bytes) -> Version:
    """Refused when the bytes are not a runner."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            return _version(files.read(MANIFEST))
    except (zipfile.BadZipFile, KeyError) as error:
        raise Refused("the archive is not a runner") from error


def version_in(folder: str) -> Version | None:
    """The version of the runner in a folder; None where there is none."""
    try:
        return _version(Path(folder, MANIFEST).read_bytes())
    except (OSError, Refused):
        return None


def unpack(archive: bytes, *, library: str = paths.LIBRARY) -> str:
    """The folder with the archive's runner, whole or not there at all; nothing points at it yet."""
    folder = Path(library, Path(folder_of(archive)).name)
    if folder.exists():
        return str(folder)
    partial = folder.with_name(f".{folder.name}.{os.getpid()}")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    size = 0
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        for item in files.infolist():
            size += item.file_size
            if size > MOST_BYTES or ".." in item.filename.split("/") or item.filename.startswith("/"):
                raise Refused("the archive is not a runner")
            place = partial / item.filename
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files.read(item))
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(partial, quiet=2, stripdir=partial, prependdir=folder, invalidation_mode=unchecked):
        raise Refused("the archive's runner does not compile on this host")
    for place in [partial, *partial.rglob("*")]:
        place.chmod(0o755 if place.is_dir() or place.name == START else 0o644)
    os.sync()
    partial.rename(folder)
    return str(folder)


def _version(manifest: bytes) -> Version:
    try:
        value = json.loads(manifest)
        return Version(str(value["version"]), int(value["protocol"]))
    except (ValueError, KeyError, TypeError) as error:
        raise Refused("the archive is not a runner") from error
