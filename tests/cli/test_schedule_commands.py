"""launchpad schedule, from the words typed to what cron and the terminal get."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.terminal import Terminal

CRONTAB = """#!/bin/sh
case "$1" in
    -l) [ -e "{file}" ] || {{ echo "no crontab for ops" >&2; exit 1; }}; cat "{file}" ;;
    -) cat >"{file}" ;;
esac
"""


@pytest.fixture
def crontab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A crontab of this test's own."""
    tools, file = tmp_path / "bin", tmp_path / "crontab"
    tools.mkdir()
    (tools / "crontab").write_text(CRONTAB.format(file=file))
    (tools / "crontab").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return file


def test_cron_s_lines_are_installed_shown_and_removed(terminal: Terminal, crontab: Path) -> None:
    words = ("schedule", "install", "--crontab", "--only", "health,backup", "--mail", "ops@example.com")
    printed = terminal.ok(*words)
    assert printed.out.splitlines() == ["wrote crontab", "2 jobs are now run by cron"]
    text = crontab.read_text()
    assert text.count("--mail ops@example.com") == 2
    assert f"LAUNCHPAD_CONFIG={terminal.home}" in text
    assert terminal.ok(*words).out == "nothing to do\n"
    shown = terminal.ok("schedule", "show", "--json").json
    assert [item["job"] for item in shown if item["installed_by"] == "cron"] == ["health", "backup"]
    some = terminal.ok("schedule", "show")
    assert ("not installed" in some.out, some.err) == (True, "")
    assert terminal.ok("schedule", "remove").out.splitlines() == ["removed crontab", "removed"]
    assert crontab.read_text() == ""
    assert terminal.ok("schedule", "show").err == "to install the jobs: launchpad schedule install\n"


def test_a_job_runs_and_what_it_prints_is_the_report(terminal: Terminal, crontab: Path) -> None:
    printed = terminal("schedule", "run", "workspace")
    assert printed.code != 0
    assert printed.out.startswith("launchpad: workspace failed with exit code")
    assert "launchpad backup --this-workspace" in printed.out
    assert terminal("schedule", "run", "workspace").out == "", "a failure that lasts is reported once"
    terminal.ok("schedule", "install", "--crontab")
    assert terminal("schedule", "show").code == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "bakcup"), "no job bakcup; expected health, workspace, backup"),
        (("run", "health,backup"), "no job health backup"),
        (("install", "--only", "health,x"), "no job x"),
        (("install", "--crontab", "--system"), "give --crontab or --system, not both"),
        (("install", "--mail", "a@b", "--report", "cat"), "give --mail or --report, not both"),
    ],
)
def test_what_is_typed_wrong_is_explained(terminal: Terminal, words: tuple[str, ...], said: str) -> None:
    printed = terminal("schedule", *words)
    assert (printed.code, said in printed.err) == (2, True), printed
