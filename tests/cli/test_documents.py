"""What the documents show can be typed as it stands there."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

PROJECT = Path(__file__).parents[2]
BEGINNING = PROJECT / "docs/getting-started.md"
GENERATED = ("reference.md", "evidence")
DOCUMENTS = [
    path
    for path in sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").glob("*.md")])
    if not path.name.startswith(GENERATED) and path.name != "CHANGELOG.md"
]
ELSEWHERE = ("launchpad app pin", "launchpad provision")
"""What asks a registry or a host."""


def day() -> list[str]:
    """The lines of "A day with Launchpad", each as it is typed."""
    section = BEGINNING.read_text().partition("## A day with Launchpad\n")[2].partition("\n## ")[0]
    return [line.strip() for line in section.splitlines() if line.startswith("    ")]


@pytest.mark.programs
def test_the_walk_works_literally_up_to_what_a_host_does(tmp_path: Path) -> None:
    lines = day()
    deploys = next(number for number, line in enumerate(lines) if line.startswith("launchpad deploy"))
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "launchpad").write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m launchpad.cli "$@"\n')
    (tools / "launchpad").chmod(0o755)
    typed = [line for line in lines[:deploys] if not line.startswith(ELSEWHERE)]
    assert len(typed) >= 4
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LAUNCHPAD", "XDG", "GIT"))}
    environment = kept | {"HOME": str(tmp_path), "PATH": f"{tools}:{os.environ['PATH']}"}
    script = "\n".join(["set -e", *typed, "launchpad check --json >~/checked"])
    done = subprocess.run(
        ["bash", "-c", script], input="a-key", env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    checked = json.loads((tmp_path / "checked").read_text())
    assert (checked["hosts"], checked["tenants"]) == (1, 1)
    assert {note["hint"].rpartition(" pin")[0] for note in checked["notes"]} == {"launchpad app"}, checked["notes"]


def commands(text: str) -> list[str]:
    """Every command line of Launchpad's in a document: those that are shown as code, and those within a sentence."""
    lines = [line.strip().removeprefix("$ ") for line in text.splitlines()]
    shown = [part for line in lines for part in re.split(r"&&|[;|<>]", line.partition(" #")[0])]
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    named = [" ".join(inline.split()) for inline in re.findall(r"`([^`]+)`", prose)]
    return [part.strip() for part in (*shown, *named) if re.match(r"launchpad [a-z-]", part.strip())]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_command_is_there_with_the_options_that_it_takes(empty: Terminal, document: Path) -> None:
    for command in commands(document.read_text()):
        printed = empty(*shlex.split(command)[1:], "--help")
        assert printed.code == 0, f"{command}\n{printed.err}"
