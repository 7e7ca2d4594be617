"""`--help` is quick, and imports nothing heavy; neither does listing or completing commands."""

from __future__ import annotations

import os
import resource
import subprocess
import sys

import pytest

from launchpad.cli.registry import entries

HEAVY = (
    "fabric",
    "paramiko",
    "stripe",
    "hcloud",
    "jinja2",
    "sqlalchemy",
    "pydantic",
    "ruamel",
    "yaml",
    "rich",
    "pyrage",
    "textual",
)
MOST_SECONDS = 0.15


def modules_after(*arguments: str) -> set[str]:
    program = (
        "import sys; from launchpad.cli.boundary import run; code = run(sys.argv[1:]); "
        "print(*sys.modules, sep='\\n', file=sys.stderr); sys.exit(code)"
    )
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("-h",), (), ("--version",)], ids=" ".join)
def test_nothing_heavy_is_imported(arguments: tuple[str, ...]) -> None:
    modules = modules_after(*arguments)
    assert "typer" in modules
    assert sorted(name for name in modules if name.partition(".")[0] in HEAVY) == []
    commands = {f"launchpad.cli.{entry.module}" for entry in entries().values()}
    assert sorted(modules & commands) == []


@pytest.mark.programs
def test_help_is_quick() -> None:
    """Of the processor's time, which others on a busy machine do not add to; with byte code, as installed programs
    have it. The first run makes the byte code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", "from launchpad.cli import main; main()", "--help"]
    seconds = []
    for _ in range(6):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < MOST_SECONDS, seconds
