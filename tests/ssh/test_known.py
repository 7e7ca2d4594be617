"""The known_hosts file is OpenSSH's own: what Launchpad remembers, ssh reads, and the other way round."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.ssh.known import KnownHosts
from launchpad.ssh.problems import OfferedKey
from tests.ssh.sshd import fingerprint, make_key


def host_key(folder: Path, name: str = "host") -> OfferedKey:
    path = make_key(folder / name)
    kind, encoded, _comment = path.with_suffix(".pub").read_text().split()
    return OfferedKey(kind, encoded, fingerprint(path.with_suffix(".pub")))


def test_what_is_remembered_is_found_by_its_address_and_port(tmp_path: Path) -> None:
    known, key = KnownHosts(tmp_path / "known_hosts"), host_key(tmp_path)
    known.remember("203.0.113.7", 2222, key)
    assert known.fingerprints("203.0.113.7", 2222) == {key.fingerprint}
    assert known.fingerprints("203.0.113.7", 22) == frozenset()
    assert known.fingerprints("203.0.113.70", 2222) == frozenset()


def test_ssh_keygen_finds_it_as_well(tmp_path: Path) -> None:
    known, key = KnownHosts(tmp_path / "known_hosts"), host_key(tmp_path)
    known.remember("203.0.113.7", 2222, key)
    command = ["ssh-keygen", "-F", "[203.0.113.7]:2222", "-l", "-f", str(known.path)]
    assert key.fingerprint in subprocess.run(command, check=True, capture_output=True, text=True).stdout


def test_remembering_twice_writes_once(tmp_path: Path) -> None:
    known, key = KnownHosts(tmp_path / "known_hosts"), host_key(tmp_path)
    known.remember("203.0.113.7", 22, key)
    known.remember("203.0.113.7", 22, key)
    assert len(known.path.read_text().splitlines()) == 1


def test_forgetting_leaves_the_others(tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "known_hosts")
    one, two = host_key(tmp_path, "one"), host_key(tmp_path, "two")
    known.remember("203.0.113.7", 22, one)
    known.remember("203.0.113.8", 22, two)
    assert known.forget("203.0.113.7")
    assert not known.forget("203.0.113.7")
    assert known.fingerprints("203.0.113.7") == frozenset()
    assert known.fingerprints("203.0.113.8") == {two.fingerprint}


def test_a_line_that_is_none_is_named_with_its_number(tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "known_hosts")
    known.path.write_text("# a comment\n\nweb-1 ssh-ed25519 not/base64!\n")
    with pytest.raises(StateError, match="known_hosts:3"):
        known.fingerprints("web-1")
