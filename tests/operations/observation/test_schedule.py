"""Timers are installed and removed without touching anybody else's; a job runs once at a time and is reported once."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.operations.observation.run_job import JobRun, ReportTo, last_run, report_job, run_job
from launchpad.operations.observation.schedule import (
    OwnMachine,
    install_crontab,
    install_timers,
    remove_schedule,
    show_schedule,
)
from launchpad.plan.timetable import JOBS, ScheduledJob, Timetable
from launchpad.workspace import LocalClock, Workspace
from tests.operations.places import open_workspace, write_workspace

SYSTEMCTL = """#!/bin/sh
echo "$@" >>"$STATE/systemctl"
[ "$2" = --version ] || [ ! -e "$STATE/no-bus" ] || { echo 'Failed to connect to bus' >&2; exit 1; }
"""
CRONTAB = """#!/bin/sh
case "$1" in
    -l) [ -e "$STATE/crontab" ] || { echo "no crontab for ops" >&2; exit 1; }; cat "$STATE/crontab" ;;
    -) cat >"$STATE/crontab" ;;
esac
"""
SENDMAIL = """#!/bin/sh
[ ! -e "$STATE/no-mail" ] || { echo 'mail queue is full' >&2; exit 75; }
cat >>"$STATE/mails"
"""
JOB = """#!/bin/sh
echo "$@" >>"$STATE/jobs"
cat "$STATE/says" 2>/dev/null
exit "$(cat "$STATE/exits" 2>/dev/null || echo 0)"
"""
OTHERS = "MAILTO=me\n1 2 * * * true\n"


class QuickClock(LocalClock):
    """Looks again at once."""

    def sleep(self, seconds: float) -> None:
        super().sleep(0.02)


@dataclass
class Place:
    """A workspace on a machine whose programs a test has written."""

    workspace: Workspace
    state: Path
    machine: OwnMachine
    job: Path

    @property
    def table(self) -> Timetable:
        return Timetable(root=self.workspace.root, jobs=JOBS, program=("/usr/bin/launchpad",), environment={})

    def asked(self) -> list[str]:
        """What systemctl was asked since the last time."""
        file = self.state / "systemctl"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return lines

    def run(self, job: ScheduledJob, *, says: str = "", exits: int = 0) -> JobRun:
        """Run a job that prints that, and send its report by mail."""
        (self.state / "says").write_text(says)
        (self.state / "exits").write_text(str(exits))
        environment = dict(self.machine.environment)
        made = run_job(self.workspace, job, argv=[str(self.job), *job.words], environment=environment)
        if made.subject:
            report_job(self.workspace, made, to=ReportTo(mail="ops@example.com"), environment=environment)
        return made

    def mails(self) -> list[str]:
        """The subjects of what was mailed since the last time."""
        file = self.state / "mails"
        lines = file.read_text().splitlines() if file.exists() else []
        file.unlink(missing_ok=True)
        return [line.removeprefix("Subject: ") for line in lines if line.startswith("Subject: ")]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    state, tools = tmp_path / "state", tmp_path / "bin"
    for folder in (state, tools):
        folder.mkdir()
    for name, text in (("systemctl", SYSTEMCTL), ("crontab", CRONTAB), ("sendmail", SENDMAIL), ("job", JOB)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)
    workspace = open_workspace(write_workspace(tmp_path / "fleet", {"web-1": 22}, {"alice": "web-1"}))
    environment = {"PATH": f"{tools}:/usr/bin:/bin", "STATE": str(state)}
    machine = OwnMachine(units=tmp_path / "units", system=False, environment=environment)
    return Place(replace(workspace, clock=QuickClock()), state, machine, tools / "job")


def job(name: str) -> ScheduledJob:
    return next(item for item in JOBS if item.name == name)


def test_timers_are_installed_once(place: Place) -> None:
    change = install_timers(place.table, place.machine)
    assert set(change.written) == set(place.table.units())
    asked = place.asked()
    assert [line.split()[1] for line in asked] == ["show", "daemon-reload", "enable", "restart"]
    assert asked[2].split()[2:] == ["--now", *place.table.timers()]
    again = install_timers(place.table, place.machine)
    assert (again.written, again.removed) == ((), ())
    assert [line.split()[1] for line in place.asked()] == ["show", "daemon-reload", "enable"]


def test_a_job_that_is_not_wanted_any_more_goes(place: Place) -> None:
    install_timers(place.table, place.machine)
    place.asked()
    change = install_timers(replace(place.table, jobs=(job("health"),)), place.machine)
    assert len(change.removed) == 2 * (len(JOBS) - 1)
    assert {path.name for path in place.machine.units.iterdir()} == set(
        replace(place.table, jobs=(job("health"),)).units()
    )
    assert place.asked()[1].split()[1:3] == ["disable", "--now"]


def test_remove_takes_what_is_its_own_and_nothing_else(place: Place) -> None:
    install_timers(place.table, place.machine)
    (place.state / "crontab").write_text(OTHERS)
    other = replace(place.table, root=place.workspace.root / "other")
    install_timers(other, place.machine)
    (place.machine.units / "mine.timer").write_text("[Timer]\n")
    (place.machine.units / f"{place.table.prefix}-mine.timer").write_text("[Timer]\n")
    removed = remove_schedule(place.table, place.machine).removed
    assert set(removed) == set(place.table.units())
    left = {path.name for path in place.machine.units.iterdir()}
    assert left == {*other.units(), "mine.timer", f"{place.table.prefix}-mine.timer"}
    assert (place.state / "crontab").read_text() == OTHERS
    assert remove_schedule(place.table, place.machine).removed == ()


def test_nothing_is_written_where_systemd_does_not_answer(place: Place) -> None:
    (place.state / "no-bus").touch()
    with pytest.raises(StateError, match="Failed to connect to bus") as caught:
        install_timers(place.table, place.machine)
    assert "--crontab" in caught.value.hint
    assert not place.machine.units.exists()


def test_a_machine_without_systemd_is_told_of_cron(place: Place) -> None:
    (place.job.parent / "systemctl").unlink()
    machine = replace(place.machine, environment={"PATH": str(place.job.parent)})
    with pytest.raises(StateError, match="systemctl is not installed on this machine") as caught:
        install_timers(place.table, machine)
    assert "--crontab" in caught.value.hint


def test_cron_s_lines_stand_beside_those_of_others(place: Place) -> None:
    (place.state / "crontab").write_text(OTHERS)
    assert install_crontab(place.table, place.machine).written == ("crontab",)
    text = (place.state / "crontab").read_text()
    assert text == OTHERS + "".join(f"{line}\n" for line in place.table.crontab())
    assert install_crontab(place.table, place.machine).written == ()
    assert (place.state / "crontab").read_text() == text
    assert remove_schedule(place.table, place.machine).removed == ("crontab",)
    assert (place.state / "crontab").read_text() == OTHERS


def test_who_goes_over_from_one_to_the_other_has_every_job_once(place: Place) -> None:
    install_timers(place.table, place.machine)
    install_crontab(place.table, place.machine)
    assert list(place.machine.units.iterdir()) == []
    assert {item.by for item in show_schedule(place.table, place.machine, state=place.workspace.state)} == {"cron"}
    install_timers(place.table, place.machine)
    assert "launchpad" not in (place.state / "crontab").read_text()
    assert {item.by for item in show_schedule(place.table, place.machine, state=place.workspace.state)} == {"systemd"}


def test_a_failure_is_reported_once_and_so_is_its_end(place: Place) -> None:
    backup = job("backup")
    assert place.run(backup).record
    assert place.mails() == []
    for _ in range(3):
        assert place.run(backup, says="offsite: no space left", exits=8).record
    (subject,) = place.mails()
    assert subject.startswith("launchpad: backup failed with exit code 8 (fleet on ")
    place.run(backup)
    (subject,) = place.mails()
    assert subject.startswith("launchpad: backup succeeds again")
    place.run(backup)
    assert place.mails() == []


def test_news_is_reported_whenever_there_is_some(place: Place) -> None:
    health = job("health")
    place.run(health, says="wrong: alice is unhealthy", exits=4)
    place.run(health, exits=4)
    place.run(health, says="well again: alice is unhealthy")
    assert len(place.mails()) == 2


def test_a_report_that_nobody_got_is_sent_after_the_next_run(place: Place) -> None:
    (place.state / "no-mail").touch()
    with pytest.raises(StateError, match="mail queue is full"):
        place.run(job("backup"), says="no space", exits=8)
    (place.state / "no-mail").unlink()
    place.run(job("backup"), says="no space", exits=8)
    assert len(place.mails()) == 1


def test_a_command_gets_the_report_on_its_input(place: Place) -> None:
    environment = dict(place.machine.environment)
    made = replace(place.run(job("health")), subject="launchpad: news", text="wrong: alice")
    report_job(place.workspace, made, to=ReportTo(command='cat >"$STATE/told"'), environment=environment)
    assert (place.state / "told").read_text() == "launchpad: news\n\nwrong: alice\n"


def test_a_job_that_runs_is_not_started_again_and_changes_wait_for_each_other(place: Place) -> None:
    os.mkfifo(place.state / "says")
    environment = dict(place.machine.environment)

    def start(name: str, made: list[JobRun]) -> threading.Thread:
        argv = [str(place.job), name]
        work = lambda: made.append(run_job(place.workspace, job(name), argv=argv, environment=environment))  # noqa: E731
        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def begun() -> list[str]:
        file = place.state / "jobs"
        return file.read_text().split() if file.exists() else []

    first: list[JobRun] = []
    waits: list[JobRun] = []
    running = start("backup", first)
    while begun() != ["backup"]:
        threading.Event().wait(0.01)
    assert run_job(place.workspace, job("backup"), argv=["false"], environment=environment).record is None
    assert run_job(place.workspace, job("health"), argv=["true"], environment=environment).record
    waiting = start("verify", waits)
    waiting.join(0.3)
    assert begun() == ["backup"]
    (place.state / "says").write_text("")  # lets the backup end
    running.join(20)
    assert first[0].record
    threading.Thread(target=lambda: (place.state / "says").write_text(""), daemon=True).start()
    waiting.join(20)
    assert begun() == ["backup", "verify"]
    assert waits[0].record


def test_a_job_that_was_killed_leaves_no_lock(place: Place) -> None:
    program = (
        "import sys; from pathlib import Path; from launchpad.operations.observation.run_job import _holding\n"
        "with _holding(Path(sys.argv[1])) as alone: print(alone, flush=True); sys.stdin.read()"
    )
    place.run(job("backup"))
    lock = place.workspace.state / "schedule/backup.lock"
    with subprocess.Popen(
        [sys.executable, "-c", program, str(lock)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout and holder.stdout.readline() == "True\n"
        assert place.run(job("backup")).record is None
        holder.kill()
    assert place.run(job("backup")).record


def test_how_a_job_went_is_remembered(place: Place) -> None:
    place.run(job("backup"), exits=8)
    last = last_run(place.workspace.state, "backup")
    assert last is not None
    assert (last.exit_code, last.told) == (8, True)
    (place.workspace.state / "schedule/backup.json").write_text("{")
    assert last_run(place.workspace.state, "backup") is None
