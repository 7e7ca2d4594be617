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
while IFS= read -r line; do
    mapfile -t COMP_WORDS < <(sed 's/ /\\n/g' <<< "$line")
    COMP_CWORD=$((${#COMP_WORDS[@]} - 1)) COMPREPLY=()
    _launchpad_completion launchpad
    echo "${COMPREPLY[*]}"
done
"""
TYPED = {
    "launchpad dep|": "deploy",
    "launchpad tenant sh|": "show",
    "launchpad deploy |": "alice bob",
    "launchpad logs alice b|": "bob",
    "launchpad status web|": "web-1 web-2",
    "launchpad provision |": "web-1 web-2",
    "launchpad secret set alice AN|": "ANTHROPIC_API_KEY",
    "launchpad app pin open|": "openclaw",
    "launchpad tenant add carol --tier l|": "light",
}
"""What stands before the cursor, and what is offered there."""

BASH = shutil.which("bash")


@pytest.mark.programs
@pytest.mark.skipif(BASH is None, reason="there is no bash here")
def test_names_are_completed(terminal: Terminal, tmp_path: Path) -> None:
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "launchpad").write_text(f'#!/bin/sh\nexec {sys.executable} -m launchpad.cli "$@"\n')
    (tools / "launchpad").chmod(0o755)
    environment = {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}"}
    done = subprocess.run(
        [str(BASH), "--norc", "-c", SCRIPT],
        cwd=terminal.root,
        env=environment,
        input="".join(line.replace("|", "\n") for line in TYPED),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert dict(zip(TYPED, done.stdout.splitlines(), strict=True)) == TYPED, done.stderr
    assert done.stderr == ""
