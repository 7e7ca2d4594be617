"""launchpad dns: who keeps the names' records, and what is said where nobody does."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.fleet.model.dns import CREDENTIAL
from launchpad.fleet.words.names import Name
from launchpad.operations.dns.hetzner import Hetzner
from launchpad.operations.dns.provider import dns_of
from launchpad.operations.dns.resolver import Resolver
from launchpad.settings import Settings
from launchpad.workspace import Workspace
from tests.cli.terminal import Terminal
from tests.cli.test_operations import launchpad
from tests.operations.two_hosts import a_place

TOKEN = "hcloud-correct-horse-battery-staple"


@pytest.fixture
def kept(terminal: Terminal) -> Terminal:
    """In a workspace whose names Hetzner keeps."""
    file = terminal.root / "launchpad.yaml"
    file.write_text(file.read_text() + "dns: {provider: hetzner}\n")
    return terminal


def opened(terminal: Terminal) -> Workspace:
    settings = Settings.of({"LAUNCHPAD_CONFIG": str(terminal.home)}, home=terminal.home)
    return Workspace.open(terminal.root, settings=settings, environment={})


def test_the_token_is_sealed_and_never_printed(kept: Terminal) -> None:
    printed = kept.ok("dns", "credential", "HCLOUD_TOKEN", stdin=f"{TOKEN}\n")
    assert printed.out == "HCLOUD_TOKEN of hetzner is at version 1\n"
    assert TOKEN not in printed.out + printed.err + (kept.root / "inventory/secrets/dns/hetzner.yaml").read_text()
    workspace = opened(kept)
    assert workspace.dns_secrets.reveal(Name("hetzner"))[CREDENTIAL][1].reveal() == TOKEN
    assert isinstance(dns_of(workspace), Hetzner)
    kept.ok("check")


def test_without_a_provider_a_person_keeps_the_names(terminal: Terminal) -> None:
    assert type(dns_of(opened(terminal))) is Resolver
    for words in (("point", "bob"), ("credential", "HCLOUD_TOKEN")):
        printed = terminal("dns", *words, stdin=TOKEN)
        assert printed.code == 3
        assert "write into launchpad.yaml: dns: {provider: hetzner}" in printed.err


def test_another_provider_or_credential_is_refused(kept: Terminal) -> None:
    printed = kept("dns", "credential", "TOKEN", stdin=TOKEN)
    assert printed.code == 3 and "expected HCLOUD_TOKEN" in printed.err
    file = kept.root / "launchpad.yaml"
    file.write_text(file.read_text().replace("provider: hetzner", "provider: hetzer"))
    printed = kept("check")
    assert printed.code == 3 and "hetzner" in printed.err


def test_pointing_without_a_token_says_what_to_type(kept: Terminal) -> None:
    printed = kept("dns", "point", "bob")
    assert printed.code == 4
    assert "launchpad dns credential HCLOUD_TOKEN" in printed.err


def test_a_move_stands_whatever_the_names_keeper_says(tmp_path: Path) -> None:
    place = a_place(tmp_path / "fleet")
    file = place.workspace.root / "launchpad.yaml"
    file.write_text(file.read_text() + "dns: {provider: hetzner}\n")
    ran = launchpad(place.workspace, "move", "alice", "--to", "web-2", "--yes")
    assert ran.code == 0, ran.error
    assert "dns: no HCLOUD_TOKEN for hetzner" in ran.err
    assert "then: launchpad dns point alice" in ran.err
    assert "DNS record to set: alice.example.com. A 127.0.0.1" in ran.err
