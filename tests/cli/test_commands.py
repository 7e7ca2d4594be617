"""Every command has help, an example that is itself, and the options that all have."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from launchpad.cli.app import load
from launchpad.cli.registry import SECTIONS, entries


def commands() -> Iterator[tuple[str, Any]]:
    for entry in entries().values():
        command = load(entry)
        if not entry.group:
            yield entry.name, command
        else:
            for name, subcommand in command.commands.items():
                yield f"{entry.name} {name}", subcommand


ALL = dict(commands())


def test_no_name_stands_twice() -> None:
    names = [entry.name for section in SECTIONS.values() for entry in section]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", ALL)
def test_it_has_help_and_an_example(name: str) -> None:
    command = ALL[name]
    assert command.help
    assert command.help.splitlines()[0].endswith((".", ":"))
    assert f"launchpad {name}" in (command.epilog or ""), "the epilog is an example of the command"


@pytest.mark.parametrize("name", ALL)
def test_it_takes_the_options_that_all_take(name: str) -> None:
    options = {option for parameter in ALL[name].params for option in parameter.opts}
    assert {"--json", "--no-color", "--workspace", "-w"} <= options


@pytest.mark.parametrize("name", ALL)
def test_its_options_say_what_they_do(name: str) -> None:
    for parameter in ALL[name].params:
        if parameter.param_type_name == "option":
            assert parameter.help, parameter.opts


@pytest.mark.parametrize("entry", entries().values(), ids=lambda entry: entry.name)
def test_the_line_in_the_overview_fits(entry: Any) -> None:
    assert len(entry.help) <= 70
    assert entry.help.endswith(".")
