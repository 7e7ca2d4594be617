"""What a test that counts its assertions writes down."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.tally import tallied


@pytest.mark.parametrize(("facts", "wrong"), [((True, True), 0), ((True, False), 1), ((True, None), 1)])
def test_what_does_not_hold_is_written_down_too(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    facts: tuple[object, ...],
    wrong: int,
) -> None:
    """None stands for a test that breaks off before it could ask."""
    raw = tmp_path / "raw.jsonl"
    monkeypatch.setenv("LAUNCHPAD_EVIDENCE", str(raw))
    try:
        with tallied("some-figure", request) as holds:
            for number, fact in enumerate(facts):
                if fact is None:
                    raise RuntimeError
                holds(str(number), fact)
    except (AssertionError, RuntimeError):
        assert wrong
    (line,) = map(json.loads, raw.read_text().splitlines())
    assert (line["figure"], line["value"]) == ("some-figure", wrong)
