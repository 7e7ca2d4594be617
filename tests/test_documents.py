"""The documents lead somewhere: every link to a file and a heading, and every path and function in the architecture."""

from __future__ import annotations

import ast
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
ARCHITECTURE = PROJECT / "docs/architecture.md"
PLACE = re.compile(r"[\w@.-]+(?:/[\w@.-]+)*/?")
CODE = re.compile(r"`([^`\s]+)`")


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


def places(line: str, folder: Path) -> Iterator[tuple[Path, str]]:
    """Each path of the project that a line of the architecture names, and the name in that file, where one follows a
    colon. A path is from the folder of the heading, or from the project's own."""
    for code in CODE.findall(line):
        path, _, name = code.partition(":")
        if PLACE.fullmatch(path) and ("/" in path or path.endswith((".py", ".toml", ".md"))):
            yield next((there for there in (folder / path, PROJECT / path) if there.exists()), PROJECT / path), name


def named_in_the_architecture(*, map_alone: bool = False) -> Iterator[tuple[Path, str]]:
    """The same of every line, or of the rows of the map alone."""
    folder = PROJECT
    for line in ARCHITECTURE.read_text().splitlines():
        if line.startswith("#"):
            folder = next((path for path, _ in places(line, PROJECT)), PROJECT)
        if not map_alone or line.startswith("| `"):
            yield from places(line, folder)


def defines(path: Path, name: str) -> bool:
    """Whether the file defines that function, class, constant, or method of a class (`Class.method`)."""
    body: list[ast.stmt] = ast.parse(path.read_text()).body
    for part in name.split("."):
        found = [node for node in body if part in names_of(node)]
        if not found:
            return False
        body = getattr(found[0], "body", [])
    return True


def names_of(node: ast.stmt) -> set[str]:
    match node:
        case ast.FunctionDef() | ast.ClassDef():
            return {node.name}
        case ast.Assign():
            return {name.id for target in node.targets for name in ast.walk(target) if isinstance(name, ast.Name)}
        case ast.AnnAssign(target=ast.Name(id=name)):
            return {name}
    return set()


def test_the_architecture_names_only_what_is_there() -> None:
    named = set(named_in_the_architecture())
    assert len(named) > 300
    assert sorted(path.relative_to(PROJECT).as_posix() for path, _ in named if not path.exists()) == []
    functions = [(path, name) for path, name in named if name and path.exists()]
    astray = [f"{path.relative_to(PROJECT)}:{name}" for path, name in functions if not defines(path, name)]
    assert sorted(astray) == []


def test_the_map_names_every_file() -> None:
    named = {path for path, _ in named_in_the_architecture(map_alone=True)}
    files = {path for path in (PROJECT / "launchpad").rglob("*.py") if path.name != "__init__.py"}
    assert sorted(path.relative_to(PROJECT).as_posix() for path in files - named) == []
