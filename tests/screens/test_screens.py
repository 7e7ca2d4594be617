"""docs/screens is what the command line prints: on a real terminal, against a fleet in memory."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from launchpad.cli.typed import glued
from tests.memory.fleet import MemoryFleet
from tests.screens.scenes import SCENES, Scene, first_fleet, masked
from tests.screens.terminal import Printed

FOLDER = Path(__file__).resolve().parents[2] / "docs/screens"
AGAIN = "run scripts/screens, and read what changed: git diff docs/screens"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> MemoryFleet:
    return first_fleet(tmp_path_factory.mktemp("first"))


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_screen_is_current_and_whole(scene: Scene, first: MemoryFleet) -> None:
    path = FOLDER / f"{scene.name}.txt"
    text = scene.document(first)
    assert text == (path.read_text() if path.exists() else ""), AGAIN
    assert "Traceback" not in text
    assert re.search(r"\x1b|\\x1b|\\u[0-9a-f]{4}", text) is None
    for line in text.splitlines()[1:]:
        copied = max(map(len, glued(line).split()), default=0) > scene.columns - 20
        assert len(line) <= scene.columns or copied or scene.command.endswith("--help"), line


@pytest.mark.programs
@pytest.mark.parametrize("name", ["deploy", "deploy-failed", "upgrade", "rollout-halted", "status-troubled", "logs"])
def test_other_terminals_get_what_they_understand(name: str, first: MemoryFleet) -> None:
    scene = next(scene for scene in SCENES if scene.name == name)
    whole = words(replace(scene, columns=1000).play(first))
    for columns in (200, 40):
        narrow = replace(scene, columns=columns).play(first)
        assert words(narrow) == whole, "a word is cut"
        for line in narrow.lines:
            assert len(line) <= columns or max(map(len, glued(line).split())) > columns - 20, line
    plain = replace(scene, variables={"TERM": "dumb"}).play(first)
    assert "\x1b" not in plain.text and max(map(len, plain.lines)) <= 80
    assert re.search(r"\x1b\[[0-9;]*m", replace(scene, variables={"NO_COLOR": "1"}).play(first).text) is None
    for encoding in ("latin-1", "ascii"):
        other = replace(scene, encoding=encoding).play(first)
        assert re.search(r"\\u[0-9a-f]{4}|Traceback", other.text) is None
        assert max(map(len, other.lines)) <= 80
        assert {word for word in whole if word.isascii()} <= words(other)


def words(of: Printed) -> set[str]:
    """What stands on the screen; ids, digests and durations differ from run to run."""
    return set(masked("\n".join(of.lines)).lower().split())


def test_each_file_has_its_scene() -> None:
    names = [scene.name for scene in SCENES]
    assert sorted(names) == sorted(path.stem for path in FOLDER.glob("*.txt")), AGAIN
    assert len(set(names)) == len(names)
