"""What operators do with backups that there are: look at one, bring it here or to another tenant, wrap its key anew."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyrage  # type: ignore[import-untyped]
import pytest

from launchpad.errors import InventoryError, LaunchpadError, ServiceError, StateError
from launchpad.fleet.model.fleet import kit_recipients
from launchpad.fleet.sealing.age import seal
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.secret import Secret
from launchpad.operations.backups.backup import backup
from launchpad.operations.backups.backup_keys import opened
from launchpad.operations.backups.backup_workspace import FILE, NAME, SavedWorkspace, back_up_workspace
from launchpad.operations.backups.backups import backups, show
from launchpad.operations.backups.download import download
from launchpad.operations.backups.fetch import drill, fetch
from launchpad.operations.backups.local_restic import Progress
from launchpad.operations.backups.repositories import WorkOptions
from launchpad.operations.backups.rewrap import rewrap
from launchpad.operations.backups.thinning_record import remember
from launchpad.operations.generations.restore import plan_restore, restore
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.observing import wanted
from launchpad.operations.tenants.retire import plan_retirement, retained
from launchpad.runner import paths
from launchpad.runner.backups import keeping
from launchpad.workspace import Workspace
from tests.memory.data import File
from tests.memory.effects import moments
from tests.memory.host import MemoryHost
from tests.memory.hosts import MemoryHosts
from tests.memory.restic import Repository
from tests.operations.backups.kits import kit, sealed_part
from tests.operations.backups.test_backup import DISK, OFFSITE, PASSWORD, host, workspace
from tests.operations.places import settle_by

__all__ = ["host", "workspace"]

HOSTS = {"REST_USER": "hosts", "REST_PASSWORD": PASSWORD}


def served(host: MemoryHost, asked: list[Mapping[str, Any]]) -> WorkOptions:
    """Does here with the repositories in memory what restic would do."""

    def work(task: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        asked.append(task)
        given = task["repository"]
        there = host.repositories.get((given["url"], task["tenant"]))
        if given["credentials"] != HOSTS or given["url"] in host.silent:
            return {"failed": "401 Unauthorized", "code": 1}
        match task["do"]:
            case "wraps":
                return {"result": {"wraps": there.wraps if there else []}}
            case "snapshots":
                if there and there.password != given["password"]:
                    return {"failed": "restic: wrong password or no key found", "code": 12}
                return {"result": {"snapshots": there.snapshots if there else []}}
            case "put":
                return {"result": {}}
        assert there is not None and given["password"] == there.password
        progress("100 % of 1 MiB")
        content = {name: item.data for name, item in there.content[task["snapshot"]].items()}
        return {"result": {"bytes": written(Path(task["to"]), content, archive=task["archive"])}}

    return WorkOptions(work=work)


def written(to: Path, content: Mapping[str, bytes], *, archive: bool) -> int:
    if archive:
        with tarfile.open(to, "w") as tar:
            for name, data in content.items():
                about = tarfile.TarInfo(name.lstrip("/"))
                about.size = len(data)
                tar.addfile(about, io.BytesIO(data))
    else:
        for name, data in content.items():
            path = to / name.lstrip("/")
            path.parent.mkdir(parents=True)
            path.write_bytes(data)
    return sum(map(len, content.values()))


# --- show


def test_a_backup_is_shown_with_every_target_that_has_it(workspace: Workspace, host: MemoryHost) -> None:
    done = backup(workspace, "alice")
    drill(workspace, "alice")
    host.clock += 3600
    host.silent.add("https://backup.example.com")
    second = backup(workspace, "alice")
    host.silent.clear()
    found = show(workspace, "alice", done.outcome.id)
    assert {item.target for item in found.copies} == {"disk", "offsite"} and found.proven is not None
    assert (found.copies[0].app, found.copies[0].version) == ("beacon", "1")
    later = show(workspace, "alice", second.targets[0].snapshot)
    assert (later.absent, later.proven) == (("offsite",), None)


def test_a_backup_that_is_not_there_is_not_shown(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    host.silent.add("https://backup.example.com")
    with pytest.raises(StateError, match="no backup ffffffff; offsite: restic: connection refused"):
        show(workspace, "alice", "ffffffff")


# --- download


def test_a_backup_comes_here_past_the_host(workspace: Workspace, host: MemoryHost, tmp_path: Path) -> None:
    backup(workspace, "alice")
    asked: list[Mapping[str, Any]] = []
    done = download(workspace, "alice", to=tmp_path / "data", how=served(host, asked))
    assert (tmp_path / "data/state/note").read_bytes() == b"remember" and done.backup.target == "offsite"
    assert {task["repository"]["name"] for task in asked} == {"offsite"}
    download(workspace, "alice", to=tmp_path / "data.tar", how=served(host, []))
    with tarfile.open(tmp_path / "data.tar") as tar:
        assert "state/note" in tar.getnames()
    assert sorted(os.listdir(tmp_path)) == ["data", "data.tar", "fleet", "identity"]  # noqa: PTH208


@pytest.mark.parametrize("name", ["data", "data.tar"])
def test_nothing_is_written_over(workspace: Workspace, host: MemoryHost, tmp_path: Path, name: str) -> None:
    backup(workspace, "alice")
    (tmp_path / name).write_text("mine")
    with pytest.raises(StateError, match="exists already"):
        download(workspace, "alice", to=tmp_path / name, how=served(host, []))
    (tmp_path / name).unlink()

    def late(task: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        answer = served(host, []).work(task, progress)
        if task["do"] == "download":
            (tmp_path / name).write_text("mine")
        return answer

    with pytest.raises(StateError, match="exists already"):
        download(workspace, "alice", to=tmp_path / name, how=WorkOptions(work=late))
    assert (tmp_path / name).read_text() == "mine"
    assert not list(tmp_path.glob(".*.partial"))


def test_half_a_download_is_none(workspace: Workspace, host: MemoryHost, tmp_path: Path) -> None:
    backup(workspace, "alice")

    def breaks(task: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        answer = served(host, []).work(task, progress)
        return {"failed": "cut", "code": 1} if task["do"] == "download" else answer

    with pytest.raises(ServiceError, match="offsite: cut"):
        download(workspace, "alice", to=tmp_path / "data", how=WorkOptions(work=breaks))
    assert sorted(os.listdir(tmp_path)) == ["fleet", "identity"]  # noqa: PTH208


def test_what_the_system_refuses_is_said_of_the_file(workspace: Workspace, host: MemoryHost, tmp_path: Path) -> None:
    backup(workspace, "alice")
    with pytest.raises(StateError, match="cannot be written: File name too long") as caught:
        download(workspace, "alice", to=tmp_path / ("d" * 250), how=served(host, []))
    assert caught.value.hint == f"ls -ld {tmp_path}; df {tmp_path}"


def test_what_only_a_host_reads_is_not_downloaded(workspace: Workspace, tmp_path: Path) -> None:
    tiers = workspace.root / "inventory/tiers.yaml"
    tiers.write_text(tiers.read_text().replace("[disk, offsite]", "[disk]"))
    with pytest.raises(StateError, match="in a folder on web-1") as caught:
        download(workspace, "alice", to=tmp_path / "data")
    assert caught.value.hint == "launchpad backups fetch alice"


# --- one tenant's for another


@pytest.fixture
def carl(workspace: Workspace, host: MemoryHost) -> Repository:
    """The backup of carl, whom the inventory has no more."""
    key = wrapped(workspace, Secret("the-key-of-carl"))
    tags = ["generation=backup-of-carl", "app=beacon", "version=1", "release=abc", "volume=state"]
    snapshot = {"id": f"{7:064x}", "time": "2026-11-20T00:00:00+00:00", "tags": tags, "bytes": 8, "files": 1}
    there = Repository(password="the-key-of-carl", wraps=[key], snapshots=[snapshot])
    there.content[f"{7:064x}"] = {"/state/note": File(b"of carl", uid=9)}
    host.repositories[OFFSITE[0], "carl"] = there
    return there


def test_another_tenants_data_takes_the_place_and_the_old_is_kept(
    workspace: Workspace, host: MemoryHost, carl: Repository
) -> None:
    fetched = fetch(workspace, "alice", source="carl")
    assert host.files[f"{paths.data('alice')}/state/note"].data == b"remember", "nothing is replaced by a fetch"
    what = plan_restore(workspace, "alice", generation=fetched.id)
    done = restore(workspace, what, confirm=Confirmation(digest=what.digest))
    assert host.files[f"{paths.data('alice')}/state/note"].data == b"of carl"
    assert host.files[f"{paths.generation('alice', done.id)}/state/note"].data == b"remember"
    assert backup(workspace, "alice").complete, "alice's own key was touched"


def test_a_tenant_is_no_other(workspace: Workspace) -> None:
    with pytest.raises(StateError, match="alice is the same tenant"):
        fetch(workspace, "alice", source="alice")


def test_a_tenant_without_backups_brings_none(workspace: Workspace) -> None:
    with pytest.raises(InventoryError, match="bob: tier bare has no backups"):
        fetch(workspace, "alice", source="bob")
    with pytest.raises(StateError, match="dora: no target has a backup of dora"):
        fetch(workspace, "alice", source="dora")


# --- keys


def wrapped(workspace: Workspace, key: Secret) -> str:
    return seal(key, kit_recipients(workspace.fleet.load().defaults))


def test_a_wrap_of_somebody_elses_in_front_does_not_hide_ours(workspace: Workspace) -> None:
    ours = wrapped(workspace, Secret("ours"))
    theirs = pyrage.encrypt(b"theirs", [pyrage.x25519.Identity.generate().to_public()], armored=True).decode()
    recipients = kit_recipients(workspace.fleet.load().defaults)
    empty = pyrage.encrypt(b"", [pyrage.x25519.Recipient.from_str(str(key)) for key in recipients], armored=True)
    odd = [theirs, "", "no age at all", empty.decode()]
    (key,) = opened(workspace, "alice", [*odd, ours, ours, theirs])
    assert key.reveal() == "ours"
    with pytest.raises(StateError, match="is not sealed for you"):
        opened(workspace, "alice", [theirs])


def made_up(workspace: Workspace) -> list[str]:
    """Wraps of somebody who has the host's credentials: the recipients are no secret."""
    return [wrapped(workspace, Secret(f"made-up-{number}")) for number in range(12)]


def test_keys_that_were_made_up_are_not_taken_for_the_right_one(workspace: Workspace, host: MemoryHost) -> None:
    """On a new host, which has no key: of all that open, the one by which the backups are read."""
    backup(workspace, "alice")
    host.repositories[OFFSITE].wraps[:0] = made_up(workspace)
    host.repositories[DISK].wraps[:0] = made_up(workspace)
    for name in [item for item in host.files if item.startswith(f"{paths.tenant('alice')}/backup/")]:
        del host.files[name]
    fetched = fetch(workspace, "alice")
    assert host.files[f"{paths.generation('alice', fetched.id)}/state/note"].data == b"remember"
    assert backup(workspace, "alice").complete


def test_two_keys_that_both_open_something_are_told(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    key = wrapped(workspace, Secret("made-up"))
    there = host.repositories[DISK]
    host.repositories[DISK] = Repository(password="made-up", wraps=[key], snapshots=there.snapshots)
    for name in [item for item in host.files if item.startswith(f"{paths.tenant('alice')}/backup/")]:
        del host.files[name]
    with pytest.raises(StateError, match="2 keys are stored beside the backups, and 2 of them opened disk, offsite"):
        fetch(workspace, "alice")


def test_keys_that_were_made_up_do_not_keep_operators_from_reading(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    asked: list[Mapping[str, Any]] = []
    there = host.repositories[OFFSITE]
    there.wraps[:0] = made_up(workspace)
    download(workspace, "alice", to=workspace.root.parent / "here", how=served(host, asked))
    assert asked[-1]["repository"]["password"] == there.password


def test_a_key_is_wrapped_for_whoever_launchpad_yaml_names_now(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    assert wrapped_for(host) == wanted_for(workspace)
    kit(workspace, workspace.root.parent / "kit.txt")
    assert wrapped_for(host) != wanted_for(workspace)
    key = host.repositories[DISK].password
    with pytest.raises(StateError, match="name other recipients") as caught:
        rewrap(workspace, "alice")
    assert caught.value.hint == "launchpad provision web-1"
    settle_by(workspace, host)
    assert rewrap(workspace, "alice").behind == ()
    assert wrapped_for(host) == wanted_for(workspace)
    recovery = recovered(workspace.root.parent / "kit.txt")
    for place in (DISK, OFFSITE):
        assert pyrage.decrypt(host.repositories[place].wraps[0].encode(), [recovery]).decode() == key


def recovered(page: Path) -> Any:
    line = next(item for item in sealed_part(page).splitlines() if item.startswith("AGE-SECRET-KEY-"))
    return pyrage.x25519.Identity.from_str(line)


def wrapped_for(host: MemoryHost) -> str:
    return host.files[keeping.wrapped_for("alice")].data.decode()


def wanted_for(workspace: Workspace) -> str:
    """What status compares it with."""
    fleet = workspace.fleet.load()
    (alice,) = wanted(workspace, fleet, [fleet.tenant("alice")], on={})
    return alice.wrapped_for


def test_without_a_reader_nobody_is_told_to_wrap_a_key_again(workspace: Workspace) -> None:
    (workspace.root / "launchpad.yaml").write_text("")
    assert wanted_for(workspace) == ""


def test_a_target_that_did_not_take_the_wrap_is_named(workspace: Workspace, host: MemoryHost) -> None:
    backup(workspace, "alice")
    host.silent.add(OFFSITE[0])
    assert rewrap(workspace, "alice").behind == ("offsite",)


def test_without_a_backup_there_is_nothing_to_wrap(workspace: Workspace) -> None:
    with pytest.raises(StateError, match="have no key on web-1 yet"):
        rewrap(workspace, "alice")


# --- the workspace itself


def test_the_kit_alone_opens_the_workspace(workspace: Workspace, host: MemoryHost) -> None:
    page = workspace.root.parent / "kit.txt"
    with pytest.raises(StateError, match="no emergency kit"):
        back_up_workspace(workspace, environment={}, how=served(host, []))
    kit(workspace, page)
    remember(workspace, workspace.fleet.load().target("offsite"), "alice", {"newest": 1.0, "ids": ["a"]})
    asked: list[Mapping[str, Any]] = []
    (saved,) = back_up_workspace(workspace, environment={}, how=served(host, asked)).values()
    assert isinstance(saved, SavedWorkspace) and saved.target == "offsite"
    (task,) = asked
    assert (task["tenant"], task["file"], task["repository"]["password"]) == (NAME, FILE, "launchpad")
    content = pyrage.decrypt(task["text"].encode(), [recovered(page)])
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        names = tar.getnames()
    assert {"workspace/launchpad.yaml", "workspace/inventory/secrets/targets/offsite.yaml"} <= set(names)
    assert "workspace/.launchpad/seen/offsite/alice.json" in names, "the next machine would not know what was there"
    assert json.dumps(task).count(PASSWORD) == 1, "the credential stands elsewhere than where it is used"


def test_the_kit_says_what_reaches_the_places(workspace: Workspace) -> None:
    page = workspace.root.parent / "kit.txt"
    kit(workspace, page)
    assert PASSWORD not in page.read_text()
    text = sealed_part(page)
    assert f"export RESTIC_REST_USERNAME=hosts RESTIC_REST_PASSWORD={PASSWORD}" in text
    lines = [line.split() for line in text.splitlines()]
    for words in (
        ["WORKSPACE", f"rest:{OFFSITE[0]}/{NAME}/"],
        ["KEYS", f"rest:{OFFSITE[0]}/TENANT.key/"],
        ["REPOSITORY", f"rest:{OFFSITE[0]}/TENANT/"],
        ["KEYS", "/mnt/disk/TENANT.key"],
    ):
        assert words in lines
    assert all(len(line) <= 120 or "export" in line for line in page.read_text().splitlines())


# --- what a purge leaves


def test_a_purge_says_where_backups_lie_on(workspace: Workspace) -> None:
    found = retained(workspace, plan_retirement(workspace, "alice", purge=True))
    assert [(item.target, item.delete) for item in found] == [
        ("disk", "on web-1, as root: rm -r /mnt/disk/alice /mnt/disk/alice.key"),
        ("offsite", "launchpad backups erase alice --target offsite"),
    ]


def test_a_purge_of_what_a_move_left_offers_no_end_of_the_living_backups(workspace: Workspace) -> None:
    what = replace(plan_retirement(workspace, "alice", purge=True), host="web-9")
    assert [item.target for item in retained(workspace, what)] == ["disk"]


# --- what is no more, or not there yet


@pytest.mark.parametrize("place", [DISK, OFFSITE])
def test_a_repository_that_is_gone_is_not_an_empty_one(
    workspace: Workspace, host: MemoryHost, place: tuple[str, str]
) -> None:
    backup(workspace, "alice")
    del host.repositories[place]
    found = backups(workspace, "alice")
    assert len(found.backups) == 1 and set(found.problems.values()) == {
        "the repository existed before and is missing now"
    }
    host.repositories.clear()
    with pytest.raises(StateError, match="no backup yet; disk: the repository existed before and is missing now"):
        drill(workspace, "alice")


def test_a_repository_that_never_was_is_an_empty_one(workspace: Workspace) -> None:
    found = backups(workspace, "alice")
    assert found.backups == () and "gone" not in str(found.problems)


def test_who_takes_a_key_from_beside_the_repository_knows_whom_it_is_wrapped_for(
    workspace: Workspace, host: MemoryHost
) -> None:
    """As after a first backup that was cut, whose host was made anew: the remark of status would never end."""
    backup(workspace, "alice")
    host.remove(paths.backup("alice"))
    backup(workspace, "alice")
    assert wrapped_for(host) == wanted_for(workspace)
    own = pyrage.x25519.Identity.from_str(workspace.settings.identity.read_text().splitlines()[-1])
    keys = {pyrage.decrypt(wrap.encode(), [own]) for wrap in host.repositories[DISK].wraps}
    assert keys == {host.repositories[DISK].password.encode()}


def test_one_file_comes_here_alone(workspace: Workspace, host: MemoryHost, tmp_path: Path) -> None:
    backup(workspace, "alice")
    asked: list[Mapping[str, Any]] = []

    def work(task: Mapping[str, Any], progress: Progress) -> dict[str, Any]:
        if task["do"] != "download":
            return served(host, []).work(task, progress)
        asked.append(task)
        Path(task["to"]).write_bytes(b"remember")
        return {"result": {"bytes": 8}}

    download(workspace, "alice", to=tmp_path / "note.tar", file="state/note", how=WorkOptions(work=work))
    assert (tmp_path / "note.tar").read_bytes() == b"remember"
    assert (asked[0]["path"], asked[0]["archive"]) == ("state/note", False)
    with pytest.raises(Malformed, match="is not VOLUME/PATH"):
        download(workspace, "alice", to=tmp_path / "other", file="../note", how=WorkOptions(work=work))


def test_a_first_backup_that_was_killed_anywhere_leaves_no_remark(workspace: Workspace, host: MemoryHost) -> None:
    """The operator is killed with the host's process, and types the same again."""
    hosts = workspace.hosts
    assert isinstance(hosts, MemoryHosts)
    found = [moment for moment in moments(host, lambda: backup(workspace, "alice")) if not moment.known]
    wanted, wrong = wanted_for(workspace), []
    for moment in found:
        after = moment.host()
        hosts.hosts["web-1"] = after
        try:
            done = backup(workspace, "alice")
        except LaunchpadError as error:
            wrong.append(f"{moment}: {error}")
            continue
        state = wrapped_for(after) if keeping.wrapped_for("alice") in after.files else ""
        if not done.complete or state != wanted:
            wrong.append(f"{moment}: {state or 'nobody knows for whom the key is wrapped'}")
    assert len(found) > 30 and not wrong, wrong
