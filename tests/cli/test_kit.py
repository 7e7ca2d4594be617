"""launchpad kit, as it is typed."""

from __future__ import annotations

import pytest

from launchpad.fleet.sealing.age import new_identity
from tests.cli.terminal import Terminal

PASSPHRASE = "five random words are good"


@pytest.mark.programs  # the passphrase costs seconds on a busy machine
def test_a_kit_is_made_once_and_seals_what_is_there(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin="sk-correct-horse")
    file = terminal.home / "kit.txt"
    printed = terminal.ok("kit", "make", str(file), stdin=PASSPHRASE)
    assert "encrypted with the passphrase" in printed.out and "launchpad backups rewrap --all" in printed.err
    assert PASSPHRASE not in printed.out + printed.err + file.read_text()
    assert terminal.ok("check", "--json").json["stale"] == {}
    again = terminal("kit", "make", str(file), stdin=PASSPHRASE)
    assert again.code == 4 and "there is an emergency kit already" in again.err
    wrong = terminal("kit", "open", str(file), str(terminal.home / "back"), stdin="another passphrase")
    assert wrong.code == 4 and "the passphrase is wrong" in wrong.err


def test_check_names_what_is_not_sealed_for_all(terminal: Terminal) -> None:
    terminal.ok("secret", "set", "bob", "API_KEY", stdin="sk-correct-horse")
    path = terminal.root / "launchpad.yaml"
    path.write_text(path.read_text().replace("recipients: [", f"recipients: [{new_identity()[1]}, "))
    printed = terminal.ok("check")
    assert "launchpad secret reseal" in printed.out and "bob: API_KEY" in printed.out
    terminal.ok("secret", "reseal")
    assert terminal.ok("check", "--json").json["stale"] == {}


@pytest.mark.parametrize("words", [("backup", "--all"), ("drill", "--all"), ("backups", "rewrap", "--all"), ("prune",)])
def test_a_command_that_finds_nothing_to_do_says_so(terminal: Terminal, words: tuple[str, ...]) -> None:
    for folder in ("tenants", "secrets"):
        for path in (terminal.root / "inventory" / folder).glob("*.yaml"):
            path.unlink()
    (terminal.root / "inventory/hosts.yaml").unlink()
    assert "nothing to do" in terminal.ok(*words).err


def test_a_kit_is_opened_into_no_folder_that_is_there(terminal: Terminal) -> None:
    file = terminal.root.parent / "any.txt"
    file.write_text("any")
    printed = terminal("kit", "open", str(file), str(terminal.root), stdin=PASSPHRASE)
    assert printed.code == 4 and f"{terminal.root} exists already" in printed.err
