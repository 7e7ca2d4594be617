"""What the timers say, read by systemd itself, and that the crontab's lines are one workspace's alone."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from launchpad.plan.timetable import JOBS, Timetable, without_block

TABLE = Timetable(
    root=Path("/home/ops/our fleet"),
    jobs=JOBS,
    program=("/opt/launch pad/python", "-m", "launchpad.cli"),
    environment={"PATH": "/usr/bin:/bin", "LAUNCHPAD_CONFIG": "/home/ops/100%"},
    report=("--report", 'mail -s "it\'s $HOME" ops@example.com'),
)


def test_every_job_has_a_service_and_a_timer_that_say_whose_they_are() -> None:
    units = TABLE.units()
    assert len(units) == 2 * len(JOBS)
    for name, text in units.items():
        assert name.startswith("launchpad-our-fleet-")
        assert text.splitlines()[0] == "# launchpad schedule: /home/ops/our fleet"
    health = units[f"{TABLE.prefix}-health.timer"]
    assert "OnCalendar=*:0/5\nRandomizedDelaySec=30\n" in health
    assert "Persistent" not in health
    assert "Persistent=true" in units[f"{TABLE.prefix}-backup.timer"]


def test_two_workspaces_of_one_name_have_units_of_their_own() -> None:
    assert replace(TABLE, root=Path("/srv/our fleet")).prefix != TABLE.prefix


def test_the_system_s_services_run_as_the_user() -> None:
    assert "User=ops\n" in replace(TABLE, user="ops").units()[f"{TABLE.prefix}-backup.service"]
    assert "User=" not in TABLE.units()[f"{TABLE.prefix}-backup.service"]


def test_words_are_quoted_as_systemd_reads_them() -> None:
    service = TABLE.units()[f"{TABLE.prefix}-backup.service"]
    assert "Environment=LAUNCHPAD_CONFIG=/home/ops/100%%\n" in service
    assert 'ExecStart="/opt/launch pad/python" -m launchpad.cli --no-color -w "/home/ops/our fleet"' in service
    assert r'"mail -s \"it' in service
    assert "$$HOME" in service


@pytest.mark.programs
def test_systemd_finds_nothing_wrong_with_the_units(tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("no systemd-analyze on this machine")
    for name, text in replace(TABLE, program=("/bin/true",)).units().items():
        (tmp_path / name).write_text(text)
    timers = sorted(map(str, tmp_path.glob("*.timer")))
    done = subprocess.run([program, "verify", "--man=no", *timers], capture_output=True, text=True, check=False)
    assert [line for line in done.stderr.splitlines() if TABLE.prefix in line] == []
    for job in JOBS:
        done = subprocess.run([program, "calendar", job.calendar], capture_output=True, text=True, check=False)
        assert "Next elapse:" in done.stdout, job


def test_cron_s_lines_are_times_and_one_command_each() -> None:
    begin, *lines, end = TABLE.crontab()
    assert (begin, end) == (f"# {TABLE.label}: begin", f"# {TABLE.label}: end")
    assert len(lines) == len(JOBS)
    for line, job in zip(lines, JOBS, strict=True):
        minute, hour, *_, day, command = line.split(maxsplit=5)
        assert command.endswith(f"schedule run {job.name} --report 'mail -s \"it'\"'\"'s $HOME\" ops@example.com'")
        assert "LAUNCHPAD_CONFIG=/home/ops/100\\%" in command
        if job.name == "health":
            assert re.fullmatch(r"[0-4]-59/5", minute)
            continue
        begins = int(job.calendar[-5:-3]) * 60 + int(job.calendar[-2:])
        assert 0 <= int(hour) * 60 + int(minute) - begins < job.jitter_seconds / 60
        assert day == ("0" if job.name == "drill" else "*")


def test_only_the_label_s_own_lines_are_taken_out_of_a_crontab() -> None:
    others = ["MAILTO=me", "1 2 * * * true", f"# {TABLE.label}-2: begin", "3 4 * * * mine", f"# {TABLE.label}-2: end"]
    assert without_block([*others[:2], *TABLE.crontab(), *others[2:]], TABLE.label) == others
