"""What runs by itself on an operator's machine, and when: as systemd's units, or as lines of a crontab. Pure."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

LABEL = "launchpad schedule"


@dataclass(frozen=True, kw_only=True)
class ScheduledJob:
    """One command that runs regularly."""

    name: str
    words: tuple[str, ...]
    """What Launchpad is started with."""
    calendar: str
    """When, as systemd writes it."""
    jitter_seconds: int
    """So much later at most, by chance: not every operator's machine asks at the same second."""
    purpose: str
    changes: bool = True
    """Whether it changes something: of those, one runs at a time."""
    tells_changes: bool = False
    """Whether it prints only what was not printed before: then what it prints is the report, whatever it exits with."""


JOBS = (
    ScheduledJob(
        name="health",
        words=("health", "--all", "--quiet"),
        calendar="*:0/5",
        jitter_seconds=30,
        purpose="report what went wrong, and what is well again",
        changes=False,
        tells_changes=True,
    ),
    ScheduledJob(
        name="workspace",
        words=("backup", "--this-workspace"),
        calendar="02:00",
        jitter_seconds=600,
        purpose="back up the workspace",
    ),
    ScheduledJob(
        name="backup",
        words=("backup", "--all"),
        calendar="02:15",
        jitter_seconds=900,
        purpose="back up every tenant",
    ),
    ScheduledJob(
        name="prune",
        words=("prune",),
        calendar="03:45",
        jitter_seconds=900,
        purpose="remove what nothing on the hosts needs",
    ),
    ScheduledJob(
        name="verify",
        words=("backups", "verify", "--all"),
        calendar="04:30",
        jitter_seconds=900,
        purpose="read a seventh of all backups back",
    ),
    ScheduledJob(
        name="drill",
        words=("drill", "--all"),
        calendar="Sun 05:00",
        jitter_seconds=900,
        purpose="boot the newest backup of each tenant",
    ),
    ScheduledJob(
        name="forget",
        words=("backups", "forget", "--all"),
        calendar="05:30",
        jitter_seconds=900,
        purpose="prune backups that the tiers do not keep",
    ),
)
DAYS = ("Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat")


@dataclass(frozen=True, kw_only=True)
class Timetable:
    """The jobs of one workspace, and how Launchpad is started there."""

    root: Path
    jobs: tuple[ScheduledJob, ...]
    program: tuple[str, ...]
    environment: Mapping[str, str]
    """What the jobs need of this operator's environment; no secret."""
    report: tuple[str, ...] = ()
    """Options of `schedule run` that say who is told of a failure."""
    user: str = ""
    """Whom the system's systemd runs the jobs as; empty for a user's own."""

    @property
    def label(self) -> str:
        """The first line of whatever belongs to this workspace's schedule, behind `# `."""
        return f"{LABEL}: {self.root}"

    @property
    def prefix(self) -> str:
        """What the names of its units begin with: no other workspace's do."""
        readable = re.sub(r"[^a-z0-9]+", "-", self.root.name.lower()).strip("-")[:24]
        return f"launchpad-{readable or 'fleet'}-{hashlib.sha256(str(self.root).encode()).hexdigest()[:6]}"

    def command(self, job: ScheduledJob) -> tuple[str, ...]:
        return (*self.program, "--no-color", "-w", str(self.root), "schedule", "run", job.name, *self.report)

    def units(self) -> dict[str, str]:
        """File name → text: a service and a timer for each job."""
        found = {}
        for job in self.jobs:
            found[f"{self.prefix}-{job.name}.service"] = self._service(job)
            found[f"{self.prefix}-{job.name}.timer"] = self._timer(job)
        return found

    def timers(self) -> list[str]:
        return [name for name in self.units() if name.endswith(".timer")]

    def crontab(self) -> list[str]:
        """The lines for this workspace, between two that say whose they are."""
        lines = [f"# {self.label}: begin"]
        for job in self.jobs:
            assigned = [f"{name}={shlex.quote(value)}" for name, value in sorted(self.environment.items())]
            command = " ".join([*assigned, *map(shlex.quote, self.command(job))])
            lines.append(f"{self._cron_time(job)} {command}".replace("%", r"\%"))
        return [*lines, f"# {self.label}: end"]

    def _service(self, job: ScheduledJob) -> str:
        lines = [f"# {self.label}", "[Unit]", f"Description=Launchpad: {job.purpose} ({_plain(self.root)})"]
        lines += ["Wants=network-online.target", "After=network-online.target"] if self.user else []
        lines += ["", "[Service]", "Type=oneshot"]
        lines += [f"User={self.user}"] if self.user else []
        lines += [f"Environment={_quoted(f'{name}={value}', '%')}" for name, value in sorted(self.environment.items())]
        lines.append(f"ExecStart={' '.join(_quoted(word, '%$') for word in self.command(job))}")
        return "\n".join([*lines, ""])

    def _timer(self, job: ScheduledJob) -> str:
        lines = [f"# {self.label}", "[Unit]", f"Description=Launchpad: when to {job.purpose}", "", "[Timer]"]
        lines += [f"OnCalendar={job.calendar}", f"RandomizedDelaySec={job.jitter_seconds}", "AccuracySec=1s"]
        lines += ["Persistent=true"] if job.changes else []
        return "\n".join([*lines, "", "[Install]", "WantedBy=timers.target", ""])

    def _cron_time(self, job: ScheduledJob) -> str:
        """cron knows no chance: how much later is chosen by the workspace's path, once and for all."""
        chosen = int(hashlib.sha256(f"{self.root} {job.name}".encode()).hexdigest()[:8], 16)
        if every := re.fullmatch(r"\*:0/(\d+)", job.calendar):
            return f"{chosen % int(every[1])}-59/{every[1]} * * * *"
        day, _, clock = job.calendar.rpartition(" ")
        hour, minute = map(int, clock.split(":"))
        later = minute + chosen % (job.jitter_seconds // 60)
        return f"{later % 60} {hour + later // 60} * * {DAYS.index(day) if day else '*'}"


def without_block(crontab: Sequence[str], label: str) -> list[str]:
    """The lines of a crontab but those between the label's own two."""
    kept, inside = [], False
    for line in crontab:
        if line == f"# {label}: begin":
            inside = True
        if not inside:
            kept.append(line)
        if line == f"# {label}: end":
            inside = False
    return kept


def _quoted(text: str, special: str) -> str:
    """A word as systemd reads it: specifiers and variables are written twice."""
    for mark in special:
        text = text.replace(mark, mark * 2)
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"' if re.search(r"""[\s"'\\;]""", text) or not text else text


def _plain(path: Path) -> str:
    return str(path).replace("%", "%%")
