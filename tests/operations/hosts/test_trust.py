"""A host's key is remembered when a person has confirmed it, and at no other time."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.operations.hosts.trust import offered_key, trust
from launchpad.operations.tenants.deploy import deploy
from launchpad.ssh.problems import HostKeyChanged, HostKeyUnknown
from launchpad.workspace import Workspace
from tests.operations.places import open_workspace, write_workspace
from tests.ssh.sshd import Sshd


@pytest.fixture
def unpinned(tmp_path: Path, sshd: Sshd) -> Workspace:
    return open_workspace(write_workspace(tmp_path / "new", {"web-1": sshd.port}, {"alice": "web-1"}), sshd)


def test_an_unknown_host_is_not_spoken_to_until_it_is_trusted(unpinned: Workspace, sshd: Sshd) -> None:
    with pytest.raises(HostKeyUnknown):
        deploy(unpinned, "alice")
    offer = offered_key(unpinned, "web-1")
    assert (offer.key.fingerprint, offer.known) == (sshd.fingerprint, False)
    trust(unpinned, offer, confirm=sshd.fingerprint)
    assert offered_key(unpinned, "web-1").known
    assert deploy(unpinned, "alice").outcome == "done"


def test_another_fingerprint_than_the_confirmed_one_is_not_remembered(unpinned: Workspace) -> None:
    offer = offered_key(unpinned, "web-1")
    with pytest.raises(HostKeyChanged):
        trust(unpinned, offer, confirm="SHA256:" + "A" * 43)
    assert not offered_key(unpinned, "web-1").known


def test_what_the_inventory_says_is_not_overruled(workspace: Workspace, sshd: Sshd) -> None:
    sshd.stop()
    (sshd.folder / "host_ed25519").unlink()
    sshd.start()
    with pytest.raises(HostKeyChanged) as caught:
        deploy(workspace, "alice")
    assert f"write {sshd.fingerprint} under fingerprints: of web-1 in inventory/hosts.yaml" in caught.value.hint
    with pytest.raises(HostKeyChanged, match="the inventory has"):
        trust(workspace, offered_key(workspace, "web-1"), confirm=sshd.fingerprint)


def test_a_host_that_was_installed_anew_is_trusted_anew(unpinned: Workspace, sshd: Sshd) -> None:
    trust(unpinned, offered_key(unpinned, "web-1"), confirm=sshd.fingerprint)
    sshd.stop()
    (sshd.folder / "host_ed25519").unlink()
    sshd.start()
    with pytest.raises(HostKeyChanged):
        deploy(unpinned, "alice")
    trust(unpinned, offered_key(unpinned, "web-1"), confirm=sshd.fingerprint)
    assert deploy(unpinned, "alice").outcome == "done"
