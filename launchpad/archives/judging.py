"""Judge an archive: the names and sizes of all entries, before anything is used."""

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
"""The largest file in bytes that is parsed, and not only copied."""


@dataclass(frozen=True)
class ArchiveMember:
    """A file, folder or link of an archive; its name has no leading `./` and no trailing `/`."""

    name: str
    kind: str
    """file, folder, or link."""
    size: int
    source: str = ""
    """The file with the content, for a hard link or a followed link."""
    target: str = ""
    """The target of a link that was not followed."""
    followed: bool = False
    """Whether this entry is a link's target under the link's name."""


@dataclass
class Content:
    """All entries of an archive by name, and the requested texts."""

    entries: dict[str, ArchiveMember] = field(default_factory=dict)
    texts: dict[str, bytes] = field(default_factory=dict)

    @property
    def files(self) -> Iterable[ArchiveMember]:
        return (entry for entry in self.entries.values() if entry.kind == "file")

    @property
    def followed(self) -> dict[str, list[ArchiveMember]]:
        """The files that replace links, by the file with their content."""
        found: dict[str, list[ArchiveMember]] = {}
        for entry in self.entries.values():
            if entry.followed and entry.source:
                found.setdefault(entry.source, []).append(entry)
        return found


def judge(tar: tarfile.TarFile, *, archive: str, wanted: Callable[[str], bool]) -> Content:
    """Read the archive once. ArchiveRefused, with the entry's name, for anything that an ordinary archive of files does
    not have. `wanted` decides by a file's name whether its text is kept."""
    content = Content()
    for member in tar:
        entry = _entry(member, archive)
        if entry is None:
            continue
        if member.islnk():
            entry = _hard_link(content, entry, member.linkname, archive)
        _judge_place(content, entry, archive)
        if len(content.entries) >= MOST_ENTRIES:
            raise ArchiveRefused(
                f"{archive}: the archive has more than {MOST_ENTRIES} entries", code="archive-too-many-entries"
            )
        content.entries[entry.name] = entry
        if entry.kind == "file" and not entry.source and entry.size <= LARGEST_TEXT and wanted(entry.name):
            content.texts[entry.name] = read(tar, member)
    if not content.entries:
        raise ArchiveRefused(f"{archive}: the archive is empty", code="archive-empty")
    _follow(content, archive)
    for member in tar.getmembers() if any(entry.followed for entry in content.entries.values()) else ():
        for entry in content.followed.get(plain_name(member.name), ()):
            if entry.size <= LARGEST_TEXT and wanted(entry.name):
                content.texts[entry.name] = read(tar, member)
    return content


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The whole content of a small file."""
    stream = tar.extractfile(member)
    return stream.read() if stream else b""


def plain_name(name: str) -> str:
    """The entry's name without leading `./` and trailing `/`; empty for the archive's top folder."""
    name = name.rstrip("/")
    while name.startswith("./"):
        name = name[2:].lstrip("/")
    return "" if name == "." else name


def _entry(member: tarfile.TarInfo, archive: str) -> ArchiveMember | None:
    name = plain_name(member.name)
    shown = _shown(member.name)
    if member.name.startswith("/"):
        raise ArchiveRefused(
            f"{archive}: {shown} is an absolute name",
            code="archive-absolute-name",
            hint="pack it with tar -C FOLDER, without /",
        )
    if not name:
        if not member.isdir():
            raise ArchiveRefused(f"{archive}: {shown} is not a file name", code="archive-not-file-name")
        return None
    parts = name.split("/")
    if ".." in parts:
        raise ArchiveRefused(f"{archive}: {shown} points outside the archive", code="archive-points-outside")
    if "" in parts or "." in parts or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise ArchiveRefused(f"{archive}: {shown} is not a plain name", code="archive-not-plain-name")
    try:
        length, longest = len(name.encode()), max(len(part.encode()) for part in parts)
    except UnicodeEncodeError as error:
        raise ArchiveRefused(f"{archive}: {shown} is not UTF-8", code="archive-name-not-utf-8") from error
    if length > LONGEST_NAME or longest > LONGEST_PART or len(parts) > DEEPEST:
        raise ArchiveRefused(f"{archive}: {shown} is too long or too deep", code="archive-name-too-long")
    kind = _kind(member, shown, archive)
    return ArchiveMember(
        name, kind, member.size if member.isreg() else 0, target=member.linkname if kind == "link" else ""
    )


def _kind(member: tarfile.TarInfo, shown: str, archive: str) -> str:
    if member.isdir():
        return "folder"
    if member.issparse():
        raise ArchiveRefused(
            f"{archive}: {shown} is a sparse file",
            code="archive-sparse-file",
            hint="pack it with tar, without --sparse",
        )
    if member.isreg():
        return "file"
    if member.issym():
        return "link"  # it may point anywhere on the old machine: only targets in the archive are followed
    if member.islnk():
        return "file"
    kinds = {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device", tarfile.FIFOTYPE: "a pipe"}
    raise ArchiveRefused(
        f"{archive}: {shown} is {kinds.get(member.type, 'neither a file nor a folder')}",
        code="archive-not-file-or-folder",
    )


def _hard_link(content: Content, entry: ArchiveMember, target: str, archive: str) -> ArchiveMember:
    """The entry for a hard link to an earlier file."""
    found = content.entries.get(plain_name(target)) if not target.startswith("/") else None
    if found is None or found.kind != "file":
        raise ArchiveRefused(
            f"{archive}: {_shown(entry.name)} is a hard link to {_shown(target)}, which is not in the archive",
            code="archive-hard-link-outside",
        )
    return ArchiveMember(entry.name, "file", found.size, source=found.source or found.name)


def _judge_place(content: Content, entry: ArchiveMember, archive: str) -> None:
    """Refuse an entry with an existing name, or below an entry that is not a folder."""
    shown = _shown(entry.name)
    before = content.entries.get(entry.name)
    if before is not None and (before.kind, entry.kind) != ("folder", "folder"):
        raise ArchiveRefused(f"{archive}: {shown} is in the archive twice", code="archive-name-twice")
    above = entry.name.rpartition("/")[0]
    while above:
        found = content.entries.get(above)
        if found is None:
            content.entries[above] = ArchiveMember(above, "folder", 0)
        elif found.kind != "folder":
            raise ArchiveRefused(
                f"{archive}: {shown} is below {_shown(above)}, which is a {found.kind}", code="archive-file-below-file"
            )
        else:
            break
        above = above.rpartition("/")[0]


def _follow(content: Content, archive: str) -> None:
    """Replace each link to something in the archive by its target, because people keep configuration elsewhere and link
    to it. A link that points outside the archive, or to a folder above itself, stays a link."""
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
                f"{archive}: with the targets of its links, the archive has more than {MOST_ENTRIES} entries",
                code="archive-links-too-many",
            )
    if sum(entry.size for entry in made.values()) > MOST_TIMES * sum(entry.size for entry in real.values()):
        message = f"{archive}: with the targets of its links, the archive is over {MOST_TIMES} times as large"
        raise ArchiveRefused(message, code="archive-links-too-large", hint="pack only the app's own folder")
    content.entries |= made


def _as(found: ArchiveMember, name: str) -> ArchiveMember:
    """The same entry under another name."""
    source = (found.source or found.name) if found.kind == "file" else ""
    return ArchiveMember(name, found.kind, found.size, source=source, followed=True)


def resolved(content: Content, link: ArchiveMember) -> str:
    """The archive's entry that the link points to, also through other links; empty for none."""
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
    """The target's name in the archive for a link of that name; empty when the target is outside the archive."""
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
