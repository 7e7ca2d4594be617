"""What is rendered is what was read and approved; `python -m tests.golden.write` writes it anew, for Git to compare."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden.write import GOLDEN, recorded_files, rendered_files
from tests.render.tools import compose_command

WRITE = "python -m tests.golden.write, and read the diff"


def test_rendered_text_is_the_golden_one() -> None:
    assert {name: text for name, text in rendered_files() if text != _golden(name)} == {}, WRITE


@pytest.mark.programs
@pytest.mark.skipif(compose_command() is None, reason="Compose 2 is not here; set LAUNCHPAD_COMPOSE")
def test_compose_and_caddy_still_make_of_it_what_was_recorded() -> None:
    assert {name: text for name, text in recorded_files() if text != _golden(name)} == {}, WRITE


def test_no_golden_file_is_left_over() -> None:
    rendered = {name for name, _ in rendered_files()}
    recorded = {f"{name}/{file}" for name in ("alice", "bea") for file in RECORDED}
    kept = {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()}
    assert {name for name in kept if "/" in name and "__pycache__" not in name} == rendered | recorded


RECORDED = ("adapted.json", "resolved-a.json", "resolved-b.json")


def _golden(name: str) -> str:
    path = Path(GOLDEN / name)
    return path.read_text() if path.exists() else ""
