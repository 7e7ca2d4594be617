"""A tier: the resources of one tenant, for all of its services together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.words.names import TargetName, TierName
from launchpad.fleet.words.quantities import Duration, Size
from launchpad.fleet.words.references import Prose

MOST_TMP_MB = 256
"""What OpenClaw was seen to get along with."""


class Log(Model):
    """How much of each service's output the host keeps."""

    size: Size = Size(10)
    """Of one file."""
    files: Annotated[int, Field(ge=1, le=20)] = 3
    """So many files for each service; the oldest goes when one more is begun."""


Count = Annotated[int, Field(ge=0, le=10_000)]


class Keep(Model):
    """Which backups `launchpad backups forget` keeps; each counts by itself, and what any of them keeps stays."""

    last: Count = 3
    """So many of the newest."""
    daily: Count = 14
    """The last one of so many days that have any."""
    weekly: Count = 8
    """The last one of so many weeks that have any."""
    monthly: Count = 12
    """The last one of so many months that have any."""

    def findings(self) -> Iterator[ModelMistake]:
        if not self.last:
            yield ModelMistake(("last",), "the newest backup would not be kept for certain", "last: 1 or more")


class BackupPolicy(Model):
    """Where the backups of a tier's tenants go, and how long they stay."""

    targets: Annotated[tuple[TargetName, ...], Field(min_length=1, max_length=8)]
    """Each backup goes to all of them."""
    keep: Keep = Keep()
    every: Duration = Duration(24 * 3600)
    """How often a tenant is to be backed up: `launchpad health` warns when its newest backup is half as old again, and
    is critical when it is four times as old. It starts no backup; cron does."""


class Tier(Model):
    """Limits that hold: memory without swap, CPU, processes, disk."""

    name: TierName
    kind: Literal["shared", "dedicated"] = "shared"
    """dedicated: its CPUs are promised to no one else; shared: they are a limit."""
    memory: Size
    """Of all services of a tenant together; there is no swap."""
    cpus: Annotated[float, Field(gt=0, le=1024)]
    """CPU cores of all services together; 0.5 is half of one."""
    pids: Annotated[int, Field(ge=16, le=32768)] = 512
    """Processes and threads of all services together."""
    disk: Size
    """Of a tenant's data; what its generations hold does not count."""
    tmp: Size | None = None
    """The size of each service's /tmp, which counts as memory: a quarter of it when left out, at most 256 MiB."""
    log: Log = Log()
    backup: BackupPolicy | None = None
    """Where backups go and how long they stay; without it the tier's tenants have none."""
    price: Prose | None = None
    """For people, such as `29 EUR a month`; nothing is computed from it."""

    @property
    def tmp_mb(self) -> int:
        """The size of each service's /tmp."""
        return self.tmp.mb if self.tmp else max(1, min(MOST_TMP_MB, self.memory.mb // 4))

    def findings(self) -> Iterator[ModelMistake]:
        """A full /tmp must leave memory for the program."""
        if self.tmp and self.tmp.mb >= self.memory.mb:
            yield ModelMistake(
                ("tmp",), f"/tmp of {self.tmp} would fill the memory of {self.memory}", "less than the memory"
            )
