"""What somebody with a stolen operator's key can send: any release and any files, with every digest in order."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from launchpad.render.release import Rendered
from launchpad.runner.protocol import digest_of, release_as_json


@dataclass
class Forgery:
    """A rendered release, open to any change; `release` and `compose` are plain JSON."""

    release: dict[str, Any]
    compose: dict[str, Any]
    files: dict[str, str]
    late: list[Callable[[], object]] = field(default_factory=list)
    """Done after the digests are put in order."""

    @classmethod
    def of(cls, rendered: Rendered) -> Forgery:
        files = dict(rendered.files)
        return cls(copy.deepcopy(release_as_json(rendered.release)), json.loads(files["compose.yaml"]), files)

    @property
    def service(self) -> dict[str, Any]:
        """The first service of the Compose project."""
        service: dict[str, Any] = next(iter(self.compose["services"].values()))
        return service

    @property
    def manifest_service(self) -> dict[str, Any]:
        """The first service of the manifest."""
        service: dict[str, Any] = self.release["services"][0]
        return service

    def site(self, old: str, new: str) -> None:
        """Write something of the site otherwise."""
        assert old in self.files["site.caddy"]
        self.files["site.caddy"] = self.files["site.caddy"].replace(old, new)

    def directive(self, text: str) -> None:
        """One more directive of the site."""
        self.site("\treverse_proxy ", f"\t{text}\n\treverse_proxy ")

    def mount(self, source: str, target: str = "/stolen", **more: Any) -> None:
        """One more bind mount, as harmless as it can look."""
        self.service["volumes"].append({"type": "bind", "source": source, "target": target, "read_only": True} | more)

    def finished(self) -> tuple[dict[str, Any], dict[str, str]]:
        """The release and the files as they would be sent."""
        written = json.dumps(self.compose, indent=2, ensure_ascii=False) + "\n"
        self.files["compose.yaml"] = self.files["compose.yaml"] if self.raw else written
        self.release["files"] = {path: digest_of(text.encode()) for path, text in self.files.items()}
        for change in self.late:
            change()
        return self.release, self.files

    raw: bool = False
    """Whether files["compose.yaml"] is sent as it stands instead of `compose`."""

    def say(self, text: str) -> None:
        """Send this text as compose.yaml."""
        self.files["compose.yaml"], self.raw = text, True


Forge = Callable[[Forgery], Any]


@dataclass(frozen=True)
class Attack:
    """One attempt, which each of `layers` has to refuse by itself: `release`, `compose` or `site`."""

    name: str
    forge: Forge
    says: str
    """A part of what the first layer answers."""
    layers: tuple[str, ...] = ("release",)
