"""The file layout of self-hosted installations, and its mapping to a tenant's volumes: an app's `imports` and
`exports`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import Field

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.words.malformed import Malformed, Text
from launchpad.fleet.words.names import SecretName, VersionName, VolumeName
from launchpad.fleet.words.references import Prose

_PART = r"[A-Za-z0-9._@+ -]+"


class ArchivePath(Text):
    """A path in an archive, relative to a home folder; hidden parts are allowed."""

    __slots__ = ()
    noun = "path"
    pattern = re.compile(rf"{_PART}(?:/{_PART})*")
    longest = 200
    expected = "a relative path such as .openclaw/openclaw.json"

    @classmethod
    def judge(cls, text: str) -> None:
        if not {".", ".."}.isdisjoint(text.split("/")):
            raise Malformed(f"bad {cls.noun} {text!r}", expected=cls.expected)


class VolumePath(ArchivePath):
    """A volume, or a path in a volume: `state`, `state/workspace`."""

    __slots__ = ()
    noun = "place in a volume"
    expected = "a volume, or a path in a volume, such as state/workspace"

    @property
    def volume(self) -> str:
        return self.partition("/")[0]


class VolumePattern(VolumePath):
    """A pattern of paths in volumes: `*` matches any part of a name, `**` any number of folders."""

    __slots__ = ()
    noun = "pattern"
    pattern = re.compile(r"[A-Za-z0-9._@+* -]+(?:/[A-Za-z0-9._@+* -]+)*")
    expected = "a path such as state/agents/*/sessions/sessions.json; ** is any number of folders"

    def matches(self, path: str) -> bool:
        """Whether the path matches, or is below a match."""
        return _expression(self).match(path) is not None


class InsidePath(Text):
    """An absolute path inside a container."""

    __slots__ = ()
    noun = "absolute path"
    pattern = re.compile(rf"(?:/{_PART})+")
    longest = 200
    expected = "an absolute path such as /home/node/.openclaw"


class KeyPath(Text):
    """The place of a value in a JSON document: keys joined by dots, `*` for any key."""

    __slots__ = ()
    noun = "key"
    pattern = re.compile(r"[A-Za-z0-9_*:-]+(?:\.[A-Za-z0-9_*:-]+)*")
    longest = 200
    expected = "keys joined by dots, such as channels.telegram.botToken"

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.split("."))


class Layout(Model):
    """One layout of a self-hosted installation's files below a home folder."""

    name: Prose
    """The layout's name for people."""
    marker: ArchivePath
    """The file that identifies the layout."""
    version: KeyPath | None = None
    """The key of the version in that file."""
    into: tuple[VersionName, ...] = ()
    """The versions of the app into which this layout can be imported. Default: any version that is not older."""
    places: Annotated[Mapping[ArchivePath, VolumePath], Field(min_length=1)]
    """Each folder or file of the home folder that is imported, and its place in a volume; the longest match counts."""


class KeptSecret(Model):
    """A secret that a self-hosted installation has in a JSON file, and its replacement in the file after the import."""

    secret: SecretName
    """The name of the app's secret."""
    file: VolumePattern
    """The files that may have the secret."""
    key: KeyPath
    """The key of the secret in the file, such as channels.telegram.botToken."""
    where: Mapping[str, str] = {}
    """Other values that the same JSON object must have, such as {provider: openai}."""
    instead: Annotated[Mapping[str, Any], Field(min_length=1)]
    """The keys that replace the last key of `key`."""


class Imports(Model):
    """How a self-hosted installation becomes a tenant's data."""

    layouts: Annotated[tuple[Layout, ...], Field(min_length=1)]
    """The known layouts; the first layout whose marker exists is used."""
    inside: Mapping[VolumeName, InsidePath] = {}
    """The path of each volume in the container, which replaces the old installation's absolute paths."""
    rewrite: tuple[VolumePattern, ...] = ()
    """The text files in which absolute paths are replaced."""
    leave_out: tuple[VolumePattern, ...] = ()
    """Files that are not imported: caches, locks, sockets. Links to files outside of the archive are not imported
    either."""
    environment: tuple[VolumePattern, ...] = ()
    """Files of NAME=value lines that may have secrets."""
    secrets: tuple[KeptSecret, ...] = ()
    """Secrets that are found in the files and sealed into the inventory."""
    private: tuple[VolumePattern, ...] = ()
    """JSON files that may have other credentials; each credential that stays in a file is reported."""

    def findings(self) -> Iterator[ModelMistake]:
        for index, item in enumerate(self.layouts):
            if not any(_is_below(item.marker, place) for place in item.places):
                expected = f"a place for {item.marker}, or for a folder above it"
                yield ModelMistake(
                    ("layouts", index, "marker"), f"the marker {item.marker} is in none of the places", expected
                )


class Exports(Model):
    """The layout of an exported archive, on which a self-hosted installation starts after unpacking it into a home
    folder."""

    places: Annotated[Mapping[VolumePath, ArchivePath], Field(min_length=1)]
    """Each volume, or path in a volume, and its name in the archive."""
    leave_out: tuple[VolumePattern, ...] = ()
    """Files that are not exported: caches, locks, sockets."""
    environment: ArchivePath | None = None
    """The file of NAME=value lines from which the app reads its secrets."""

    def findings(self) -> Iterator[ModelMistake]:
        names = list(self.places.values())
        for path, name in self.places.items():
            if any(other is not name and _is_below(name, other) for other in names):
                yield ModelMistake(
                    ("places", path),
                    f"the name {name} is inside the name of another place",
                    "names that are not inside one another",
                )


def volumes_of(imports: Imports | None, exports: Exports | None) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every volume that the imports and exports name, and the place of the name."""
    if imports is not None:
        for index, layout in enumerate(imports.layouts):
            for place, goes in layout.places.items():
                yield ("imports", "layouts", index, "places", place), goes.volume
        for volume in imports.inside:
            yield ("imports", "inside", volume), str(volume)
    if exports is not None:
        for volume_path in exports.places:
            yield ("exports", "places", volume_path), volume_path.volume


def _is_below(path: str, above: str) -> bool:
    return path == above or path.startswith(f"{above}/")


def _expression(pattern: str) -> re.Pattern[str]:
    """`**/` matches any number of folders, `*` any part of a name; everything below a match matches too."""
    text = re.escape(pattern).replace(r"\*\*/", "(?:[^/]+/)*").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(f"{text}(?:/|$)")
