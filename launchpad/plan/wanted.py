"""A tenant's wanted state, as far as it can be compared with a host's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.version_order import is_older


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """A tenant in the inventory. `problem` says why it has no release: a secret or a digest is missing."""

    tenant: str
    host: str
    app: str
    version: str
    running: bool = True
    release: str = ""
    """The release's short name; empty with a problem."""
    domains: tuple[str, ...] = ()
    secrets: Mapping[str, int] = field(default_factory=dict)
    versions: Sequence[str] = ()
    """The app's versions, oldest first."""
    follows: Sequence[str] = ()
    """The versions that the wanted one may replace in one step; empty: any older one."""
    problem: LaunchpadError | None = None
    descends: bool = True
    """Whether the inventory descends from the running release's revision; checked only when the releases differ."""
    wrapped_for: str = ""
    """A digest of the recipients that the backup key should be wrapped for; empty without backups."""
    backup_every: float | None = None
    """Seconds between two backups by its tier; None without backups."""

    def is_older_than(self, version: str) -> bool:
        """Whether the wanted version is older than this one."""
        return is_older(self.version, version, self.versions)
