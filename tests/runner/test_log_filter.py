"""Which level a line has, as apps of all kinds write it."""

from __future__ import annotations

import pytest

from launchpad.runner.log_filter import LogFilter, level_of


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('{"level":"error","msg":"no"}', "error"),
        ('{"level":50,"msg":"pino"}', "error"),
        ('{"level":40,"msg":"pino"}', "warning"),
        ('{"level":30,"msg":"an error of yesterday"}', "info"),
        ('{"level":20}', "debug"),
        ("time=12:00 level=warn msg=slow", "warning"),
        ('severity: "CRITICAL"', "error"),
        ("2026-11-30 12:00:00 [WARN] slow", "warning"),
        ("[error] bad", "error"),
        ("ERROR: bad", "error"),
        ("error: bad", "error"),
        ("DEBUG gateway", "debug"),
        ("Traceback (most recent call last):", "error"),
        ("TypeError: x is not a function", "error"),
        ("panic: nil", "error"),
        ("GET /errors 200", "info"),
        ("no error was found", "info"),
        ("x" * 200 + " ERROR", "info"),
        ("", "info"),
    ],
)
def test_the_level_of_a_line(text: str, level: str) -> None:
    assert level_of(text) == level


def test_an_indented_line_has_the_level_of_the_line_before() -> None:
    shown = LogFilter(level="error")
    lines = ["all is well", "  indeed", "TypeError: no", "    at main.js:3", "    at run.js:9", "goes on"]
    assert list(filter(shown.shows, lines)) == lines[2:5]


def test_an_expression_is_searched_for_and_without_one_every_line_is_shown() -> None:
    assert [LogFilter(grep="b.d").shows(text) for text in ("a bad thing", "good")] == [True, False]
    assert LogFilter().shows("anything")
