"""A new workspace works as it stands, and nothing that was there is written over."""

from __future__ import annotations

import re
import resource
import stat
import subprocess
from pathlib import Path

import pytest

from launchpad.errors import StateError
from launchpad.fleet.keeping.scaffold import Owner, scaffold
from launchpad.fleet.model.fleet import readers, signers
from launchpad.fleet.model.readiness import crowded
from launchpad.fleet.sealing.age import AgeIdentity
from launchpad.fleet.sealing.keys import Keys
from launchpad.fleet.words.names import OperatorName
from tests.fleet.inventory import digest_of_folder, store


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    folder = tmp_path_factory.mktemp("home") / "config"
    keys = Keys(folder / "identity", folder / "ssh_ed25519", folder / "signing_ed25519")
    keys.make_missing(comment="ann")
    return keys


@pytest.fixture
def owner(keys: Keys) -> Owner:
    return Owner(OperatorName("ann"), keys.ssh_public, keys.signing_public, keys.recipient)


def test_it_is_right_and_has_its_owner_s_keys(tmp_path: Path, owner: Owner) -> None:
    files = scaffold(tmp_path / "new", owner, example=True)
    fleet = store(tmp_path / "new").load()
    assert len(fleet.tenants) == 2
    assert crowded(fleet) == [], "an upgrade of the example can be rehearsed"
    assert len({tenant.app for tenant in fleet.tenants.values()}) == 2
    for host in fleet.hosts.values():
        assert [(operator.name, operator.keys) for operator in host.operators] == [("ann", (owner.ssh_key,))]
    assert signers(fleet.defaults) == {owner.operator: (owner.signing_key,)}
    assert readers(fleet.defaults) == (owner.recipient,)
    assert sorted(files) == sorted(path for path in (tmp_path / "new").rglob("*") if path.is_file())


def test_nobody_is_in_it_who_was_not_asked_for(tmp_path: Path, owner: Owner) -> None:
    files = scaffold(tmp_path, owner)
    fleet = store(tmp_path).load()
    assert (fleet.hosts, fleet.tenants, sorted(fleet.tiers)) == ({}, {}, ["light", "standard"])
    assert [path.name for path in files if path.suffix == ".yaml"] == ["tiers.yaml", "launchpad.yaml"]
    assert all((tmp_path / "inventory" / folder).is_dir() for folder in ("apps", "tenants")), "where one's own go"


def test_git_does_not_see_what_is_this_checkout_s_own(tmp_path: Path, owner: Owner) -> None:
    scaffold(tmp_path, owner)
    subprocess.run(["git", "-C", str(tmp_path), "init", "--quiet"], check=True)
    (tmp_path / ".launchpad").mkdir()
    (tmp_path / ".launchpad/known_hosts").write_text("x")
    command = ["git", "-C", str(tmp_path), "status", "--porcelain"]
    assert ".launchpad" not in subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("there", ["launchpad.yaml", "inventory/hosts.yaml"])
def test_what_is_there_is_not_written_over(tmp_path: Path, owner: Owner, there: str) -> None:
    path = tmp_path / there
    path.parent.mkdir(exist_ok=True)
    path.write_text("mine\n")
    before = digest_of_folder(tmp_path)
    with pytest.raises(StateError, match="exists already"):
        scaffold(tmp_path, owner)
    assert digest_of_folder(tmp_path) == before


def test_a_gitignore_that_is_there_stays(tmp_path: Path, owner: Owner) -> None:
    (tmp_path / ".gitignore").write_text("mine\n")
    scaffold(tmp_path, owner)
    assert (tmp_path / ".gitignore").read_text() == "mine\n"
    store(tmp_path).load()


def test_what_cannot_be_finished_is_taken_back(tmp_path: Path, owner: Owner) -> None:
    """A disk that takes small files and not the larger schemas, which come last."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3000, before[1]))
    try:
        with pytest.raises(StateError, match="cannot be written: File too large"):
            scaffold(tmp_path, owner)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


def test_keys_are_for_their_owner_alone_and_made_once(keys: Keys) -> None:
    contents = {path: path.read_bytes() for path in keys.paths().values()}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in contents)
    assert stat.S_IMODE(keys.identity.parent.stat().st_mode) == 0o700
    assert keys.make_missing(comment="other") == ()
    assert {path: path.read_bytes() for path in contents} == contents
    assert keys.ssh_public != keys.signing_public
    assert keys.ssh_public.comment == "ann launchpad"


def test_only_the_key_that_is_missing_is_made(keys: Keys, tmp_path: Path) -> None:
    mine = Keys(keys.identity, keys.ssh, tmp_path / "deep/signing")
    assert mine.make_missing(comment="ann") == (tmp_path / "deep/signing",)


def test_a_public_half_is_found_without_its_file(keys: Keys, tmp_path: Path) -> None:
    copy = tmp_path / "key"
    copy.write_bytes(keys.ssh.read_bytes())
    copy.chmod(0o600)
    assert Keys(keys.identity, copy, keys.signing).ssh_public.split()[:2] == keys.ssh_public.split()[:2]


def test_a_key_that_is_none_is_told_of(tmp_path: Path) -> None:
    nothing = Keys(tmp_path / "a", tmp_path / "b", tmp_path / "c")
    with pytest.raises(StateError, match=re.escape(str(tmp_path / "b"))):
        _ = nothing.ssh_public
    with pytest.raises(StateError, match="no age identity"):
        _ = nothing.recipient


def test_the_identity_is_one_that_age_itself_can_read(keys: Keys) -> None:
    lines = keys.identity.read_text().splitlines()
    assert lines[0] == f"# public key: {AgeIdentity(keys.identity).recipient}"
    assert lines[1].startswith("AGE-SECRET-KEY-1")
