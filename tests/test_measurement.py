"""What makes the evidence's tables: the worst value counts, and what was measured too seldom falls short."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from measurement import PROJECT, beside_before, document, goals, row, rows, tables

GOAL = {"text": "requests lost", "most": 0, "n": 20, "unit": "", "by": "tests/x.py"}


def item(value: float, n: int = 1, *, figure: str = "bricked", commit: str = "abc") -> dict[str, Any]:
    return {"figure": figure, "value": value, "n": n, "detail": "", "commit": commit}


def test_what_was_measured_less_often_than_promised_falls_short() -> None:
    assert row("lost", GOAL, [item(0)] * 19).verdict == "falls short"
    assert row("lost", GOAL, [item(0)] * 20).verdict == "holds"
    assert row("lost", GOAL, []).verdict == "falls short"


def test_one_bad_value_among_many_falls_short_and_is_what_is_shown() -> None:
    found = row("lost", GOAL, [item(0, 30), item(2, 1, commit="def")])
    assert (found.verdict, found.measured, found.n, found.commits) == ("falls short", "2", 31, ("abc", "def"))


def test_a_figure_of_another_topic_is_left_out_and_each_of_this_one_stands_there() -> None:
    found = rows({"bricked": GOAL}, [item(0, 20), item(9, 1, figure="demo-seconds"), {"table": "x", "row": {}}])
    assert [(line.figure, line.verdict) for line in found] == [("bricked", "holds")]


def test_each_figure_that_a_test_records_has_a_goal() -> None:
    known = {name for topic in goals().values() for name in topic["figures"]}
    texts = [path.read_text() for path in (PROJECT / "tests").rglob("test_*.py") if path != Path(__file__)]
    recorded = {
        name for text in texts for name in re.findall(r'\b(?:measured|record)\(\s*"([a-z0-9]+-[a-z0-9-]+)"', text)
    }
    assert len(recorded) > 50 and recorded - known == set()


def test_each_goal_is_measured_by_a_command_of_its_topic() -> None:
    for name, topic in goals().items():
        run = [word for command in topic["run"] for word in command.split() if word.startswith("tests/")]
        asked = {
            path for goal in topic["figures"].values() for path in goal["by"].split(", ") if path.startswith("tests/")
        }
        assert {path for path in asked if not path.startswith(tuple(run))} == set(), name


def test_a_topics_own_table_has_every_row_with_its_commit() -> None:
    raw = [{"table": "silence", "row": {"change": name}, "commit": "abc"} for name in ("upgrade", "rollback")]
    lines = tables({"silence": "Silence", "none": "None"}, [*raw, item(0)])
    assert lines == ["", "## Silence", "", "| change | at commit |", "| --- | --- |"] + [
        f"| {name} | abc |" for name in ("upgrade", "rollback")
    ]
    assert "## Silence" in document("lifecycle", [row("lost", GOAL, [item(0, 20)])], 1, lines)


def test_what_was_measured_before_the_work_stands_beside_what_is_now() -> None:
    figures = {"lost": GOAL | {"before": 7}, "other": GOAL}
    table = [row("lost", GOAL, [item(0, 20)]), row("other", GOAL, [item(0, 20)])]
    lines = beside_before({"before": "0123456789abcdef", "figures": figures}, table)
    assert lines[3:] == [
        "Before: at 0123456789ab.", "", "| figure | before | now |", "| --- | --- | --- |", "| requests lost | 7 | 0 |"
    ]  # fmt: skip
    assert beside_before({"figures": {"other": GOAL}}, table) == []
