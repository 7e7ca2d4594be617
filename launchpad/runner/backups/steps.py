"""The steps of backing a tenant up: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them."""

from __future__ import annotations

from typing import Any

from launchpad.runner.step import Step


class FreezeData(Step):
    """One instant of the data, for as long as the backup lasts. Undo removes it."""

    tenant: str

    title = "freeze the data"


class CheckDatabases(Step):
    """Every SQLite file in it is sound."""

    tenant: str
    slot: int
    disk_mb: int

    title = "check the databases"


class SendBackup(Step):
    """The frozen data in one target's repository. A target that does not take it is told, and stops no other."""

    tenant: str
    slot: int
    target: dict[str, Any]

    @property
    def title(self) -> str:
        return f"send the data to {self.target['name']}"


class RecordBackup(Step):
    """At least one target has it; otherwise there is no backup."""

    tenant: str
    targets: tuple[str, ...]

    title = "record the backup"
    undone = False


class DropFrozen(Step):
    """The frozen data goes. Only after the commit."""

    tenant: str

    title = "remove the frozen copy"
    undone = False


class VerifyBackup(Step):
    """One target's repository is whole, and the part of its data too; what is found is recorded and stops no other."""

    tenant: str
    slot: int
    target: dict[str, Any]
    part: str

    @property
    def title(self) -> str:
        return f"verify part {self.part} of the backups at {self.target['name']}"


class JudgeVerify(Step):
    """No target's repository was found damaged, and each could be read."""

    tenant: str
    targets: tuple[str, ...]

    title = "report the result"
    undone = False


class FetchBackup(Step):
    """A backup's files in folders of their own. Undo removes them."""

    tenant: str
    slot: int
    target: dict[str, Any]
    snapshot: str
    volumes: tuple[str, ...]
    disk_mb: int
    source: str = ""
    """Whose backup it is, when it is another tenant's."""

    @property
    def title(self) -> str:
        return f"fetch backup {self.snapshot[:8]} from {self.target['name']}"


class KeepFetched(Step):
    """What was fetched is a generation, with the record of what it is of; an earlier fetched one goes."""

    tenant: str
    record: dict[str, Any]

    @property
    def title(self) -> str:
        return f"keep the backup as generation {self.record['id']}"


class ProveBackup(Step):
    """What was fetched boots and is ready as the release that runs, on a clone that reaches nothing. Undo clears the
    clone away."""

    tenant: str
    release: str
    version: str
    app: str
    disk_mb: int
    backup: dict[str, Any]
    """{"target", "snapshot", "at", "generation"}: what is proven by it."""

    @property
    def title(self) -> str:
        return f"boot the backup as {self.app} {self.version} on a clone"


class DropFetched(Step):
    """What was fetched goes. Only after the commit."""

    tenant: str

    title = "remove the fetched files"
    undone = False


class ThinBackups(Step):
    """A folder of this host has no more backups than the policy keeps. What is deleted stays deleted."""

    tenant: str
    slot: int
    target: dict[str, Any]
    keep: dict[str, int]
    spare: str
    """The generation whose backup was proven last; empty when none was."""

    @property
    def title(self) -> str:
        return f"prune the backups at {self.target['name']}"


class KeepWrap(Step):
    """The repository's key is wrapped so, for these recipients. Undo puts the earlier wrap back."""

    tenant: str
    wrap: str
    recipients: str

    title = "save the newly wrapped key"


class LayWrap(Step):
    """The wrapped key is the newest that lies beside one target's repository. A target that does not take it is told,
    stops no other, and gets it with the next backup."""

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
