"""Completion in a real bash, set up by what `launchpad --show-completion` prints there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

SCRIPT = """
eval "$(launchpad --show-completion)"
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_launchpad_completion launchpad
printf '%s\\n' "${COMPREPLY[@]}"
"""

BASH = shutil.which("bash")


@pytest.mark.skipif(BASH is None, reason="there is no bash here")
@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("launchpad dep", ["deploy"]),
        ("launchpad tenant sh", ["show"]),
        ("launchpad deploy ", ["alice", "bob"]),
        ("launchpad logs alice b", ["bob"]),
        ("launchpad status web", ["web-1", "web-2"]),
        ("launchpad provision ", ["web-1", "web-2"]),
        ("launchpad secret set alice AN", ["ANTHROPIC_API_KEY"]),
        ("launchpad app pin open", ["openclaw"]),
        ("launchpad tenant add carol --tier l", ["light"]),
    ],
)
def test_names_are_completed(terminal: Terminal, tmp_path: Path, typed: str, offered: list[str]) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "launchpad").write_text(f'#!/bin/sh\nexec {sys.executable} -m launchpad.cli "$@"\n')
    (tools / "launchpad").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    command = [str(BASH), "--norc", "-c", SCRIPT, "bash", *typed.split(" ")]
    done = subprocess.run(
        command, cwd=terminal.root, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.stdout.split() == offered, done.stderr
    assert done.stderr == ""
