"""The lines for cron do what they say, in the little that cron gives them."""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

CRON = Path(__file__).parents[2] / "scripts/cron"
FILES = ["backup", "health", "metrics", "prune"]


def settings(file: str) -> dict[str, str]:
    """What the file sets, as cron reads it: nothing is expanded."""
    lines = (CRON / file).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line.split(" ")[0])


def commands(file: str) -> list[str]:
    lines = (CRON / file).read_text().splitlines()
    return [line.split(maxsplit=6)[6] for line in lines if line[:1] in "*0123456789" and line]


def run(terminal: Terminal, file: str, command: str, home: Path) -> subprocess.CompletedProcess[str]:
    """By sh, with what cron sets and the file does, and nothing else."""
    given = {name: value.replace("/home/ops", str(home)) for name, value in settings(file).items()}
    environment = {"HOME": str(home), "LOGNAME": "ops", "SHELL": "/bin/sh", **given}
    environment |= {"LAUNCHPAD_WORKSPACE": str(terminal.root), "LAUNCHPAD_CONFIG": str(terminal.home)}
    return subprocess.run(["/bin/sh", "-c", command], env=environment, capture_output=True, text=True, check=False)


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A home with launchpad where pipx puts it."""
    tools = tmp_path / "home/.local/bin"
    tools.mkdir(parents=True)
    (tools / "launchpad").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m launchpad.cli "$@"\n')
    (tools / "launchpad").chmod(0o755)
    return tmp_path / "home"


@pytest.mark.programs
def test_tenants_without_backups_are_nobodys_mail(terminal: Terminal, installed: Path) -> None:
    lines = [line for line in commands("backup") if "--this-workspace" not in line]
    assert len(lines) == 4
    for line in lines:
        done = run(terminal, "backup", line, installed)
        assert (done.stdout, done.stderr) == ("", ""), line


@pytest.mark.programs
@pytest.mark.parametrize("file", FILES)
def test_a_launchpad_that_is_not_found_is_somebodys_mail(terminal: Terminal, tmp_path: Path, file: str) -> None:
    for line in commands(file):
        assert "launchpad: not found" in run(terminal, file, line, tmp_path / "nobody").stdout


@pytest.mark.parametrize("file", FILES)
def test_every_line_is_one_command_with_options_that_it_takes(terminal: Terminal, file: str) -> None:
    assert settings(file)["PATH"].split(":")[0] == "/home/ops/.local/bin"
    for line in commands(file):
        line = line.removeprefix("launchpad ").removesuffix(" 2>&1") if "$" not in line else line
        words = line.removeprefix("out=$(launchpad ").removesuffix(' 2>&1) || echo "$out"').split()
        assert terminal(*words, "--help").code == 0, line
