"""What should be of one tenant, as far as it can be compared with what a host says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from launchpad.errors import LaunchpadError


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A tenant as the inventory has it. `problem` says why there is no release: a secret or a digest is missing."""

    tenant: str
    host: str
    app: str
    version: str
    running: bool = True
    release: str = ""
    """The release's short name; empty when there is a problem."""
    domains: tuple[str, ...] = ()
    secrets: Mapping[str, int] = field(default_factory=dict)
    versions: Sequence[str] = ()
    """The app's versions, the oldest first."""
    problem: LaunchpadError | None = None

    def is_older_than(self, version: str) -> bool:
        """Whether the wanted version comes before that one: by the app's own order, else by the numbers in it."""
        if self.version in self.versions and version in self.versions:
            return self.versions.index(self.version) < self.versions.index(version)
        return _numbers(self.version) < _numbers(version)


def _numbers(version: str) -> list[tuple[int, int, str]]:
    """`2026.10.2` → a key that sorts 10 after 9; a part that is no number comes before one that is."""
    parts = version.replace("-", ".").replace("_", ".").split(".")
    return [(1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part) for part in parts]
