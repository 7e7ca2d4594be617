"""Recognise an archive: the app's layout, where the layout begins in the archive, and the version."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from launchpad.archives.judging import ArchiveMember, Content
from launchpad.archives.opening import ArchiveRefused
from launchpad.archives.texts import parsed, values_at
from launchpad.fleet.model.app import App
from launchpad.fleet.model.layout import Imports, Layout
from launchpad.fleet.words.names import VersionName

MOST_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Recognised:
    """A layout that was found in an archive."""

    layout: Layout
    home: str
    """The archive's folder that is the home; empty for the top."""
    stripped: str = ""
    """The folder that was packed without its own name, such as `.openclaw`; empty otherwise."""
    version: str = ""
    """The version from the marker; empty when unknown."""

    def place_of(self, name: str) -> str | None:
        """The entry's new path, as volume/path; None for an entry that is left out."""
        below = _below(name, self.home)
        if below is None:
            return None
        if self.stripped:
            below = f"{self.stripped}/{below}" if below else self.stripped
        fitting = [place for place in self.layout.places if below == place or below.startswith(f"{place}/")]
        if not fitting:
            return None
        longest = max(fitting, key=len)
        return self.layout.places[longest] + below.removeprefix(longest)


def is_marker(app: App, name: str) -> bool:
    """Whether an entry of that name may be a marker of the app's archives."""
    imports = app.imports
    return imports is not None and any(_ends(name, item.marker.rpartition("/")[2]) for item in imports.layouts)


def places_of(imports: Imports) -> tuple[str, ...]:
    """The outermost folders of a home that may belong to the app."""
    found = dict.fromkeys(str(place) for layout in imports.layouts for place in layout.places)
    return tuple(place for place in found if not any(_below(place, other) for other in found))


def markers_in_its_own_folder(imports: Imports) -> tuple[str, ...]:
    """The markers at the top of the app's own folder."""
    return tuple(dict.fromkeys(marker for _, stripped, marker in _ways(imports) if stripped))


def places_in_its_own_folder(imports: Imports) -> tuple[str, ...]:
    """The same, with other places that a layout declares below the app's folder, such as a workspace."""
    below = (str(goes).partition("/")[2] for layout in imports.layouts for goes in layout.places.values())
    return tuple(dict.fromkeys([*markers_in_its_own_folder(imports), *(name for name in below if name)]))


def recognise(content: Content, app: App, *, archive: str) -> Recognised:
    """The archive's layout. ArchiveRefused, with what was found and what was expected, when the archive has no
    installation of the app, or two."""
    imports = app.imports
    if imports is None:
        raise ArchiveRefused(
            f"{app.name} does not support imports",
            code="does-not-support-imports",
            hint=f"write imports: in inventory/apps/{app.name}.yaml",
        )
    linked = {entry.source for entry in content.files if entry.followed}
    files = [entry.name for entry in content.files if entry.name not in linked]
    for layout, stripped, marker in _ways(imports):
        homes = [name[: -len(marker)].rstrip("/") for name in files if _ends(name, marker)]
        broken = dict(_broken(content, marker))
        if homes or broken:
            home = _the_one([*homes, *broken], marker, archive)
            if home in broken:
                raise _leads_out(broken[home], archive)
            version = _version(content, layout, f"{home}/{marker}".lstrip("/"), archive)
            found = Recognised(layout=layout, home=home, stripped=stripped, version=version)
            _refuse_lost_places(content, found, imports, archive)
            return found
    raise ArchiveRefused(
        f"{archive}: not an archive of {app.name}: it has {_shown(content.entries)}; expected {_expected(imports)}",
        code="archive-not-of-app",
        hint=_how_to_pack(imports),
    )


def _broken(content: Content, marker: str) -> Iterator[tuple[str, ArchiveMember]]:
    """Each home whose marker is missing because a link points outside the archive, with that link."""
    parts = marker.split("/")
    for entry in content.entries.values():
        for count in range(1, len(parts) + 1) if entry.kind == "link" else ():
            place = "/".join(parts[:count])
            if _ends(entry.name, place):
                yield entry.name[: -len(place)].rstrip("/"), entry


def _refuse_lost_places(content: Content, recognised: Recognised, imports: Imports, archive: str) -> None:
    """ArchiveRefused when a place of the layout, such as a workspace, is a link to something outside the archive."""
    wanted = {str(goes) for layout in imports.layouts for goes in layout.places.values()}
    for entry in content.entries.values():
        if entry.kind == "link" and recognised.place_of(entry.name) in wanted:
            raise _leads_out(entry, archive)


def _leads_out(link: ArchiveMember, archive: str) -> ArchiveRefused:
    message = f"{archive}: {link.name[:120]} is a link to {link.target[:120]!r}, which is not in the archive"
    return ArchiveRefused(
        message, code="archive-link-outside", hint="pack again with tar -h, which follows links: tar -chzf …"
    )


def _ways(imports: Imports) -> Iterable[tuple[Layout, str, str]]:
    """The places for a layout's marker: below its home, or at the top when only one folder was packed."""
    for layout in imports.layouts:
        yield layout, "", layout.marker
    for layout in imports.layouts:
        for place in layout.places:
            if layout.marker.startswith(f"{place}/"):
                yield layout, place, layout.marker.removeprefix(f"{place}/")


def _the_one(homes: Collection[str], marker: str, archive: str) -> str:
    """The outermost home; homes below it are its own backups. ArchiveRefused for two separate homes."""
    first = min(homes, key=lambda home: (home.count("/") if home else -1, home))
    others = [home for home in homes if home != first and _below(home, first) is None]
    if others:
        names = " and ".join(f"{home or '.'}/{marker}" for home in (first, min(others)))
        raise ArchiveRefused(
            f"{archive}: the archive has two installations: {names}",
            code="archive-two-installations",
            hint="pack only one of them",
        )
    return first


def _version(content: Content, layout: Layout, path: str, archive: str) -> str:
    if layout.version is None:
        return ""
    found = values_at(parsed(content.texts.get(path, b""), where=f"{archive}: {path}"), layout.version)
    version = next((str(value) for _, value in found if isinstance(value, str)), "")
    return version if VersionName.pattern.fullmatch(version) and len(version) <= VersionName.longest else ""


def _below(name: str, folder: str) -> str | None:
    """The rest of the name below the folder; None when the name is not below it."""
    if not folder:
        return name
    if name == folder:
        return ""
    return name.removeprefix(f"{folder}/") if name.startswith(f"{folder}/") else None


def _ends(name: str, marker: str) -> bool:
    return name == marker or name.endswith(f"/{marker}")


def _shown(names: Iterable[str]) -> str:
    top = sorted({"/".join(name.split("/")[:2]) for name in names})
    more = f" and {len(top) - MOST_SHOWN} more" if len(top) > MOST_SHOWN else ""
    return ", ".join(name[:60] for name in top[:MOST_SHOWN]) + more


def _expected(imports: Imports) -> str:
    return " or ".join(f"{item.marker} ({item.name})" for item in imports.layouts)


def _how_to_pack(imports: Imports) -> str:
    folders = [place for place in imports.layouts[0].places if "/" not in place]
    return f"tar -czf state.tgz -C ~ {' '.join(folders)}"
