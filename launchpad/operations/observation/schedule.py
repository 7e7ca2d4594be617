"""schedule: install, show and remove the timers of a workspace on this machine, systemd's or cron's."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launchpad.errors import StateError
from launchpad.fleet.keeping.workspace_files import remove_file, replace_file
from launchpad.operations.observation.run_job import JobRecord, last_run
from launchpad.plan.timetable import JOBS, ScheduledJob, Timetable, without_block
from launchpad.runner.hint import Next

SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class OwnMachine:
    """The places of timers on this machine."""

    units: Path
    """The folder of unit files."""
    system: bool
    """Whether to use the system's systemd instead of the user's."""
    environment: Mapping[str, str]

    def systemctl(self, *words: str) -> str:
        """Run systemctl and return its output; StateError when it fails."""
        return self._run(
            ["systemctl", *([] if self.system else ["--user"]), *words],
            hint="to use cron instead: " + Next("schedule install", "--crontab"),
        )

    def read_crontab(self) -> list[str]:
        """This user's crontab; no lines without a crontab."""
        done = self._start(["crontab", "-l"], "", hint="apt install cron")
        if done.returncode and "no crontab" not in done.stderr:
            raise StateError(f"crontab -l failed: {_reason(done)}", code="crontab-unreadable", hint="crontab -l")
        return done.stdout.splitlines() if done.returncode == 0 else []

    def write_crontab(self, lines: Sequence[str]) -> None:
        self._run(["crontab", "-"], "".join(f"{line}\n" for line in lines), hint="crontab -l")

    def _run(self, argv: Sequence[str], stdin: str = "", *, hint: str) -> str:
        done = self._start(argv, stdin, hint=hint)
        if done.returncode:
            raise StateError(f"{' '.join(argv)} failed: {_reason(done)}", code="operation-failed", hint=hint)
        return done.stdout

    def _start(self, argv: Sequence[str], stdin: str, *, hint: str) -> subprocess.CompletedProcess[str]:
        program = shutil.which(argv[0], path=self.environment.get("PATH"))
        if program is None:
            raise StateError(f"{argv[0]} is not installed on this machine", code="scheduler-not-installed", hint=hint)
        words = [program, *argv[1:]]
        try:
            return subprocess.run(
                words,
                input=stdin,
                env=dict(self.environment),
                capture_output=True,
                text=True,
                check=False,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise StateError(f"{' '.join(argv)} does not end", code="scheduler-timeout", hint=hint) from error


@dataclass(frozen=True, kw_only=True)
class ScheduleChange:
    """The result of an installation or a removal."""

    written: tuple[str, ...]
    removed: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {"written": list(self.written), "removed": list(self.removed)}


@dataclass(frozen=True, kw_only=True)
class JobStanding:
    """A job, whether it is installed, and its last run."""

    job: ScheduledJob
    by: str
    """systemd or cron; empty for a job that is not installed."""
    last: JobRecord | None

    def as_json(self) -> dict[str, Any]:
        return {
            "job": self.job.name,
            "command": ["launchpad", *self.job.words],
            "when": self.job.calendar,
            "jitter_seconds": self.job.jitter_seconds,
            "purpose": self.job.purpose,
            "installed_by": self.by,
            "last": self.last.as_json() if self.last else None,
        }


def install_timers(table: Timetable, machine: OwnMachine) -> ScheduleChange:
    """Install systemd timers for exactly these jobs of this workspace; remove the workspace's lines from the crontab. A
    second call changes nothing. StateError when systemd or cron does not work."""
    machine.systemctl("show", "--property=Version")  # check that systemd answers, before anything is written
    wanted = table.units()
    stale = sorted(_own_units(table, machine) - wanted.keys())
    _take_away(stale, machine)
    written = []
    for name, text in wanted.items():
        path = machine.units / name
        if not path.exists() or path.read_text(encoding="utf-8", errors="replace") != text:
            replace_file(path, text.encode(), mode=0o644)
            written.append(name)
    machine.systemctl("daemon-reload")
    machine.systemctl("enable", "--now", *table.timers())
    if any(name.endswith(".timer") for name in written):
        machine.systemctl("restart", *(name for name in written if name.endswith(".timer")))
    return ScheduleChange(written=tuple(written), removed=(*stale, *_without_cron(table, machine)))


def install_crontab(table: Timetable, machine: OwnMachine) -> ScheduleChange:
    """Write the jobs into the crontab; remove this workspace's systemd timers. Every other line stays."""
    before = machine.read_crontab()
    after = [*without_block(before, table.label), *table.crontab()]
    if after != before:
        machine.write_crontab(after)
    removed = sorted(_own_units(table, machine))
    _take_away(removed, machine)
    return ScheduleChange(written=("crontab",) if after != before else (), removed=tuple(removed))


def remove_schedule(table: Timetable, machine: OwnMachine) -> ScheduleChange:
    """Remove this workspace's timers and crontab lines, and nothing else. A running job continues to its end."""
    own = sorted(_own_units(table, machine))
    _take_away(own, machine)
    return ScheduleChange(written=(), removed=(*own, *_without_cron(table, machine)))


def show_schedule(table: Timetable, machine: OwnMachine, *, state: Path) -> list[JobStanding]:
    """Every job, installed or not."""
    timers = _own_units(table, machine)
    lines = "\n".join(_own_lines(table, machine))
    found = []
    for job in JOBS:
        by = "systemd" if f"{table.prefix}-{job.name}.timer" in timers else ""
        if f" schedule run {job.name}" in lines:
            by = "cron"
        found.append(JobStanding(job=job, by=by, last=last_run(state, job.name)))
    return found


def _own_units(table: Timetable, machine: OwnMachine) -> set[str]:
    """The units of this workspace, by their first line."""
    found = set()
    for path in machine.units.glob(f"{table.prefix}-*"):
        if path.suffix in (".service", ".timer") and path.is_file():
            first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
            if first == f"# {table.label}":
                found.add(path.name)
    return found


def _take_away(units: Sequence[str], machine: OwnMachine) -> None:
    timers = [name for name in units if name.endswith(".timer")]
    if timers:
        machine.systemctl("disable", "--now", *timers)
    for name in units:
        remove_file(machine.units / name)
    if units:
        machine.systemctl("daemon-reload")


def _own_lines(table: Timetable, machine: OwnMachine) -> list[str]:
    if shutil.which("crontab", path=machine.environment.get("PATH")) is None:
        return []
    lines = machine.read_crontab()
    kept = without_block(lines, table.label)
    return [line for line in lines if line not in kept]


def _without_cron(table: Timetable, machine: OwnMachine) -> tuple[str, ...]:
    if not _own_lines(table, machine):
        return ()
    machine.write_crontab(without_block(machine.read_crontab(), table.label))
    return ("crontab",)


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
