"""The reference is what the code says, and every command explains itself."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from referencing import DOCUMENT, reference

from launchpad.cli.app import load
from launchpad.cli.boundary import BROKEN_PIPE, BUG, INTERRUPTED, USAGE
from launchpad.cli.registry import entries


def commands() -> Iterator[tuple[str, Any]]:
    for entry in entries().values():
        command = load(entry)
        inner = getattr(command, "commands", None)
        yield entry.name, command
        if inner is not None:
            yield from ((f"{entry.name} {name}", item) for name, item in inner.items())


def test_the_reference_is_current() -> None:
    assert DOCUMENT.read_text() == reference(), "scripts/reference writes it anew"


@pytest.mark.parametrize(("name", "command"), list(commands()), ids=lambda item: item if isinstance(item, str) else "")
def test_every_command_says_what_it_does_with_an_example(name: str, command: Any) -> None:
    assert command.help, "no help"
    assert (command.epilog or "").startswith(f"Example: launchpad {name.split()[0]}"), "no example"
    for option in command.params:
        if option.param_type_name == "option":
            assert option.help, f"{option.opts[0]} has no help"


def test_every_exit_code_has_a_row() -> None:
    section = reference().partition("## Exit codes\n")[2].partition("\n## ")[0]
    rows = [tuple(cell.strip() for cell in line.split("|")[1:-1]) for line in section.splitlines() if "|" in line][2:]
    codes = [int(row[0]) for row in rows]
    assert codes == sorted(codes)
    assert {BUG, USAGE, INTERRUPTED, BROKEN_PIPE, 0} <= set(codes)
    named = {row[1].strip("`"): (int(row[0]), row[2]) for row in rows if row[1]}
    assert named["LockedError"] == (5, "yes")
    assert named["StepFailed"] == (6, "no")
    assert all(row[3] for row in rows)


def lines_of_keys() -> list[str]:
    return [line for line in reference().splitlines() if line.startswith("- `") and not line.startswith("- `--")]


def test_every_key_of_every_file_has_a_word() -> None:
    assert len(lines_of_keys()) > 140
    assert [line for line in lines_of_keys() if re.fullmatch(r"- `[^`]+`( \(default .+\))?: \S.+", line) is None] == []


def test_keys_below_what_may_be_a_single_value_are_listed() -> None:
    assert {line.split("`")[1] for line in lines_of_keys()} >= {"rollout.rings[].ring", "rollout.rings[].soak"}


def test_no_word_on_a_file_is_a_developers() -> None:
    code = re.compile(r"\bNone\b|\bFleet\b|`[A-Z]\w+\.|\w\(\)|frozen|\bTrue\b.*:")
    told = [line.partition(": ")[2] for line in lines_of_keys()]
    assert [text for text in told if code.search(text)] == []
