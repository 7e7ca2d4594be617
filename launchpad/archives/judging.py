"""What is in an archive, judged: the names and sizes of all its entries, before anything of them is used."""

from __future__ import annotations

import posixpath
import re
import tarfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from launchpad.archives.opening import ArchiveRefused

MOST_ENTRIES = 200_000
LONGEST_NAME, LONGEST_PART, DEEPEST = 1024, 255, 64
MOST_HOPS, MOST_TIMES = 16, 4
USUAL_HOME = re.compile(r"/(?:root|(?:home|Users)/[^/]+)/")
LARGEST_TEXT = 4 << 20
"""Bytes of a file that is read here, and not only passed on."""


@dataclass(frozen=True)
class ArchiveMember:
    """A file, folder or link of an archive; the name has no `./` before it and no `/` behind it."""

    name: str
    kind: str
    """file, folder, or link."""
    size: int
    source: str = ""
    """The file whose content it has: of a hard link one that came before, of a link that was followed any."""
    target: str = ""
    """Of a link that was not followed: where it leads."""
    followed: bool = False
    """Whether it is here because a link leads to it: a file of the archive, under another name."""


@dataclass
class Content:
    """All that an archive has, by name, and the texts that were asked for."""

    entries: dict[str, ArchiveMember] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    @property
    def files(self) -> Iterable[ArchiveMember]:
        return (entry for entry in self.entries.values() if entry.kind == "file")

    @property
    def followed(self) -> dict[str, list[ArchiveMember]]:
        """The files that are here by a link, by the file whose content they have."""
        found: dict[str, list[ArchiveMember]] = {}
        for entry in self.entries.values():
            if entry.followed and entry.source:
                found.setdefault(entry.source, []).append(entry)
        return found


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
            raise ArchiveRefused(f"{archive}: the archive has more than {MOST_ENTRIES} entries")
        content.entries[entry.name] = entry
        if entry.kind == "file" and not entry.source and entry.size <= LARGEST_TEXT and wanted(entry.name):
            content.texts[entry.name] = read(tar, member)
    if not content.entries:
        raise ArchiveRefused(f"{archive}: the archive is empty")
    _follow(content, archive)
    for member in tar.getmembers() if any(entry.followed for entry in content.entries.values()) else ():
        for entry in content.followed.get(plain_name(member.name), ()):
            if entry.size <= LARGEST_TEXT and wanted(entry.name):
                content.texts[entry.name] = read(tar, member)
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


def _entry(member: tarfile.TarInfo, archive: str) -> ArchiveMember | None:
    name = plain_name(member.name)
    shown = _shown(member.name)
    if member.name.startswith("/"):
        raise ArchiveRefused(f"{archive}: {shown} is an absolute name", hint="pack it with tar -C FOLDER, without /")
    if not name:
        if not member.isdir():
            raise ArchiveRefused(f"{archive}: {shown} is not a file name")
        return None
    parts = name.split("/")
    if ".." in parts:
        raise ArchiveRefused(f"{archive}: {shown} points outside the archive")
    if "" in parts or "." in parts or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise ArchiveRefused(f"{archive}: {shown} is not a plain name")
    try:
        length, longest = len(name.encode()), max(len(part.encode()) for part in parts)
    except UnicodeEncodeError as error:
        raise ArchiveRefused(f"{archive}: {shown} is not UTF-8") from error
    if length > LONGEST_NAME or longest > LONGEST_PART or len(parts) > DEEPEST:
        raise ArchiveRefused(f"{archive}: {shown} is too long or too deep")
    kind = _kind(member, shown, archive)
    return ArchiveMember(
        name, kind, member.size if member.isreg() else 0, target=member.linkname if kind == "link" else ""
    )


def _kind(member: tarfile.TarInfo, shown: str, archive: str) -> str:
    if member.isdir():
        return "folder"
    if member.issparse():
        raise ArchiveRefused(f"{archive}: {shown} is a sparse file", hint="pack it with tar, without --sparse")
    if member.isreg():
        return "file"
    if member.issym():
        return "link"  # it may lead anywhere on the old machine: only what the archive has itself is followed
    if member.islnk():
        return "file"
    kinds = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe"}
    raise ArchiveRefused(f"{archive}: {shown} is {kinds.get(member.type, 'neither a file nor a folder')}")


def _hard_link(content: Content, entry: ArchiveMember, target: str, archive: str) -> ArchiveMember:
    """The other name of a file that came before."""
    found = content.entries.get(plain_name(target)) if not target.startswith("/") else None
    if found is None or found.kind != "file":
        raise ArchiveRefused(
            f"{archive}: {_shown(entry.name)} is a hard link to {_shown(target)}, which is not in the archive"
        )
    return ArchiveMember(entry.name, "file", found.size, source=found.source or found.name)


def _judge_place(content: Content, entry: ArchiveMember, archive: str) -> None:
    """No entry takes another one's place, or lies below one that is no folder."""
    shown = _shown(entry.name)
    before = content.entries.get(entry.name)
    if before is not None and (before.kind, entry.kind) != ("folder", "folder"):
        raise ArchiveRefused(f"{archive}: {shown} is in the archive twice")
    above = entry.name.rpartition("/")[0]
    while above:
        found = content.entries.get(above)
        if found is None:
            content.entries[above] = ArchiveMember(above, "folder", 0)
        elif found.kind != "folder":
            raise ArchiveRefused(f"{archive}: {shown} is below {_shown(above)}, which is a {found.kind}")
        else:
            break
        above = above.rpartition("/")[0]


def _follow(content: Content, archive: str) -> None:
    """In the place of each link that leads to something of the archive, that: people keep their configuration elsewhere
    and link to it. A link that leads out of the archive, or to a folder above itself, stays a link."""
    real = {name: entry for name, entry in content.entries.items() if entry.kind != "link"}
    made: dict[str, ArchiveMember] = {}
    for link in [entry for entry in content.entries.values() if entry.kind == "link"]:
        goes = resolved(content, link)
        if not goes or f"{link.name}/".startswith(f"{goes}/"):
            continue
        found = real[goes]
        made[link.name] = _as(found, link.name)
        for name, entry in content.entries.items() if found.kind == "folder" else ():
            if name.startswith(f"{goes}/"):
                inner = resolved(content, entry) if entry.kind == "link" else name
                if inner and (entry.kind != "link" or real[inner].kind == "file"):
                    made[link.name + name.removeprefix(goes)] = _as(real[inner], link.name + name.removeprefix(goes))
        if len(made) + len(content.entries) > MOST_ENTRIES:
            raise ArchiveRefused(
                f"{archive}: with the targets of its links, the archive has more than {MOST_ENTRIES} entries"
            )
    if sum(entry.size for entry in made.values()) > MOST_TIMES * sum(entry.size for entry in real.values()):
        message = f"{archive}: with the targets of its links, the archive is over {MOST_TIMES} times as large"
        raise ArchiveRefused(message, hint="pack only the app's own folder")
    content.entries |= made


def _as(found: ArchiveMember, name: str) -> ArchiveMember:
    """The same under another name."""
    source = (found.source or found.name) if found.kind == "file" else ""
    return ArchiveMember(name, found.kind, found.size, source=source, followed=True)


def resolved(content: Content, link: ArchiveMember) -> str:
    """What of the archive the link leads to, through other links too; empty when that is nothing."""
    path = _joined(content, link.name, link.target)
    for _ in range(MOST_HOPS):
        parts = path.split("/")
        above = ("/".join(parts[: index + 1]) for index in range(len(parts)))
        known = (content.entries[name] for name in above if name in content.entries)
        hop = next((entry for entry in known if entry.kind == "link"), None)
        if hop is None:
            return path if path in content.entries else ""
        path = _joined(content, hop.name, hop.target + path.removeprefix(hop.name))
    return ""


def _joined(content: Content, name: str, target: str) -> str:
    """The name in the archive of where a link of that name leads; empty when that is outside of it."""
    if not target.startswith("/"):
        path = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        return "" if path in (".", "..") or path.startswith("../") else path
    whole = posixpath.normpath(target).lstrip("/")
    usual = USUAL_HOME.match(f"/{whole}/")
    below = f"/{whole}/"[usual.end() :].rstrip("/") if usual else ""
    return next((path for path in (whole, below) if path and path.split("/")[0] in _tops(content)), "")


def _tops(content: Content) -> set[str]:
    return {name.partition("/")[0] for name in content.entries}


def _shown(name: str) -> str:
    return repr(name[:120] + ("…" if len(name) > 120 else ""))
