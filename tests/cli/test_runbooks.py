"""launchpad runbook: a page as text that fits a terminal, whose commands can be copied, also from the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from launchpad.cli.runbooks import readable
from tests.cli.terminal import Terminal
from tests.screens.terminal import on_terminal
from tests.test_runbooks import ON_HOST, OVERVIEW, PAGES, PROJECT, commands

TABLE = """# Host, docker

Docker does not
answer.

## Type

| cause | look | type |
| --- | --- | --- |
| the **disk** is full | | [host, disk](host-disk.md), then `launchpad check` |

- [ ] one
  and more
1. [lost](../disaster.md#part), [security](../../SECURITY.md)
"""


def test_a_page_is_text_without_marks() -> None:
    assert readable(TABLE).splitlines() == [
        "Host, docker",
        "",
        "Docker does not answer.",
        "",
        "TYPE",
        "",
        "the disk is full",
        "  type: host, disk (`launchpad runbook host-disk`), then `launchpad check`",
        "",
        "- [ ] one and more",
        "1. lost (docs/disaster.md of the project), security (SECURITY.md of the project)",
    ]


def test_a_page_is_found_by_its_name_and_by_its_layer(empty: Terminal) -> None:
    assert empty.ok("runbook", "host-docker").out.startswith("Host, docker\n\nDocker does not answer: ")
    assert empty.ok("runbook", "docker").out == empty.ok("runbook", "host-docker").out
    assert "`launchpad runbook tenant-ready`" in empty.ok("runbook").out
    assert empty.ok("runbook", "docker", "--json").json["page"] == "host-docker"
    both = empty("runbook", "settings")
    assert both.code == 3 and "hint: launchpad runbook host-settings, or launchpad runbook tenant-settings" in both.err
    wrong = empty("runbook", "host-dokcer")
    assert (wrong.code, wrong.err) == (3, "error: no runbook host-dokcer\nhint: launchpad runbook host-docker\n")


@pytest.mark.programs
@pytest.mark.parametrize("path", [*PAGES, OVERVIEW], ids=lambda path: path.stem)
def test_every_page_fits_a_terminal_and_no_command_is_cut(empty: Terminal, path: Path) -> None:
    page = [] if path == OVERVIEW else [path.stem]
    lines = on_terminal(["runbook", *page], columns=80).lines
    text = "\n".join(lines)
    typed = [words for words in commands(path.read_text()) if words.startswith(("launchpad ", ON_HOST))]
    assert [words for words in typed if words not in text] == []
    long = [line for line in lines if len(line) > 80 and not any(words in line for words in typed)]
    assert long == [] and "](" not in text and "|--" not in text


@pytest.mark.programs
def test_the_wheel_has_the_pages(tmp_path: Path) -> None:
    build = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    done = subprocess.run([sys.executable, "-c", build], cwd=PROJECT, capture_output=True, text=True, check=True)
    names = zipfile.ZipFile(tmp_path / done.stdout.split()[-1]).namelist()
    assert {f"launchpad/runbooks/{path.name}" for path in (*PAGES, OVERVIEW)} <= set(names)
