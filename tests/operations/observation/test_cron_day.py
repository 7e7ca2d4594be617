"""Three days of cron in simulated time: the lines as they are installed, and a real SMTP sink."""

from __future__ import annotations

import re
import socketserver
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from launchpad.operations.observation.run_job import ReportTo, report_job, run_job
from launchpad.plan.timetable import JOBS, Timetable
from launchpad.workspace import Workspace
from tests.operations.places import open_workspace, write_workspace
from tests.tally import tallied

pytestmark = pytest.mark.programs
DAY = 1440
SENDMAIL = """#!{python}
import smtplib, sys
from email import message_from_bytes
message = message_from_bytes(sys.stdin.buffer.read())
with smtplib.SMTP("127.0.0.1", {port}) as server:
    server.sendmail("launchpad@localhost", [message["To"]], message.as_bytes())
"""
JOB = """#!/bin/sh
within() { [ "$MINUTE" -ge "$1" ] && [ "$MINUTE" -lt "$2" ]; }
case "$*" in
    *--quiet)
        within 2000 2005 && echo "wrong: alice is unhealthy"
        within 2060 2065 && echo "well again: alice is unhealthy"
        within 2000 2060 && exit 4 ;;
    *"backup --all") within 1440 2880 && { echo "offsite: no space left"; exit 8; } ;;
esac
exit 0
"""
"""On the second day a tenant is unhealthy for an hour, and the backup fails. On the others all is well."""


@dataclass
class Sink:
    """An SMTP server that keeps the subjects of what it gets."""

    port: int = 0
    subjects: list[str] = field(default_factory=list)


@contextmanager
def sink() -> Iterator[Sink]:
    found = Sink()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 sink\r\n")
            while line := self.rfile.readline():
                if line.upper().startswith(b"DATA"):
                    self.wfile.write(b"354 go on\r\n")
                    while (line := self.rfile.readline()) != b".\r\n":
                        if line.startswith(b"Subject: "):
                            found.subjects.append(line[9:].decode().strip())
                self.wfile.write(b"221 bye\r\n" if line.upper().startswith(b"QUIT") else b"250 taken\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        found.port = server.server_address[1]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield found
        server.shutdown()


@dataclass
class DayClock:
    """Stands at the minute that is played."""

    minute: int = 0

    def now(self) -> float:
        return self.minute * 60.0

    def monotonic(self) -> float:
        return self.minute * 60.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a job waits for another one")


def is_due(line: str, minute: int) -> str:
    """The job that a line of the crontab starts at that minute of a week that begins on a Sunday; empty if none."""
    at, hour, _, _, day, command = line.split(maxsplit=5)
    of_hour, of_day, of_week = minute % 60, minute // 60 % 24, minute // DAY % 7
    begins, _, every = at.partition("-59/")
    right = of_hour >= int(begins) and (of_hour - int(begins)) % int(every) == 0 if every else of_hour == int(at)
    if not right or hour not in ("*", str(of_day)) or day not in ("*", str(of_week)):
        return ""
    found = re.search(r"schedule run (\w+)", command)
    assert found
    return found[1]


def play(workspace: Workspace, clock: DayClock, environment: dict[str, str]) -> dict[str, list[int]]:
    """Let three days pass; job → the minutes at which it ran."""
    table = Timetable(root=workspace.root, jobs=JOBS, program=("launchpad",), environment={})
    lines = table.crontab()[1:-1]
    by_name = {job.name: job for job in JOBS}
    ran: dict[str, list[int]] = {name: [] for name in by_name}
    for minute in range(3 * DAY):
        clock.minute = minute
        for line in lines:
            if not (name := is_due(line, minute)):
                continue
            job = by_name[name]
            own = environment | {"MINUTE": str(minute)}
            made = run_job(workspace, job, argv=[environment["JOB"], *job.words], environment=own)
            ran[name].append(minute)
            if made.subject:
                report_job(workspace, made, to=ReportTo(mail="ops@example.com"), environment=own)
    return ran


def test_three_days_of_cron(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    clock = DayClock()
    workspace = open_workspace(write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"}))
    with sink() as mails:
        for name, text in (("sendmail", SENDMAIL.format(python=sys.executable, port=mails.port)), ("job", JOB)):
            (tmp_path / name).write_text(text)
            (tmp_path / name).chmod(0o755)
        environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", "JOB": str(tmp_path / "job")}
        ran = play(replace(workspace, clock=clock), clock, environment)
    with tallied("ops-cron-days", request) as tally:
        often = {name: len(minutes) for name, minutes in ran.items()}
        daily = dict.fromkeys(("workspace", "backup", "prune", "verify", "forget"), 3)
        tally("each job runs as often as it should", often == daily | {"health": 3 * 288, "drill": 1}, often)
        changes = sorted(minute for name, minutes in ran.items() for minute in minutes if name != "health")
        tally("no two jobs that change something start at the same minute", len(set(changes)) == len(changes), changes)
        before = [text for text in mails.subjects if "health" not in text and "backup" not in text]
        tally("jobs that went well are reported to nobody", before == [], before)
        failed = [text for text in mails.subjects if text.startswith("launchpad: backup failed with exit code 8")]
        tally("a job that failed is reported once", len(failed) == 1, mails.subjects)
        well = [text for text in mails.subjects if text.startswith("launchpad: backup succeeds again")]
        tally("and once when it succeeds again", len(well) == 1, mails.subjects)
        health = [text for text in mails.subjects if text.startswith("launchpad: health has news")]
        tally("a tenant that is unhealthy for an hour is two mails", len(health) == 2, mails.subjects)
        tally("nothing else is mailed", len(mails.subjects) == 4, mails.subjects)
