"""launchpad app pin, from the words typed to the lines printed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.cli.terminal import Terminal
from tests.fleet.inventory import digest_of_folder, write
from tests.operations.versions.registry_server import Registry, serving


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry()) as registry:
        yield registry


@pytest.fixture
def fleet(terminal: Terminal, registry: Registry) -> Terminal:
    image = f"127.0.0.1:{registry.port}/openclaw:2026.9.6"
    write(
        terminal.root,
        {
            "launchpad.yaml": (terminal.root / "launchpad.yaml").read_text()
            + f"caddy: {{image: '127.0.0.1:{registry.port}/caddy:2'}}\n",
            "inventory/apps/openclaw.yaml": f"extends: openclaw\nimages:\n  2026.9.6:\n    gateway: {image}\n",
        },
    )
    return terminal


def test_old_and_new_are_shown_and_check_has_no_more_to_say(fleet: Terminal, registry: Registry) -> None:
    hints = [note["hint"] for note in fleet.ok("check", "--json").json["notes"]]
    assert "launchpad app pin --caddy" in hints
    digest, _ = registry.put("caddy", "2"), registry.put("openclaw", "2026.9.6")
    printed = fleet.ok("app", "pin").out
    assert printed.startswith(
        f"caddy: 127.0.0.1:{registry.port}/caddy:2\n  no digest\n  → {digest}\n  in launchpad.yaml\n"
    )
    assert max(map(len, printed.splitlines())) <= 80
    assert not any("digest" in note["what"] for note in fleet.ok("check", "--json").json["notes"])
    again = fleet.ok("app", "pin", "--json").json
    assert (again["changed"], len(again["unchanged"])) == ([], 3)


def test_a_registry_s_refusal_is_one_line_and_a_hint(fleet: Terminal, registry: Registry) -> None:
    before = digest_of_folder(fleet.root)
    printed = fleet("app", "pin", "openclaw:2026.9.6")
    assert printed.code == 7
    assert "no such image or tag" in printed.err
    assert "Traceback" not in printed.err
    assert digest_of_folder(fleet.root) == before
    told = fleet("app", "pin", "openclaw:2026.9.6", "--json")
    assert told.code == 7
    assert told.json["failures"]["openclaw 2026.9.6 gateway"]["exit_code"] == 7


@pytest.mark.parametrize(("name", "said"), [("openclow", "did you mean openclaw?"), ("openclaw:1", "no version 1")])
def test_a_wrong_name_asks_nobody(fleet: Terminal, registry: Registry, name: str, said: str) -> None:
    printed = fleet("app", "pin", name)
    assert printed.code == 3
    assert said in printed.err
    assert registry.asked == []
