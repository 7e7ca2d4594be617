"""`--help` is quick, and imports nothing heavy; neither does listing or completing commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time

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


def test_help_is_quick() -> None:
    """The best of several, as others may be busy on the machine; with byte code, as installed programs have it."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", "from launchpad.cli import main; main()", "--help"]
    seconds = []
    for _ in range(6):
        started = time.perf_counter()
        subprocess.run(command, env=environment, check=True, capture_output=True)
        seconds.append(time.perf_counter() - started)
    assert min(seconds) < MOST_SECONDS, seconds
