"""What a person reads fits a terminal of eighty columns, and says nothing of how it is programmed."""

from __future__ import annotations

import re

import pytest

from tests.cli.terminal import Terminal
from tests.cli.test_commands import ALL

COLUMNS = 80


@pytest.mark.parametrize("name", ALL)
def test_help_is_for_people(empty: Terminal, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    lines = empty.ok(*name.split(), "--help").out.splitlines()
    copied = lines.index("Example:") + 1  # it is whole, whatever the width
    assert max(map(len, lines[:copied])) <= COLUMNS
    assert [line for line in lines if re.search(r"[{}]|<[a-z]+[^>]*>", line)] == []
    words = lines[0].removeprefix(f"Usage: launchpad {name} [OPTIONS]").split()
    assert all(re.fullmatch(r"([A-Z|]+|\[[A-Z|:\[\]]+\])(\.\.\.)?", word) for word in words), lines[0]


def test_a_group_lists_its_commands_with_whole_sentences(empty: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    for group in ("tenant", "host", "secret", "app", "tier", "key"):
        text = empty.ok(group, "--help").out
        assert max(map(len, text.splitlines())) <= COLUMNS
        assert "..." not in text.split("Commands:")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("schema", "tennant"), "error: Invalid value for 'KIND': 'tennant' is not one of"),
        (("apply", "--confirm"), "hint: launchpad apply --help\n"),
        (
            ("host", "add", "web-3", "--address", "203.0.113.9", "--cpus", "2", "--memory", "8", "--disk", "9GiB"),
            "error: --memory: bad size '8'",
        ),
        (("tenant", "remove", "alice", "--host-gone"), "hint: add --yes\n"),
        (("retire", "alice"), "hint: add --yes\n"),
        (("key", "shw"), "Did you mean 'show'?"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_a_newcomer_types_wrong_is_explained(terminal: Terminal, arguments: tuple[str, ...], said: str) -> None:
    printed = terminal(*arguments)
    assert printed.code in (2, 3, 4)
    assert said in printed.err
    assert printed.err.endswith("\n")
