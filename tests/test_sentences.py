"""The draw of sentences: from all three kinds, the same by the same seed, whatever else is written."""

from __future__ import annotations

from pathlib import Path

import pytest
from sentences import KINDS, OF_EACH, SEED, Sentence, drawn, sentences


@pytest.fixture(scope="module")
def found() -> list[Sentence]:
    return sentences()


def test_a_draw_has_the_same_number_of_each_kind(found: list[Sentence]) -> None:
    chosen = drawn(found, SEED)
    assert [item.kind for item in chosen] == [kind for kind in KINDS for _ in range(OF_EACH)]
    assert len({item.text for item in chosen}) == len(chosen)


def test_a_seed_draws_the_same_sentences_and_another_seed_others(found: list[Sentence]) -> None:
    assert drawn(reversed(found), SEED) == drawn(found, SEED) != drawn(found, SEED + 1)


def test_a_new_sentence_replaces_at_most_one_of_its_kind(found: list[Sentence]) -> None:
    before, after = (
        set(drawn(among, SEED)) for among in (found, [*found, Sentence("help", "A new one is here.", "x")])
    )
    assert len(before - after) <= 1


def test_help_errors_and_documents_are_read(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.md").write_text(
        "# A title is left out\n\nA host *is* a [VPS](x.md). It\nhas disks.\n\n    code is left out.\n"
    )
    (tmp_path / "launchpad").mkdir()
    code = (
        'raise StateError(f"{self.name}: the host is off", hint="launchpad status web-1")\nprint("not an error at all")'
    )
    (tmp_path / "launchpad/a.py").write_text(code)
    read = {item.text: item.kind for item in sentences(tmp_path) if item.kind != "help"}
    assert read == {"A host *is* a VPS.": "document", "{name}: the host is off": "error"}
    assert any(item.where == "launchpad deploy --after" for item in sentences(tmp_path))
