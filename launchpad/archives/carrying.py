"""Convert an archive to a tar of volume/path for the tenant's host."""

from __future__ import annotations

import io
import shutil
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, BinaryIO

from launchpad.archives.databases import BESIDE, HEADER, problem
from launchpad.archives.judging import ArchiveMember, Content, plain_name, read
from launchpad.archives.opening import ArchiveRefused, opened
from launchpad.archives.recognising import Recognised
from launchpad.archives.rewriting import Rewriter, homes_in
from launchpad.archives.secret_files import Finder
from launchpad.fleet.model.app import App
from launchpad.fleet.model.layout import Imports

LARGEST_REWRITTEN = 64 << 20
_CHUNK = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class JudgedArchive:
    """A judged and recognised archive."""

    path: Path
    name: str
    """The archive's name for people: the file's name, or user@host:path."""
    content: Content
    recognised: Recognised
    most_bytes: int
    homes: tuple[str, ...] = ()
    """Absolute paths of the old home that are known from another source."""


@dataclass(kw_only=True)
class Carried:
    """What was converted, and what was left out."""

    files: int = 0
    bytes: int = 0
    links: list[str] = field(default_factory=list)
    """Links that were left out because their targets are not in the archive."""
    followed: list[str] = field(default_factory=list)
    """Links that were replaced by their target files."""
    left_out: int = 0
    """The number of files that the app does not need on another machine."""
    elsewhere: int = 0
    """The number of files that do not belong to the app."""
    rewritten: list[str] = field(default_factory=list)
    databases: int = 0


def carry(source: JudgedArchive, app: App, finder: Finder, *, out: BinaryIO, scratch: Path, take: bool) -> Carried:
    """Write the tar. `scratch` is an empty private folder for checking databases. ArchiveRefused for a damaged
    database, and for an unreadable text that the app needs."""
    assert app.imports is not None
    with (
        opened(source.path, most_bytes=source.most_bytes) as tar,
        tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as made,
    ):
        carrying = _Carrying(source, app.imports, finder, made, scratch, take)
        carrying.all(tar)
    carrying.check_databases()
    return carrying.carried


class _Carrying:
    def __init__(
        self, source: JudgedArchive, imports: Imports, finder: Finder, made: tarfile.TarFile, scratch: Path, take: bool
    ) -> None:
        self.source, self.imports, self.finder, self.made = source, imports, finder, made
        self.scratch, self.take = scratch, take
        self.carried = Carried()
        self._rewriter = Rewriter(source.recognised, imports, ())
        self._folders: set[str] = set()
        self._files: dict[str, str] = {}
        self._linked: dict[str, tarfile.TarInfo] = {}
        self._databases: list[str] = []
        self._sources = {entry.source for entry in source.content.files if entry.source}
        self._followed = source.content.followed

    def all(self, tar: tarfile.TarFile) -> None:
        texts = self._texts(tar)
        homes = (*self.source.homes, *homes_in(texts, self.source.recognised))
        self._rewriter = Rewriter(self.source.recognised, self.imports, dict.fromkeys(homes))
        for member in tar:
            name = plain_name(member.name)
            entry = self.source.content.entries.get(name)
            if entry is None:
                continue
            if name in self._sources:
                self._linked[name] = member
            if not entry.followed:
                self._one(tar, entry, self._linked[entry.source] if entry.source else member)
        by_links = [entry for entries in self._followed.values() for entry in entries]
        for entry in sorted(by_links, key=lambda entry: self._linked[entry.source].offset):
            self._by_link(tar, entry)

    def _by_link(self, tar: tarfile.TarFile, entry: ArchiveMember) -> None:
        """Write a link's target in the link's place, unless the target is also converted under its own name."""
        goes = self._goes(entry)
        if goes and goes not in self._files and goes not in self._folders:
            self.carried.followed.append(goes)
            self._file(tar, entry, self._linked[entry.source], goes)

    def _texts(self, tar: tarfile.TarFile) -> list[bytes]:
        """The texts whose paths are rewritten; together they show which paths to rewrite."""
        found = []
        for member in tar:
            name = plain_name(member.name)
            entry = self.source.content.entries.get(name)
            own = [entry] if entry and entry.kind == "file" and not entry.source else []
            places = [goes for item in (*own, *self._followed.get(name, ())) if (goes := self._goes(item))]
            if member.size <= LARGEST_REWRITTEN and any(map(self._is_rewritten, places)):
                found.append(read(tar, member)[:LARGEST_REWRITTEN])
        return found

    def _goes(self, entry: ArchiveMember) -> str:
        """The entry's new path; empty when it is left out."""
        goes = self.source.recognised.place_of(entry.name)
        if goes is None or any(pattern.matches(goes) for pattern in self.imports.leave_out):
            return ""
        return goes

    def _is_rewritten(self, path: str) -> bool:
        return any(pattern.matches(path) for pattern in self.imports.rewrite)

    def _one(self, tar: tarfile.TarFile, entry: ArchiveMember, member: tarfile.TarInfo) -> None:
        goes = self._goes(entry)
        if not goes:
            self._not_taken(entry)
        elif entry.kind == "link":
            self.carried.links.append(goes)
        elif entry.kind == "folder":
            self._folder(goes)
        else:
            self._file(tar, entry, member, goes)

    def _not_taken(self, entry: ArchiveMember) -> None:
        if entry.kind == "file":
            if self.source.recognised.place_of(entry.name) is None:
                self.carried.elsewhere += 1
            else:
                self.carried.left_out += 1

    def _folder(self, path: str) -> None:
        """Write the folder, after its parent folders."""
        if path in self._folders:
            return
        if "/" in path:
            self._folder(path.rpartition("/")[0])
        if path in self._files:
            raise self._twice(path, self._files[path])
        self._folders.add(path)
        entry = tarfile.TarInfo(path)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o700
        self.made.addfile(entry)

    def _file(self, tar: tarfile.TarFile, entry: ArchiveMember, member: tarfile.TarInfo, path: str) -> None:
        if path in self._files or path in self._folders:
            raise self._twice(path, entry.name)
        if "/" not in path:
            raise ArchiveRefused(
                f"{self.source.name}: {entry.name} is a file, and {path} is a volume", code="archive-file-and-volume"
            )
        self._folder(path.rpartition("/")[0])
        self._files[path] = entry.name
        made = tarfile.TarInfo(path)
        made.mode = 0o700 if member.mode & 0o111 else 0o600
        made.mtime = min(max(float(member.mtime), 0.0), 2.0**33)
        stream = tar.extractfile(member)
        assert stream is not None
        content: Any = stream
        made.size = entry.size
        if (self._is_rewritten(path) or self.finder.wants(path)) and entry.size <= LARGEST_REWRITTEN:
            text = self._changed(path, stream.read())
            content, made.size = io.BytesIO(text), len(text)
        else:
            content = self._with_database(content, path)
        self.made.addfile(made, content)
        self.made.members = []  # type: ignore[attr-defined]  # or else tarfile keeps every entry in memory
        self.carried.files += 1
        self.carried.bytes += made.size

    def _changed(self, path: str, before: bytes) -> bytes:
        text = before
        if self.finder.wants(path):
            text = self.finder.looked_through(path, text, take=self.take)
        if self._is_rewritten(path):
            after = self._rewriter.rewritten(text)
            if after != text:
                self.carried.rewritten.append(path)
            text = after
        return text

    def _with_database(self, stream: IO[bytes], path: str) -> IO[bytes]:
        """The same content; a database also goes to a copy, to be checked afterwards."""
        head = stream.read(len(HEADER))
        if head != HEADER and not path.endswith(BESIDE):
            return _Again(head, stream)  # type: ignore[return-value]
        copy = self.scratch / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        with copy.open("wb") as file:
            file.write(head)
            shutil.copyfileobj(stream, file, _CHUNK)
        if head == HEADER:
            self._databases.append(path)
        return copy.open("rb")

    def check_databases(self) -> None:
        for path in self._databases:
            if said := problem(self.scratch / path):
                raise ArchiveRefused(
                    f"{self.source.name}: {self._files[path]} is a damaged database: {said}",
                    code="archive-damaged-database",
                    hint="stop the app on the old machine, then pack its files again",
                )
        self.carried.databases = len(self._databases)

    def _twice(self, path: str, name: str) -> ArchiveRefused:
        other = self._files.get(path, "a folder")
        return ArchiveRefused(
            f"{self.source.name}: {name} and {other} would both become {path}", code="archive-two-become-one"
        )


class _Again:
    """A stream that starts again with its already read head."""

    def __init__(self, head: bytes, stream: IO[bytes]) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head + self._stream.read(size - len(head)) if len(head) < size else head
