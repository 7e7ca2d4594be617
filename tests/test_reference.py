"""The reference is what the code says, and every command explains itself."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from referencing import DOCUMENT, reference

from launchpad.cli.app import load
from launchpad.cli.registry import entries


def commands() -> Iterator[tuple[str, Any]]:
    for entry in entries().values():
        command = load(entry)
        inner = getattr(command, "commands", None)
        if inner is None:
            yield entry.name, command
        else:
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
