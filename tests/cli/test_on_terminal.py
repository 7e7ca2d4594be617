"""The command line on a real terminal: no escape as text, no word cut, nothing wider than the terminal but what is
copied, and every mark in the terminal's own encoding."""

from __future__ import annotations

import re
from typing import Any

import pytest

from launchpad.cli.typed import glued
from tests.cli.terminal import Terminal
from tests.fleet.inventory import write
from tests.screens.terminal import Printed, on_terminal

pytestmark = pytest.mark.programs  # a terminal; what each scene prints is compared in tests/screens

COMMANDS = [
    "check",
    "tenant list",
    "tenant show alice",
    "tenant show nobody",
    "host list",
    "versions openclaw",
    "secret list",
    "key show",
    "deploy",
    "tenant remove alice",
    "host add --help",
]
ESCAPE_AS_TEXT = re.compile(r"\\x1b|\\u[0-9a-f]{4}|\[\d+m")
NARROWEST_HELP = 50
"""Help is no narrower, whatever the terminal."""


@pytest.fixture
def place(terminal: Terminal) -> Terminal:
    note = "note: 'a note — with marks → that few terminals have… and " + "words that go on and on " * 8 + "'\n"
    text = (terminal.root / "inventory/tenants/alice.yaml").read_text()
    write(terminal.root, {"inventory/tenants/alice.yaml": text + note})
    return terminal


@pytest.mark.parametrize("command", COMMANDS)
def test_every_screen_is_whole(place: Terminal, command: str) -> None:
    wide = printed(command, columns=1000)
    for columns in (200, 80, 40):
        narrow = printed(command, columns=columns)
        assert words(narrow) == words(wide), "a word is cut, or left out"
        for line in narrow.lines:
            copied = max((len(word) for word in glued(line).split()), default=0) > columns - 20
            assert len(line) <= max(columns, NARROWEST_HELP if "--help" in command else 0) or copied, line
    assert ("\x1b[" in wide.text) == ("--help" not in command)


@pytest.mark.parametrize("command", ["check", "tenant show alice", "tenant show nobody", "deploy"])
def test_every_terminal_gets_what_it_understands(place: Terminal, command: str) -> None:
    wide = printed(command, columns=1000)
    for plain in (printed(command, variables={"NO_COLOR": "1"}), printed(command, variables={"TERM": "dumb"})):
        assert "\x1b" not in plain.text
        assert max(map(len, plain.lines)) <= 80
        assert words(plain) == words(wide)
    for encoding in ("latin-1", "ascii"):
        other = printed(command, encoding=encoding)
        assert {word for word in words(wide) if word.isascii()} <= words(other)
        assert "?" not in other.text


def printed(command: str, **how: Any) -> Printed:
    """What it printed; nobody confirms anything."""
    found = on_terminal(command.split(), answers=("n",), **how)
    assert found.code in (0, 2, 3, 4), found.text
    assert "Traceback" not in found.text
    assert [line for line in found.lines if ESCAPE_AS_TEXT.search(line)] == []
    return found


def words(of: Printed) -> set[str]:
    return set(re.sub(r"\x1b\[[0-9;]*m", "", of.text).lower().split())
