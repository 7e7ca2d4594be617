"""The steps of backing a tenant up: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them."""

from __future__ import annotations

from typing import Any

from launchpad.runner.step import Step


class FreezeData(Step):
    """Take a snapshot of the data for the time of the backup. Undo removes the snapshot."""

    tenant: str

    title = "freeze the data"


class CheckDatabases(Step):
    """Check every SQLite file in the data."""

    tenant: str
    slot: int
    disk_mb: int

    title = "check the databases"


class SendBackup(Step):
    """Send the frozen data to one target's repository. A failed target is reported; the other targets continue."""

    tenant: str
    slot: int
    target: dict[str, Any]

    @property
    def title(self) -> str:
        return f"send the data to {self.target['name']}"


class RecordBackup(Step):
    """Record the backup. Failed unless at least one target has it."""

    tenant: str
    targets: tuple[str, ...]

    title = "record the backup"
    undone = False


class DropFrozen(Step):
    """Remove the frozen data. Only after the commit."""

    tenant: str

    title = "remove the frozen copy"
    undone = False


class VerifyBackup(Step):
    """Verify one target's repository and a part of its data. A problem is recorded; the other targets continue."""

    tenant: str
    slot: int
    target: dict[str, Any]
    part: str

    @property
    def title(self) -> str:
        return f"verify part {self.part} of the backups at {self.target['name']}"


class JudgeVerify(Step):
    """Failed when a target's repository is damaged or could not be read."""

    tenant: str
    targets: tuple[str, ...]

    title = "report the result"
    undone = False


class FetchBackup(Step):
    """Fetch a backup's files into a separate folder. Undo removes the files."""

    tenant: str
    slot: int
    target: dict[str, Any]
    snapshot: str
    volumes: tuple[str, ...]
    disk_mb: int
    source: str = ""
    """The tenant of the backup, when it is another tenant's."""

    @property
    def title(self) -> str:
        return f"fetch backup {self.snapshot[:8]} from {self.target['name']}"


class KeepFetched(Step):
    """Keep the fetched files as a generation with its record. An earlier fetched generation is removed."""

    tenant: str
    record: dict[str, Any]

    @property
    def title(self) -> str:
        return f"keep the backup as generation {self.record['id']}"


class ProveBackup(Step):
    """Boot the fetched data as the running release on an isolated clone, and wait until it is ready. Undo removes the
    clone."""

    tenant: str
    release: str
    version: str
    app: str
    disk_mb: int
    backup: dict[str, Any]
    """{"target", "snapshot", "at", "generation"}: the backup that is proven."""

    @property
    def title(self) -> str:
        return f"boot the backup as {self.app} {self.version} on a clone"


class DropFetched(Step):
    """Remove the fetched files. Only after the commit."""

    tenant: str

    title = "remove the fetched files"
    undone = False


class ThinBackups(Step):
    """Delete the backups in a folder of this host that the policy does not keep. Undo restores none."""

    tenant: str
    slot: int
    target: dict[str, Any]
    keep: dict[str, int]
    spare: str
    """The generation whose backup was proven last; empty for none."""

    @property
    def title(self) -> str:
        return f"prune the backups at {self.target['name']}"


class KeepWrap(Step):
    """Store the repository's key as wrapped for these recipients. Undo restores the earlier wrapped key."""

    tenant: str
    wrap: str
    recipients: str

    title = "save the newly wrapped key"


class LayWrap(Step):
    """Store the wrapped key beside one target's repository as the newest one. A failed target is reported and gets the
    key with the next backup; the other targets continue."""

    tenant: str
    slot: int
    target: dict[str, Any]

    @property
    def title(self) -> str:
        return f"store the wrapped key beside the backups at {self.target['name']}"


BackupStep = (
    FreezeData | CheckDatabases | SendBackup | RecordBackup | DropFrozen | VerifyBackup | JudgeVerify
    | FetchBackup | KeepFetched | ProveBackup | DropFetched | ThinBackups | KeepWrap | LayWrap
)  # fmt: skip
