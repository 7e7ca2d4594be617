"""Install a runner: unpack its archive into a root-owned folder, compile it, switch to it by one rename.

Running the archive itself (`python3 -I runner.pyz`) would compile every import at every start: 300 ms for every
`status`. In a folder the compiled files are beside the sources, and Python does not check their age.
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
    """A runner's version and protocol."""

    version: str
    protocol: int

    @property
    def order(self) -> tuple[int, ...]:
        """The sort key: neither the version nor the protocol may go back."""
        return (self.protocol, *(int(part) for part in self.version.split(".") if part.isdecimal()))


def folder_of(archive: bytes) -> str:
    """The folder of this archive's runner after unpacking."""
    return f"{paths.LIBRARY}/runner-{digest_of(archive).removeprefix('sha256:')[:16]}"


def version_of(archive: bytes) -> Version:
    """The version in the archive. Refused when the bytes are not a runner."""
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files:
            return _version(files.read(MANIFEST))
    except (zipfile.BadZipFile, KeyError) as error:
        raise Refused("the archive is not a runner", code="archive-not-runner") from error


def version_in(folder: str) -> Version | None:
    """The version of the runner in a folder; None where there is none."""
    try:
        return _version(Path(folder, MANIFEST).read_bytes())
    except (OSError, Refused):
        return None


def unpack(archive: bytes, *, library: str = paths.LIBRARY) -> str:
    """Unpack the archive's runner into its folder, completely or not at all; no link points to it yet."""
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
                raise Refused("the archive is not a runner", code="archive-not-runner")
            place = partial / item.filename
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files.read(item))
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    if not compileall.compile_dir(partial, quiet=2, stripdir=partial, prependdir=folder, invalidation_mode=unchecked):
        raise Refused("the archive's runner does not compile on this host", code="archive-runner-does-not-compile")
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
        raise Refused("the archive is not a runner", code="archive-not-runner") from error
