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
"""Enough for OpenClaw, as measured."""


class Log(Model):
    """The log limits of each service on the host."""

    size: Size = Size(10)
    """The largest size of one log file."""
    files: Annotated[int, Field(ge=1, le=20)] = 3
    """The number of log files of each service; the oldest is deleted when a new one starts."""


Count = Annotated[int, Field(ge=0, le=10_000)]


class Keep(Model):
    """The backups that `launchpad backups forget` retains. The rules count separately; a backup stays if any rule
    retains it."""

    last: Count = 3
    """The number of newest backups to retain."""
    daily: Count = 14
    """The number of days, among days with backups, whose last backup is retained."""
    weekly: Count = 8
    """The number of weeks, among weeks with backups, whose last backup is retained."""
    monthly: Count = 12
    """The number of months, among months with backups, whose last backup is retained."""

    def findings(self) -> Iterator[ModelMistake]:
        if not self.last:
            yield ModelMistake(("last",), "this rule might not retain the newest backup", "last: 1 or more")


class BackupPolicy(Model):
    """The targets of the backups of a tier's tenants, and how long backups are retained."""

    targets: Annotated[tuple[TargetName, ...], Field(min_length=1, max_length=8)]
    """The targets; every backup goes to each of them."""
    keep: Keep = Keep()
    every: Duration = Duration(24 * 3600)
    """How often a tenant is to be backed up: `launchpad health` warns when its newest backup is half as old again, and
    is critical when it is four times as old. It starts no backup; cron does."""


class Tier(Model):
    """The enforced limits of a tenant: memory without swap, CPU, processes, disk."""

    name: TierName
    kind: Literal["shared", "dedicated"] = "shared"
    """dedicated: the CPUs are reserved for one tenant; shared: the CPUs are only a limit."""
    memory: Size
    """The memory of all services of a tenant together, without swap."""
    cpus: Annotated[float, Field(gt=0, le=1024)]
    """The CPU cores of all services of a tenant together; 0.5 is half a core."""
    pids: Annotated[int, Field(ge=16, le=32768)] = 512
    """The most processes and threads of all services of a tenant together."""
    disk: Size
    """The disk limit of a tenant's data; the data of generations does not count."""
    tmp: Size | None = None
    """The size of each service's /tmp, which counts as memory. Default: a quarter of the memory, at most 256 MiB."""
    log: Log = Log()
    backup: BackupPolicy | None = None
    """The backups of the tier's tenants; without this key they have no backups."""
    price: Prose | None = None
    """The price, for people, such as `29 EUR a month`; Launchpad does not use it."""

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
