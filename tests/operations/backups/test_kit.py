"""The emergency kit: it opens everything that is sealed, enters every host, and brings the workspace back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.errors import ServiceError, StateError
from launchpad.fleet.model.fleet import signers
from launchpad.fleet.model.recovery import RECOVERY, last_test
from launchpad.fleet.sealing.age import AgeIdentity, new_identity
from launchpad.fleet.sealing.keys import Keys, new_ssh_key
from launchpad.fleet.words.names import Name, SecretName, TargetName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup import backup
from launchpad.operations.backups.backup_workspace import FILE, NAME, back_up_workspace
from launchpad.operations.backups.kit_page import Contents
from launchpad.operations.backups.local_restic import Progress
from launchpad.operations.backups.open_kit import put_keys, saved_workspace, unpack
from launchpad.operations.backups.repositories import WorkOptions
from launchpad.operations.backups.reseal import owners, reseal, stale
from launchpad.operations.backups.try_kit import try_kit
from launchpad.operations.hosts.host_settings import host_settings, signer
from launchpad.operations.observation.status import last_kit_test
from launchpad.runner.provision import file_text
from launchpad.runner.provision.settings_record import Person
from launchpad.runner.provision.wanted_steps import OF_ADMINS
from launchpad.workspace import Workspace
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.memory.system import MemorySystem
from tests.operations.backups.kits import kit, opened
from tests.operations.backups.test_afterwards import served
from tests.operations.backups.test_backup import host, workspace
from tests.operations.places import settle_by

__all__ = ["host", "workspace"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "kit.txt"


def seal_everything(workspace: Workspace) -> int:
    """One value of every kind that a workspace has sealed; how many there are then."""
    workspace.secrets.set(TenantName("alice"), SecretName("ECHO_TOKEN"), Secret("of-a-tenant"))
    workspace.secrets.set(TenantName("bob"), SecretName("ECHO_TOKEN"), Secret("of-another"))
    workspace.target_secrets.set(TargetName("offsite"), SecretName("PRUNE_REST_USER"), Secret("pruner"))
    workspace.dns_secrets.set(Name("hetzner"), SecretName("HCLOUD_TOKEN"), Secret("of-dns"))
    return 6


def held(workspace: Workspace, file: Path) -> tuple[Contents, Workspace]:
    """The kit, and the workspace as whoever has nothing but the kit's keys sees it."""
    contents = opened(file)
    own = file.parent / "kit-keys"
    keys = Keys(own / "identity", own / "ssh_ed25519", own / "signing_ed25519")
    put_keys(contents, keys)
    settings = replace(workspace.settings, identity=keys.identity, ssh_key=keys.ssh, signing_key=keys.signing)
    return contents, Workspace.open(workspace.root, settings=settings, environment={}, hosts=workspace.hosts)


@pytest.mark.parametrize("order", ["sealed before the kit", "sealed after the kit"])
def test_the_kit_alone_opens_everything_that_is_sealed(workspace: Workspace, file: Path, order: str) -> None:
    if order == "sealed before the kit":
        count = seal_everything(workspace)
        kit(workspace, file)
    else:
        kit(workspace, file)
        count = seal_everything(workspace)
    _, own = held(workspace, file)
    values = [value for _, store, name in owners(own) for _, value in store.reveal(name).values()]
    assert len(values) == count
    assert stale(workspace) == {}


def test_whoever_joins_gets_everything_by_one_reseal(workspace: Workspace, file: Path) -> None:
    seal_everything(workspace)
    kit(workspace, file)
    content, recipient = new_identity()
    path = workspace.root / "launchpad.yaml"
    record = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(record | {"recipients": [*record["recipients"], str(recipient)]}))
    assert set(stale(workspace)) == {"alice", "bob", "target offsite", "dns hetzner"}
    done = reseal(workspace)
    assert (set(done.sealed), done.failures) == ({"alice", "bob", "target offsite", "dns hetzner"}, {})
    mine = file.parent / "theirs"
    mine.write_text(content)
    settings = replace(workspace.settings, identity=mine)
    joined = Workspace.open(workspace.root, settings=settings, environment={})
    assert joined.target_secrets.reveal(TargetName("offsite"))[SecretName("REST_USER")][1].reveal() == "hosts"
    _, own = held(workspace, file)
    assert own.dns_secrets.reveal(Name("hetzner"))[SecretName("HCLOUD_TOKEN")][1].reveal() == "of-dns"


def test_one_whose_secrets_cannot_be_opened_stops_no_other(workspace: Workspace, file: Path) -> None:
    seal_everything(workspace)
    path = workspace.root / "inventory/secrets/alice.yaml"
    record = yaml.safe_load(path.read_text())
    record["ECHO_TOKEN"]["value"] = "-----BEGIN AGE ENCRYPTED FILE-----\nAAAA\n-----END AGE ENCRYPTED FILE-----\n"
    path.write_text(yaml.safe_dump(record))
    assert set(kit(workspace, file).failures) == {"alice"}
    assert set(stale(workspace)) == {"alice"}


def test_every_identity_of_a_file_counts(workspace: Workspace, tmp_path: Path) -> None:
    (first, recipient), own = new_identity(), workspace.settings.identity.read_text()
    several = tmp_path / "several"
    several.write_text(first + own)
    settings = replace(workspace.settings, identity=several)
    seen = Workspace.open(workspace.root, settings=settings, environment={})
    assert seen.target_secrets.reveal(TargetName("offsite"))[SecretName("REST_USER")][1].reveal() == "hosts"
    assert AgeIdentity(several).recipient == recipient


def test_nothing_of_the_kit_can_be_read_without_its_passphrase(workspace: Workspace, file: Path) -> None:
    kit(workspace, file)
    page = file.read_text()
    assert "AGE-SECRET-KEY-1" not in page and "BEGIN OPENSSH" not in page and "the-password-of-offsite" not in page
    with pytest.raises(StateError, match="the passphrase is wrong"):
        opened(file, Secret("another passphrase"))
    with pytest.raises(StateError, match="is not an emergency kit"):
        file.write_text("no kit at all")
        opened(file)


def test_a_short_passphrase_makes_no_kit(workspace: Workspace, file: Path) -> None:
    with pytest.raises(StateError, match="fewer than 12 characters"):
        kit(workspace, file, Secret("short"))
    assert not file.exists() and workspace.fleet.load().defaults.recovery is None


def test_every_host_is_told_of_the_kit(workspace: Workspace, file: Path) -> None:
    path = workspace.root / "launchpad.yaml"
    person = {"name": "ann", "keys": [str(new_ssh_key("a")[1])], "signing_keys": [str(new_ssh_key("b")[1])]}
    image = f"docker.io/library/caddy:2.11.7@sha256:{'0' * 64}"
    path.write_text(
        yaml.safe_dump(yaml.safe_load(path.read_text()) | {"operators": [person], "caddy": {"image": image}})
    )
    recovery = kit(workspace, file).recovery
    fleet = workspace.fleet.load()
    told = host_settings(workspace, fleet, fleet.host("web-1"))
    plain = " ".join(recovery.ssh_key.split()[:2])
    assert {"name": RECOVERY, "keys": [plain]} in told["operators"]
    assert [item["name"] for item in told["allowed_signers"]] == ["ann", RECOVERY]
    assert str(recovery.recipient) in told["recipients"]
    _, own = held(workspace, file)
    assert signer(own) == RECOVERY


# --- kit test


def works(host: MemoryHost, saved: dict[str, Any]) -> WorkOptions:
    """What restic here would do, with the workspace's repository in memory too."""
    rest = served(host, [])

    def work(task: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        if task["tenant"] != NAME:
            return rest.work(task, progress)
        match task["do"]:
            case "put":
                saved[str(len(saved))] = task["text"]
            case "snapshots":
                found = [{"id": key, "time": "2026-11-30T09:00:00Z", "tags": []} for key in saved]
                return {"result": {"snapshots": found}}
            case "read":
                assert task["file"] == FILE
                return {"result": {"text": saved[task["snapshot"]]}}
        return {"result": {}}

    return WorkOptions(work=work)


def knows_the_kit(workspace: Workspace, host: MemoryHost) -> None:
    provisioned: Any = host
    provisioned.system = MemorySystem(provisioned)
    people = [Person(name, tuple(map(str, keys))) for name, keys in signers(workspace.fleet.load().defaults).items()]
    host.files["/etc/launchpad/allowed_signers"] = File(file_text.allowed_signers({OF_ADMINS: people}).encode())


def test_a_kit_that_opens_everything_is_good(workspace: Workspace, host: MemoryHost, file: Path) -> None:
    count = seal_everything(workspace)
    kit(workspace, file)
    assert last_kit_test(workspace, workspace.fleet.load()) == {}
    settle_by(workspace, host)
    backup(workspace, "alice")
    saved: dict[str, Any] = {}
    how = works(host, saved)
    back_up_workspace(workspace, environment={}, how=how)
    knows_the_kit(workspace, host)
    contents, own = held(workspace, file)
    before = {path: item.data for path, item in host.files.items()}
    done = try_kit(own, contents, how=how)
    assert done.good, done.problems
    assert done.secrets == count and set(done.hosts) == {"web-1"} and set(done.places) == {"offsite"}
    assert set(done.backups) == {"alice at disk", "alice at offsite"}
    assert {path: item.data for path, item in host.files.items()} == before, "the test changed something"
    assert last_test(workspace.root)["good"] and (last_kit_test(workspace, workspace.fleet.load()) or {})["good"]
    assert "the-password" not in (workspace.root / "kit-tested.json").read_text()


def test_what_the_kit_does_not_open_is_named(workspace: Workspace, host: MemoryHost, file: Path) -> None:
    backup(workspace, "alice")  # its key is wrapped for the operators alone
    knows_the_kit(workspace, host)  # before there is one
    kit(workspace, file)
    contents, own = held(workspace, file)
    done = try_kit(own, contents, how=works(host, {}))
    assert set(done.problems) == {"alice at disk", "alice at offsite", "offsite", "web-1"}
    assert "rejects the kit's signature" in done.problems["web-1"]
    assert "not sealed for you" in done.problems["alice at disk"]
    assert last_test(workspace.root)["good"] is False


def test_another_kit_is_not_tried(workspace: Workspace, host: MemoryHost, file: Path) -> None:
    kit(workspace, file)
    contents, own = held(workspace, file)
    page = (workspace.root / "launchpad.yaml").read_text()
    (workspace.root / "launchpad.yaml").write_text(page.replace(str(contents.recipient), str(new_identity()[1])))
    with pytest.raises(StateError, match="this kit is age1"):
        try_kit(own, contents, how=works(host, {}))


# --- kit open


def test_the_workspace_comes_back_with_its_history(workspace: Workspace, host: MemoryHost, file: Path) -> None:
    root = workspace.root
    (root / "roots").mkdir()
    (root / "roots/acme.pem").write_text("a certificate")
    record = yaml.safe_load((root / "launchpad.yaml").read_text()) | {"caddy": {"acme_ca_root": "roots/acme.pem"}}
    (root / "launchpad.yaml").write_text(yaml.safe_dump(record))
    kit(workspace, file)
    saved: dict[str, Any] = {}
    how = works(host, saved)
    back_up_workspace(workspace, environment={}, how=how)
    contents, _ = held(workspace, file)
    found = saved_workspace(contents, how=how)
    unpack(found, file.parent / "back")
    names = ("launchpad.yaml", "roots/acme.pem", "inventory/secrets/targets/offsite.yaml")
    assert all((file.parent / "back" / name).read_bytes() == (root / name).read_bytes() for name in names)
    with pytest.raises(StateError, match="exists already"):
        unpack(found, file.parent / "back")
    with pytest.raises(StateError, match="cannot be written: File name too long"):
        unpack(found, file.parent / ("b" * 250))
    saved.clear()
    with pytest.raises(ServiceError, match="no target could restore the workspace: offsite: no workspace"):
        saved_workspace(contents, how=how)


def test_what_somebody_laid_there_does_not_hide_the_real_one(
    workspace: Workspace, host: MemoryHost, file: Path
) -> None:
    kit(workspace, file)
    saved: dict[str, Any] = {}
    how = works(host, saved)
    back_up_workspace(workspace, environment={}, how=how)
    saved["later"] = "-----BEGIN AGE ENCRYPTED FILE-----\nno such thing\n-----END AGE ENCRYPTED FILE-----\n"
    contents, _ = held(workspace, file)
    assert saved_workspace(contents, how=how).content


def test_the_kits_keys_replace_nobodys(workspace: Workspace, file: Path, tmp_path: Path) -> None:
    kit(workspace, file)
    contents = opened(file)
    keys = Keys(tmp_path / "own/identity", tmp_path / "own/ssh", tmp_path / "own/signing")
    (tmp_path / "own").mkdir()
    keys.ssh.write_text("somebody's own")
    with pytest.raises(StateError, match="has another key and is not replaced"):
        put_keys(contents, keys)
    assert not keys.identity.exists()
