"""The verbs about backups: what a host recorded, what the repositories contain, and a trial of a target."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from launchpad.runner.record import Record
from launchpad.runner.wire.body import Body

NOTHING: Mapping[str, Any] = MappingProxyType({})


class SentBackup(Record):
    """The last backup at a target."""

    operation: str
    at: float
    snapshot: str
    bytes: int
    added: int
    files: int = 0
    seconds: float = 0.0


class FailedBackup(Record):
    """Why the last backup did not arrive at a target."""

    operation: str
    at: float
    message: str


class VerifiedBackup(Record):
    """A verification of a part of a repository; with a message when it found damage."""

    operation: str
    at: float
    part: str
    message: str = ""


class ThinnedBackups(Record):
    """The last prune of a repository by the host."""

    operation: str
    at: float
    removed: tuple[str, ...]
    left: int


class TargetState(Record):
    """What the host recorded of a target."""

    sent: SentBackup | None = None
    failed: FailedBackup | None = None
    verified: VerifiedBackup | None = None
    damaged: VerifiedBackup | None = None
    thinned: ThinnedBackups | None = None
    wrapped: bool = False
    """Whether the target has the newest wrapped key."""
    parts: Mapping[str, float] = NOTHING
    """Part → when it was verified."""


class ProvenBackup(Record):
    """The backup that was booted last."""

    target: str
    snapshot: str
    proven: float
    at: float = 0.0
    generation: str = ""
    version: str = ""
    operation: str = ""
    host: str = ""
    """Another host that proved it; empty for the host itself."""


class StoredBackup(Record):
    """A backup in a repository. The numbers are None in backups by an old restic."""

    id: str
    time: str
    tags: tuple[str, ...]
    bytes: int | None = None
    files: int | None = None
    new_files: int | None = None
    added: int | None = None


class ReadAtTarget(Record):
    """What restic's own program read of a repository."""

    snapshots: tuple[StoredBackup, ...] = ()
    """The oldest first."""
    there: bool = False
    """Whether there is a repository."""
    wraps: tuple[str, ...] = ()
    """The wrapped keys beside it, the newest first."""


class ThinnedAtTarget(Record):
    """What restic's own program deleted of a repository."""

    removed: tuple[str, ...]
    left: int = 0
    seen: Mapping[str, Any] | None = None
    """What to remember of it."""
    odd: tuple[str, ...] = ()
    """Backups out of order, on which nobody has decided."""


class BackupsReply(Record):
    key: bool
    """Whether the host has the repository's key."""
    wrap: str = ""
    """The wrapped key; empty for none."""
    targets: Mapping[str, TargetState] = NOTHING
    proven: ProvenBackup | None = None
    snapshots: Mapping[str, tuple[StoredBackup, ...]] = NOTHING
    """Target → its backups, the oldest first."""
    there: tuple[str, ...] = ()
    """The targets that have a repository."""
    wraps: tuple[str, ...] = ()
    """The wrapped keys beside the repositories."""
    problems: Mapping[str, str] = NOTHING
    """Target → why it could not be read."""


class ReadBackups(Body):
    """What the host knows of a tenant's backups, and what the named targets contain."""

    VERB = "backups"
    REPLY = BackupsReply
    tenant: str
    targets: tuple[Mapping[str, Any], ...] = ()
    """Those to read."""
    secrets: Mapping[str, Any] = NOTHING
    """The repository's key, if the host does not have it."""
    wraps: bool = False
    """Whether to read the wrapped keys instead of the backups."""
    source: str = ""
    """The tenant whose backups or wrapped keys to read, if it is another one: then the secrets must have its key. For a
    tenant that is not on this host, `source` names the tenant itself, and the unused uid reads."""

    def __repr__(self) -> str:
        return f"ReadBackups(tenant={self.tenant!r})"  # the secrets stand in no message


class TargetTrial(Record):
    """What a host's credentials can do to a target; `delete` and `overwrite` are `refused`, `done` or `untried`."""

    reached: bool
    problem: str = ""
    """Why it was not reached."""
    delete: str = "untried"
    overwrite: str = "untried"


class TryTarget(Body):
    """Connect to the target, add, delete and overwrite there."""

    VERB = "target"
    REPLY = TargetTrial
    target: Mapping[str, Any]
    """One of the host's settings."""
