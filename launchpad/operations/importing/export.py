"""export: export a tenant's data as an archive in the app's own layout, on which a self-hosted installation starts."""

from __future__ import annotations

import gzip
import io
import os
import tarfile
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO

from launchpad.archives.environment import line
from launchpad.errors import StateError, StepFailed
from launchpad.events import OnEvent, ignore
from launchpad.fleet.keeping.unstaged import keep_out
from launchpad.fleet.keeping.workspace_files import refuse_no_folder
from launchpad.fleet.model.app import App
from launchpad.fleet.model.layout import Exports
from launchpad.fleet.sealing.age import seal_stream
from launchpad.fleet.words.names import SecretName
from launchpad.fleet.words.references import Recipient
from launchpad.fleet.words.secret import Secret
from launchpad.operations.generations.generations import generations
from launchpad.operations.generations.snapshot import copy
from launchpad.operations.moving.transfer import leaving
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class HowToExport:
    """The options of an export."""

    to: Path
    generation: str = ""
    """The generation to export; empty: the present data, of which a generation is taken first."""
    force: bool = False
    """Whether to replace an existing file."""
    encrypt_for: tuple[Recipient, ...] = ()
    identifier: str = ""
    """The export's id; empty: a new id. With the id of an earlier export, the same generation is exported."""
    secrets: bool = True
    """Whether to export the tenant's secrets too, in the file from which the app reads them."""


@dataclass(frozen=True, kw_only=True)
class Exported:
    """The written archive."""

    tenant: str
    app: str
    version: str
    generation: str
    file: str
    files: int
    bytes: int
    """The size of the data before packing."""
    encrypted: bool
    secrets: tuple[str, ...]
    """The names of the exported secrets."""
    left_out: tuple[str, ...]
    """The names of secrets whose value has no line format that every program reads in the same way."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"secrets": list(self.secrets), "left_out": list(self.left_out)}


def export(workspace: Workspace, name: str, how: HowToExport, *, on_event: OnEvent = ignore) -> Exported:
    """Write the archive, completely or not at all, readable only by its owner. StateError when the file exists, when
    there is no such generation, or when the app has no export layout; errors as of `leaving`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    app = fleet.app(tenant.app)
    if app.exports is None:
        raise StateError(
            f"{app.name} has no exports, so {app.name}'s data cannot be exported",
            code="no-exports-data-cannot-exported",
            hint=f"exports: in inventory/apps/{app.name}.yaml",
        )
    if how.to.exists() and not how.force:
        raise StateError(f"{how.to} exists already", code="export-exists", hint="add --force, or another --to FILE")
    refuse_no_folder(how.to)
    if not how.encrypt_for:
        keep_out(how.to)
    secrets = _secrets(workspace, app, name) if how.secrets and app.exports.environment else {}
    lines = {key: line(str(key), value.reveal()) for key, value in secrets.items()}
    environment = "".join(item for item in lines.values() if item)
    identifier = how.generation or copy(workspace, name, identifier=how.identifier, on_event=on_event).id
    kept = generations(workspace, name).generation(identifier)
    with (
        _whole(how.to) as file,
        _sealing(file, how.encrypt_for) if how.encrypt_for else nullcontext(file) as out,
        leaving(workspace, name, fleet.host(tenant.host), generation=identifier) as archive,
    ):
        files, size = _written(archive, app.exports, environment, out)
    return Exported(
        tenant=name,
        app=str(app.name),
        version=kept.version,
        generation=identifier,
        file=str(how.to),
        files=files,
        bytes=size,
        encrypted=bool(how.encrypt_for),
        secrets=tuple(str(key) for key, item in lines.items() if item),
        left_out=tuple(str(key) for key, item in lines.items() if not item),
    )


def _secrets(workspace: Workspace, app: App, name: str) -> dict[SecretName, Secret]:
    """The tenant's secrets, if this operator can read them."""
    found = workspace.secrets.reveal(workspace.fleet.load().tenant(name).name)
    known = {spec.name for spec in app.secrets}
    return {key: value for key, (_, value) in sorted(found.items()) if key in known}


@contextmanager
def _whole(path: Path) -> Iterator[BinaryIO]:
    """Give a temporary file beside the path, which replaces the path when the block succeeds and is removed
    otherwise."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        with suppress(FileNotFoundError):
            partial.unlink()
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise StateError(
            f"{path}: cannot be written: {error.strerror}", code="file-write-failed", hint=f"ls -ld {path.parent}"
        ) from error
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        partial.replace(path)
    except OSError as error:
        raise StateError(
            f"{path}: cannot be written: {error.strerror}", code="file-write-failed", hint=f"df {path.parent}"
        ) from error
    finally:
        with suppress(FileNotFoundError):
            partial.unlink()


@contextmanager
def _sealing(file: BinaryIO, recipients: Iterable[Recipient]) -> Iterator[BinaryIO]:
    """Give a stream whose content is written into the file encrypted; plain text is never on disk."""
    reading, writing = os.pipe()
    failures: list[BaseException] = []

    def seal() -> None:
        with os.fdopen(reading, "rb") as source:
            try:
                seal_stream(source, file, recipients)
            except BaseException as error:
                failures.append(error)

    worker = threading.Thread(target=seal, daemon=True)
    worker.start()
    try:
        with os.fdopen(writing, "wb") as stream:
            yield stream
    except BrokenPipeError:
        worker.join()
        if not failures:
            raise
    worker.join()
    if failures:
        raise failures[0]


def _written(pieces: Iterable[bytes], exports: Exports, environment: str, out: BinaryIO) -> tuple[int, int]:
    """Repack the host's tar under the app's own names; return the number of files and their bytes. StepFailed when the
    received data is not a tar."""
    files = size = 0
    source: Any = io.BufferedReader(_Pieces(pieces), 256 * 1024)
    with (
        gzip.GzipFile("", "wb", 6, out, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as made,
    ):
        try:
            with tarfile.open(fileobj=source, mode="r|", errorlevel=2) as tar:
                for entry in tar:
                    name = _name_of(exports, entry.name)
                    if not name or (name == exports.environment and environment):
                        continue
                    stream = tar.extractfile(entry) if entry.isreg() else None
                    entry.name = name
                    entry.pax_headers = {}
                    made.addfile(entry, stream)
                    tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every entry in memory
                    made.members = []  # type: ignore[attr-defined]
                    files += entry.isreg()
                    size += entry.size if entry.isreg() else 0
        except tarfile.TarError as error:
            raise StepFailed(
                f"the received data is not a tar: {error}",
                code="received-data-not-tar",
                hint="type the same command again",
            ) from error
        if environment and exports.environment:
            entry = tarfile.TarInfo(exports.environment)
            entry.mode, entry.size = 0o600, len(environment.encode())
            made.addfile(entry, io.BytesIO(environment.encode()))
            files += 1
    while source.read(256 * 1024):
        pass  # read to the end, where the host describes what it sent
    return files, size


def _name_of(exports: Exports, path: str) -> str:
    """The entry's name in the archive; empty for an entry that is not exported."""
    if any(pattern.matches(path) for pattern in exports.leave_out):
        return ""
    fitting = [place for place in exports.places if path == place or path.startswith(f"{place}/")]
    if not fitting:
        return ""
    longest = max(fitting, key=len)
    return exports.places[longest] + path.removeprefix(longest)


class _Pieces(io.RawIOBase):
    """Pieces of bytes as a file object."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._waiting = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._waiting:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._waiting = piece
        size = min(len(buffer), len(self._waiting))
        buffer[:size] = self._waiting[:size]
        self._waiting = self._waiting[size:]
        return size
