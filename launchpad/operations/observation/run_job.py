"""schedule run: run one job, one run at a time, with one report when the job begins to fail and one when it succeeds
again."""

from __future__ import annotations

import fcntl
import json
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from launchpad.errors import LockedError, StateError
from launchpad.fleet.keeping.workspace_files import replace_file, state_folder
from launchpad.plan.timetable import ScheduledJob
from launchpad.runner.hint import Next
from launchpad.workspace import Workspace

FOLDER = "schedule"
CHANGES = "changes"
"""The lock of all jobs that change something."""
PATIENCE_SECONDS = 6 * 3600.0
"""How long a job waits for the end of another job."""
LOOK_SECONDS = 5.0
MOST_LINES = 200
"""The number of last output lines in a report."""
REPORT_SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class JobRecord:
    """The last run of a job."""

    at: float
    seconds: float
    exit_code: int
    told: bool
    """Whether the present failure was reported."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class JobRun:
    """One run: its record, and the report; empty without news."""

    job: str
    record: JobRecord | None
    """None when another run of the job is active and this run did nothing."""
    subject: str = ""
    text: str = ""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class ReportTo:
    """The receiver of reports. None: reports are printed (cron mails them, systemd's journal keeps them)."""

    mail: str = ""
    command: str = ""
    """A shell command that gets the report on its standard input."""


def run_job(workspace: Workspace, job: ScheduledJob, *, argv: Sequence[str], environment: Mapping[str, str]) -> JobRun:
    """Run `argv`, the job's command, unless the job already runs; return the run with its report. The run is not
    recorded yet."""
    folder = _folder(workspace.root)
    clock = workspace.clock
    with _holding(folder / f"{job.name}.lock") as alone:
        if not alone:
            return JobRun(job=job.name, record=None)
        before = last_run(workspace.state, job.name)
        begun = clock.now()
        with _turn(workspace, folder, job):
            done = subprocess.run(
                argv, env=dict(environment), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        text = done.stdout.decode(errors="replace").strip()
        failed_before = before is not None and before.exit_code != 0 and before.told
        if job.tells_changes:
            news = text
        elif done.returncode:
            news = "" if failed_before else text or "no output"
        else:
            news = "the job succeeds again" if failed_before else ""
        record = JobRecord(at=begun, seconds=clock.now() - begun, exit_code=done.returncode, told=done.returncode != 0)
        made = JobRun(job=job.name, record=record)
        if not news:
            return _recorded(folder, made)
        went = f"failed with exit code {done.returncode}" if done.returncode else "succeeds again"
        if job.tells_changes:
            went = "has news"
        lines = news.splitlines()[-MOST_LINES:]
        return JobRun(
            job=job.name,
            record=record,
            subject=f"launchpad: {job.name} {went} ({workspace.root.name} on {socket.gethostname()})",
            text="\n".join([*lines, "", f"launchpad {' '.join(job.words)}", f"in {workspace.root}"]),
        )


def report_job(workspace: Workspace, run: JobRun, *, to: ReportTo, environment: Mapping[str, str]) -> None:
    """Send the report, and record the run after it was sent: a report that could not be sent is sent after the next
    run. StateError when the report cannot be sent."""
    if to.mail:
        message = EmailMessage()
        message["To"] = to.mail
        message["Subject"] = run.subject
        message.set_content(run.text)
        _send(["sendmail", "-i", "-t"], bytes(message), environment, hint="apt install msmtp-mta; or --report COMMAND")
    elif to.command:
        content = f"{run.subject}\n\n{run.text}\n".encode()
        _send(["/bin/sh", "-c", to.command], content, environment, hint=f"to test the command: date | {to.command}")
    _recorded(_folder(workspace.root), run)


def last_run(state: Path, job: str) -> JobRecord | None:
    """The last run of the job; None when it never ran on this machine."""
    try:
        found = json.loads((state / FOLDER / f"{job}.json").read_text())
        return JobRecord(
            at=float(found["at"]),
            seconds=float(found["seconds"]),
            exit_code=int(found["exit_code"]),
            told=bool(found["told"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _recorded(folder: Path, run: JobRun) -> JobRun:
    if run.record is not None:
        replace_file(folder / f"{run.job}.json", json.dumps(run.record.as_json()).encode())
    return run


def _folder(root: Path) -> Path:
    folder = state_folder(root) / FOLDER
    folder.mkdir(exist_ok=True)
    return folder


@contextmanager
def _turn(workspace: Workspace, folder: Path, job: ScheduledJob) -> Iterator[None]:
    """Wait until no other job that changes something runs; LockedError after some hours."""
    if not job.changes:
        yield
        return
    clock = workspace.clock
    end = clock.monotonic() + PATIENCE_SECONDS
    while True:
        with _holding(folder / f"{CHANGES}.lock") as alone:
            if alone:
                yield
                return
        if clock.monotonic() > end:
            raise LockedError(
                f"{job.name}: another job is still running after 6 h",
                code="another-job-still-running",
                hint=Next("schedule show"),
            )
        clock.sleep(LOOK_SECONDS)


@contextmanager
def _holding(path: Path) -> Iterator[bool]:
    """Try to take the lock and hold it until the block or this process ends; return whether it was free."""
    with path.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        yield True


def _send(argv: Sequence[str], content: bytes, environment: Mapping[str, str], *, hint: str) -> None:
    path = ":".join(
        filter(None, [environment.get("PATH", ""), "/usr/sbin"])
    )  # sendmail's folder, which is not on cron's PATH
    try:
        done = subprocess.run(
            argv,
            input=content,
            env={**environment, "PATH": path},
            capture_output=True,
            check=False,
            timeout=REPORT_SECONDS,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StateError(f"{argv[0]} cannot send the report: {error}", code="cannot-send-report", hint=hint) from error
    if done.returncode:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"exit code {done.returncode}"
        raise StateError(f"{argv[0]} cannot send the report: {reason}", code="cannot-send-report", hint=hint)
