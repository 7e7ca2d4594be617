"""The documents lead somewhere: every link to a file, and to a heading where one is named."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
README = PROJECT / "README.md"
DOCUMENTS = sorted([*PROJECT.glob("*.md"), *(PROJECT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)\s]+)\)")
ELSEWHERE = re.compile(r"[a-z]+:")
ONE_SCREEN = 64


def prose(document: Path) -> Iterator[str]:
    """The lines that are no code."""
    fenced = False
    for line in document.read_text().splitlines():
        if line.startswith("```"):
            fenced = not fenced
        elif not fenced and not line.startswith("    "):
            yield re.sub(r"`[^`]*`", "", line) if not line.startswith("#") else line


def anchors(document: Path) -> set[str]:
    """What a link may name after `#`: each heading in lower case, without marks, hyphens for spaces."""
    titles = [line.lstrip("#").strip().lower() for line in prose(document) if line.startswith("#")]
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.relative_to(PROJECT).as_posix())
def test_every_link_leads_to_a_file_and_a_heading(document: Path) -> None:
    astray = []
    for link in LINK.findall("\n".join(prose(document))):
        if ELSEWHERE.match(link):
            continue
        file, _, anchor = link.partition("#")
        there = document if not file else document.parent / file
        if not there.exists() or (anchor and anchor not in anchors(there)):
            astray.append(link)
    assert astray == []


def test_every_document_is_reached_from_the_readme() -> None:
    reached, waiting = set[Path](), [README]
    while waiting:
        document = waiting.pop()
        if document in reached or document.suffix != ".md" or not document.is_file():
            continue
        reached.add(document)
        links = [link.partition("#")[0] for link in LINK.findall("\n".join(prose(document)))]
        waiting += [(document.parent / link).resolve() for link in links if link and not ELSEWHERE.match(link)]
    assert [path for path in DOCUMENTS if path not in reached] == []


def test_the_readme_is_one_screen() -> None:
    lines = README.read_text().splitlines()
    assert len(lines) <= ONE_SCREEN


def test_the_readme_s_two_commands_can_be_started_and_ci_runs_its_tests() -> None:
    section = README.read_text().partition("## Two commands\n")[2].partition("\n## ")[0]
    commands = re.findall(r"^    (scripts/\w+) +#", section, re.MULTILINE)
    assert commands == ["scripts/demo", "scripts/test"]
    assert all(os.access(PROJECT / command, os.X_OK) for command in commands)
    assert f"exec {commands[1]}\n" in (PROJECT / ".ci/run").read_text()
