"""What is in an archive, judged: the names and sizes of all its entries, before anything of them is used."""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from launchpad.archives.opening import ArchiveRefused

MOST_ENTRIES = 200_000
LONGEST_NAME, LONGEST_PART, DEEPEST = 1024, 255, 64
LARGEST_TEXT = 4 << 20
"""Bytes of a file that is read here, and not only passed on."""


@dataclass(frozen=True)
class Entry:
    """A file, folder or link of an archive; the name has no `./` before it and no `/` behind it."""

    name: str
    kind: str
    """file, folder, or link."""
    size: int
    source: str = ""
    """The file before it whose content it has, where it is a hard link."""


@dataclass
class Content:
    """All that an archive has, by name, and the texts that were asked for."""

    entries: dict[str, Entry] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    @property
    def files(self) -> Iterable[Entry]:
        return (entry for entry in self.entries.values() if entry.kind == "file")


def judge(tar: tarfile.TarFile, *, archive: str, wanted: Callable[[str], bool]) -> Content:
    """Go through the archive once. ArchiveRefused, which names the entry, for whatever a plain archive of somebody's
    files does not have. `wanted` says of a file's name whether its text is to be kept."""
    content = Content()
    for member in tar:
        entry = _entry(member, archive)
        if entry is None:
            continue
        if member.islnk():
            entry = _hard_link(content, entry, member.linkname, archive)
        _judge_place(content, entry, archive)
        if len(content.entries) >= MOST_ENTRIES:
            raise ArchiveRefused(f"{archive}: it has more than {MOST_ENTRIES} entries")
        content.entries[entry.name] = entry
        if entry.kind == "file" and not entry.source and entry.size <= LARGEST_TEXT and wanted(entry.name):
            content.texts[entry.name] = read(tar, member)
    if not content.entries:
        raise ArchiveRefused(f"{archive}: it is empty")
    return content


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The file's whole content, for one that is not large."""
    stream = tar.extractfile(member)
    return stream.read() if stream else b""


def plain_name(name: str) -> str:
    """The entry's name, without `./` before and `/` behind; empty for the archive's own top."""
    name = name.rstrip("/")
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return "" if name == "." else name


def _entry(member: tarfile.TarInfo, archive: str) -> Entry | None:
    name = plain_name(member.name)
    shown = _shown(member.name)
    if member.name.startswith("/"):
        raise ArchiveRefused(f"{archive}: {shown} is an absolute name", hint="pack it with tar -C FOLDER, without /")
    if not name:
        if not member.isdir():
            raise ArchiveRefused(f"{archive}: {shown} is no name for a file")
        return None
    parts = name.split("/")
    if ".." in parts:
        raise ArchiveRefused(f"{archive}: {shown} leads out of it")
    if "" in parts or "." in parts or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise ArchiveRefused(f"{archive}: {shown} is no plain name")
    try:
        length, longest = len(name.encode()), max(len(part.encode()) for part in parts)
    except UnicodeEncodeError as error:
        raise ArchiveRefused(f"{archive}: {shown} is not UTF-8") from error
    if length > LONGEST_NAME or longest > LONGEST_PART or len(parts) > DEEPEST:
        raise ArchiveRefused(f"{archive}: {shown} is too long or too deep")
    return Entry(name, _kind(member, shown, archive), member.size if member.isreg() else 0)


def _kind(member: tarfile.TarInfo, shown: str, archive: str) -> str:
    if member.isdir():
        return "folder"
    if member.issparse():
        raise ArchiveRefused(f"{archive}: {shown} is a sparse file", hint="pack it with tar, without --sparse")
    if member.isreg():
        return "file"
    if member.issym():
        return "link"  # it may lead anywhere on the old machine, and is left out
    if member.islnk():
        return "file"
    kinds = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe"}
    raise ArchiveRefused(f"{archive}: {shown} is {kinds.get(member.type, 'neither a file nor a folder')}")


def _hard_link(content: Content, entry: Entry, target: str, archive: str) -> Entry:
    """The other name of a file that came before."""
    found = content.entries.get(plain_name(target)) if not target.startswith("/") else None
    if found is None or found.kind != "file":
        raise ArchiveRefused(f"{archive}: {_shown(entry.name)} is a hard link to {_shown(target)}, which is not in it")
    return Entry(entry.name, "file", found.size, source=found.source or found.name)


def _judge_place(content: Content, entry: Entry, archive: str) -> None:
    """No entry takes another one's place, or lies below one that is no folder."""
    shown = _shown(entry.name)
    before = content.entries.get(entry.name)
    if before is not None and (before.kind, entry.kind) != ("folder", "folder"):
        raise ArchiveRefused(f"{archive}: {shown} is in it twice")
    above = entry.name.rpartition("/")[0]
    while above:
        found = content.entries.get(above)
        if found is None:
            content.entries[above] = Entry(above, "folder", 0)
        elif found.kind != "folder":
            raise ArchiveRefused(f"{archive}: {shown} lies below {_shown(above)}, which is a {found.kind}")
        else:
            break
        above = above.rpartition("/")[0]


def _shown(name: str) -> str:
    return repr(name[:120] + ("…" if len(name) > 120 else ""))
