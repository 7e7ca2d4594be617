"""docs/screens is what the command line prints: on a real terminal, against a fleet in memory."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from launchpad.cli.typed import glued
from tests.memory.fleet import MemoryFleet
from tests.screens.scenes import SCENES, Scene, first_fleet

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
    assert re.search(r"\x1b|\\x1b|\\u[0-9a-f]{4}", text) is None or scene.name == "logs"
    for line in text.splitlines()[1:]:
        copied = max(map(len, glued(line).split()), default=0) > scene.columns - 20
        assert len(line) <= scene.columns or copied or scene.command.endswith("--help"), line


def test_each_file_has_its_scene() -> None:
    names = [scene.name for scene in SCENES]
    assert sorted(names) == sorted(path.stem for path in FOLDER.glob("*.txt")), AGAIN
    assert len(set(names)) == len(names)
