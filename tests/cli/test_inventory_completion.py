"""Shell completion of what the inventory has."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from launchpad.cli import complete
from tests.cli.terminal import Terminal
from tests.fleet.inventory import write


class Context:
    """As much of Typer's context as completion asks."""

    def __init__(self, **params: object) -> None:
        self.params = params

    def find_root(self) -> Context:
        return self


def test_names_are_found_from_any_folder_below(terminal: Terminal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(terminal.root / "inventory/tenants")
    assert complete.tenants(Context(), "") == ["alice", "bob"]
    assert complete.tenants(Context(), "b") == ["bob"]
    assert complete.hosts(Context(), "web") == ["web-1", "web-2"]
    assert complete.tiers(Context(), "s") == ["standard"]
    assert complete.apps(Context(), "") == ["echo", "openclaw"]
    assert complete.tenants_and_hosts(Context(), "") == ["alice", "bob", "web-1", "web-2"]
    assert "ECHO_TOKEN" in complete.secrets(Context(), "E")
    assert "OPENCLAW_GATEWAY_TOKEN" in complete.secrets(Context(), "OPEN")


def test_the_named_workspace_counts(empty: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "named")
    assert complete.tenants(Context(), "") == []
    assert complete.tenants(Context(workspace=str(root)), "") == ["alice", "bob"]
    monkeypatch.setenv("LAUNCHPAD_WORKSPACE", str(root))
    assert complete.tenants(Context(), "") == ["alice", "bob"]


def test_a_broken_inventory_still_completes(terminal: Terminal) -> None:
    write(terminal.root, {"inventory/hosts.yaml": b"web-1: [\nweb-2:\n", "inventory/tiers.yaml": b"\xff"})
    assert complete.hosts(Context(), "") == ["web-1", "web-2"]
    assert complete.tiers(Context(), "") == []
    (terminal.root / "inventory/hosts.yaml").unlink()
    assert complete.hosts(Context(), "") == []


@pytest.mark.programs
@pytest.mark.parametrize(
    ("typed", "offered"),
    [("launchpad ten", "tenant"), ("launchpad tenant show al", "alice"), ("launchpad host remove ", "web-2")],
)
def test_the_shell_gets_them(terminal: Terminal, typed: str, offered: str) -> None:
    environment = {**os.environ, "_LAUNCHPAD_COMPLETE": "complete_bash", "COMP_WORDS": typed}
    environment["COMP_CWORD"] = str(len(typed.split(" ")) - 1)
    command = [sys.executable, "-c", "from launchpad.cli import main; main()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd=terminal.root)
    assert offered in done.stdout.split()
