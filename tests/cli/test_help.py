"""What a person reads fits a terminal of eighty columns, and says nothing of how it is programmed."""

from __future__ import annotations

import io
import re

import pytest

from launchpad.cli.output import Output, Table
from tests.cli.terminal import Terminal
from tests.cli.test_commands import ALL

COLUMNS = 80


@pytest.mark.parametrize("name", ALL)
def test_help_is_for_people(empty: Terminal, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", str(COLUMNS))
    lines = empty.ok(*name.split(), "--help").out.splitlines()
    assert max(map(len, lines)) <= COLUMNS
    assert [line for line in lines if re.search(r"[{}]|<[a-z]+[^>]*>", line)] == []
    words = lines[0].removeprefix(f"Usage: launchpad {name} [OPTIONS]").split()
    assert all(re.fullmatch(r"([A-Z|]+|\[[A-Z|:\[\]]+\])(\.\.\.)?", word) for word in words), lines[0]


def printed(table: Table) -> list[str]:
    stream = io.StringIO()
    Output(json=False, color=False, stdout=stream).result(None, table)
    return stream.getvalue().splitlines()


def test_what_people_copy_is_never_folded() -> None:
    identifier = "0mhcq2k3a-7f3k9"
    row = ("11-22 14:03", "frankfurt-web-12", "a-customer-of-some-length", "provision", "sebastian", "incomplete")
    headings = ("when", "host", "tenant", "what", "who", "outcome", "operation")
    lines = printed(Table(headings, ((*row, identifier),), firm=("when", "operation")))
    assert max(map(len, lines)) <= COLUMNS
    assert lines[1].startswith("11-22 14:03  ")
    assert lines[1].endswith(f"  {identifier}")


def test_a_usual_history_is_one_line_an_operation() -> None:
    row = ("11-22 14:03", "web-1", "alice", "deploy", "sebastian", "incomplete", "0mhcq2k3a-7f3k9")
    headings = ("when", "host", "tenant", "what", "who", "outcome", "operation")
    assert len(printed(Table(headings, (row, row), firm=("when", "operation")))) == 3


def test_firm_columns_alone_may_be_wider_than_the_terminal() -> None:
    assert printed(Table(("a", "b"), (("x" * 90, "y"),), firm=("a",)))[1].startswith("x" * 90)


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
        (("tenant", "remove", "alice"), "hint: add --yes\n"),
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
