"""How a self-hosted one's files lie, and where they go in a tenant: what an app says of `import` and `export`."""

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
    """A path in an archive, from the home of whoever ran it; hidden parts are fine."""

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
    """A volume, or a path in one: `state`, `state/workspace`."""

    __slots__ = ()
    noun = "place in a volume"
    expected = "a volume, or a path in one, such as state/workspace"

    @property
    def volume(self) -> str:
        return self.partition("/")[0]


class VolumePattern(VolumePath):
    """Paths in volumes: `*` stands for any part of a name, `**` for any number of folders."""

    __slots__ = ()
    noun = "pattern"
    pattern = re.compile(r"[A-Za-z0-9._@+* -]+(?:/[A-Za-z0-9._@+* -]+)*")
    expected = "a path such as state/agents/*/sessions/sessions.json; ** is any number of folders"

    def matches(self, path: str) -> bool:
        """Whether the path is one of these, or lies below one."""
        return _expression(self).match(path) is not None


class InsidePath(Text):
    """An absolute path inside a container."""

    __slots__ = ()
    noun = "absolute path"
    pattern = re.compile(rf"(?:/{_PART})+")
    longest = 200
    expected = "an absolute path such as /home/node/.openclaw"


class KeyPath(Text):
    """Where a value stands in a JSON document: keys with dots between, `*` for any key."""

    __slots__ = ()
    noun = "key"
    pattern = re.compile(r"[A-Za-z0-9_*:-]+(?:\.[A-Za-z0-9_*:-]+)*")
    longest = 200
    expected = "keys with dots between, such as channels.telegram.botToken"

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.split("."))


class Layout(Model):
    """One way in which a self-hosted one's files lie below its home."""

    name: Prose
    """What people call it."""
    marker: ArchivePath
    """The file by which it is known."""
    version: KeyPath | None = None
    """Where in that file it says which version it is."""
    into: tuple[VersionName, ...] = ()
    """The versions of the app that take it over in one step; empty: any that is not older."""
    places: Annotated[Mapping[ArchivePath, VolumePath], Field(min_length=1)]
    """Each folder or file of the home that comes along, and where it goes; the longest that fits counts."""


class KeptSecret(Model):
    """A secret that a self-hosted one keeps in a JSON file, and what is to stand there once Launchpad keeps it."""

    secret: SecretName
    """Which of the app's secrets it is."""
    file: VolumePattern
    """The files in which it may stand."""
    key: KeyPath
    """The key under which it stands, such as channels.telegram.botToken."""
    where: Mapping[str, str] = {}
    """What else the same object has to say, such as {provider: openai}."""
    instead: Annotated[Mapping[str, Any], Field(min_length=1)]
    """Keys that take the place of the last one."""


class Imports(Model):
    """What of a self-hosted one becomes a tenant's data."""

    layouts: Annotated[tuple[Layout, ...], Field(min_length=1)]
    """The first whose marker is there counts."""
    inside: Mapping[VolumeName, InsidePath] = {}
    """Where each volume lies in the container: what the old one's own absolute paths become."""
    rewrite: tuple[VolumePattern, ...] = ()
    """The text files in which they do."""
    leave_out: tuple[VolumePattern, ...] = ()
    """What is of no use elsewhere: caches, locks, sockets. A link to what is not in the archive is left out too."""
    environment: tuple[VolumePattern, ...] = ()
    """Files of NAME=value lines, in which secrets may stand too."""
    secrets: tuple[KeptSecret, ...] = ()
    """Secrets that are found in its files, and sealed."""
    private: tuple[VolumePattern, ...] = ()
    """JSON files in which other credentials may stand: each that stays in one is named."""

    def findings(self) -> Iterator[ModelMistake]:
        for index, item in enumerate(self.layouts):
            if not any(_is_below(item.marker, place) for place in item.places):
                expected = f"a place for it, or for a folder above {item.marker}"
                yield ModelMistake(("layouts", index, "marker"), "the marker is in none of the places", expected)


class Exports(Model):
    """What a tenant's data is called in an archive that a plain install of the app starts on, unpacked in a home."""

    places: Annotated[Mapping[VolumePath, ArchivePath], Field(min_length=1)]
    """Each volume, or path in one, and what it is called in the archive."""
    leave_out: tuple[VolumePattern, ...] = ()
    """What is of no use elsewhere: caches, locks, sockets."""
    environment: ArchivePath | None = None
    """The file of NAME=value lines from which the app reads its secrets."""

    def findings(self) -> Iterator[ModelMistake]:
        names = list(self.places.values())
        for path, name in self.places.items():
            if any(other is not name and _is_below(name, other) for other in names):
                yield ModelMistake(("places", path), f"{name} is in another one's place", "names beside one another")


def volumes_of(imports: Imports | None, exports: Exports | None) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Every volume that they name, and where."""
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
    """`**/` is any number of folders, `*` any part of a name; what lies below a match matches too."""
    text = re.escape(pattern).replace(r"\*\*/", "(?:[^/]+/)*").replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
    return re.compile(f"{text}(?:/|$)")
