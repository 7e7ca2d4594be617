"""What is done with backups that there are, on the in-memory host: thinned out on their host, their key wrapped anew,
and one tenant's brought to another."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.backups import keeping
from launchpad.runner.backups.keeping import digest_of_recipients
from launchpad.runner.journal import open_journals
from launchpad.runner.protocol import Refused
from tests.memory.data import File
from tests.memory.effects import Killed
from tests.memory.host import MemoryHost
from tests.memory.restic import Repository
from tests.memory.settled import OTHER_RECIPIENT, RECIPIENT, settle
from tests.runner.backups.test_backup import (
    AT_DISK,
    AT_OFFSITE,
    CREDENTIALS,
    DISK,
    NOTE,
    OFFSITE,
    asked_of,
    body,
    deployed,
    drill,
    host,
    run,
    the_key,
)

__all__ = ["deployed", "host"]

OTHERS = digest_of_recipients([OTHER_RECIPIENT])
MODES = pytest.mark.parametrize("mode", ["before", "halfway", "after"])


def killed_anywhere(before: MemoryHost, asked: Mapping[str, Any], mode: str) -> list[tuple[str, MemoryHost]]:
    """The host after each call at which the operation can die, settled as it is by itself; and where that was."""
    undisturbed, found = deepcopy(before), []
    assert run(undisturbed, asked)["outcome"] == "done"
    for call in range(len(before.calls) + 1, len(undisturbed.calls) + 1):
        host = deepcopy(before)
        host.kill_at, host.kill_mode = call, mode
        with contextlib.suppress(Killed):
            run(host, asked)
        where = f"{mode} call {call}, {host.calls[-1]}"
        host.died()
        for journal in list(open_journals(host)):
            engine.carry_out(host, journal.identifier)
        assert not list(open_journals(host)), where
        assert not [unit for unit in host.running if "-look-" not in unit], where
        host.begun.clear()
        found.append((where, host))
    return found


@pytest.fixture
def backed_up(host: MemoryHost) -> MemoryHost:
    """Four backups at each target; of them the first is proven."""
    run(host, body())
    run(host, drill("drill-0000001", str(host.repositories[AT_DISK].snapshots[0]["id"])))
    for number in (2, 3, 4):
        host.clock += 86_400
        run(host, body(f"backup-00000{number}"))
    return host


def forget(identifier: str = "forget-000001", **change: Any) -> dict[str, Any]:
    operation = {"kind": "forget", "tenant": "alice", "targets": [DISK], "keep": {"last": 1, "daily": 0}}
    return {"id": identifier, "operation": operation | change, "secrets": {}, "follow": False}


def generations_at(host: MemoryHost, place: tuple[str, str]) -> list[str]:
    tags = [tag for item in host.repositories[place].snapshots for tag in item["tags"]]
    return [tag.partition("=")[2] for tag in tags if tag.startswith("generation=")]


def test_a_folder_of_the_host_keeps_the_newest_and_the_proven_one(backed_up: MemoryHost) -> None:
    assert run(backed_up, forget())["outcome"] == "done"
    assert generations_at(backed_up, AT_DISK) == ["backup-000001", "backup-000004"]
    assert len(generations_at(backed_up, AT_OFFSITE)) == 4
    assert asked_of(backed_up)["targets"]["disk"]["thinned"]["left"] == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"targets": [OFFSITE]}, "is not a folder of this host"),
        ({"keep": {"last": 0}}, "delete the newest backup"),
        ({"keep": {}}, "delete the newest backup"),
        ({"keep": {"last": 1, "within": 1}}, "expected counts"),
        ({"keep": {"last": "1"}}, "expected counts"),
        ({"keep": {"last": True}}, "expected counts"),
    ],
)
def test_what_may_not_be_thinned_out_is_refused(backed_up: MemoryHost, change: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        run(backed_up, forget(**change))
    assert len(generations_at(backed_up, AT_DISK)) == 4


def test_a_backup_of_the_future_keeps_all_of_them(backed_up: MemoryHost) -> None:
    backed_up.repositories[AT_DISK].snapshots[-1]["time"] = "2099-01-01T00:00:00+00:00"
    outcome = run(backed_up, forget())
    assert outcome["outcome"] == "undone" and "dated in the future" in outcome["message"]
    assert len(generations_at(backed_up, AT_DISK)) == 4


@MODES
def test_thinning_out_that_dies_anywhere_keeps_what_matters(backed_up: MemoryHost, mode: str) -> None:
    for where, then in killed_anywhere(backed_up, forget(), mode):
        assert {"backup-000001", "backup-000004"} <= set(generations_at(then, AT_DISK)), where
        assert run(then, forget("forget-000002"))["outcome"] == "done", where
        assert generations_at(then, AT_DISK) == ["backup-000001", "backup-000004"], where


def rewrap(identifier: str = "rewrap-000001", **change: Any) -> dict[str, Any]:
    operation = {"kind": "rewrap", "tenant": "alice", "targets": [DISK, OFFSITE], "recipients": OTHERS}
    return {"id": identifier, "operation": operation | change, "secrets": {}, "follow": False}


def wrapped_for(host: MemoryHost) -> str:
    return (host.read(keeping.wrapped_for("alice")) or b"").decode()


@pytest.fixture
def with_others(backed_up: MemoryHost) -> MemoryHost:
    """The same, whose settings name other recipients now."""
    settle(backed_up, targets=[DISK, OFFSITE], secrets=CREDENTIALS, recipients=[OTHER_RECIPIENT])
    backed_up.calls.clear()
    return backed_up


def test_the_key_is_wrapped_anew_here_and_beside_each_repository(with_others: MemoryHost) -> None:
    before = keeping.wrap(with_others, "alice")
    assert run(with_others, rewrap())["outcome"] == "done"
    now = asked_of(with_others)["wrap"]
    assert now != before and wrapped_for(with_others) == OTHERS
    for place in (AT_DISK, AT_OFFSITE):
        assert with_others.repositories[place].wraps == [now, before]
    assert run(with_others, body("backup-000005"))["outcome"] == "done", "the key itself is the same"


def test_a_target_that_is_down_gets_the_new_wrap_with_the_next_backup(with_others: MemoryHost) -> None:
    with_others.silent.add("https://backup.example.com")
    assert run(with_others, rewrap())["outcome"] == "done"
    assert asked_of(with_others)["targets"]["offsite"]["wrapped"] is False
    with_others.silent.clear()
    run(with_others, body("backup-000005"))
    assert with_others.repositories[AT_OFFSITE].wraps[0] == keeping.wrap(with_others, "alice")


@pytest.mark.parametrize(
    "recipients", ["../../x", "", digest_of_recipients([RECIPIENT])], ids=["no digest", "none", "as before"]
)
def test_the_settings_alone_say_whom_a_key_is_wrapped_for(with_others: MemoryHost, recipients: str) -> None:
    before = keeping.wrap(with_others, "alice")
    with pytest.raises(Refused, match="other recipients"):
        run(with_others, rewrap(recipients=recipients))
    assert asked_of(with_others)["wrap"] == before


def test_a_new_wrap_brings_no_new_key(with_others: MemoryHost) -> None:
    with pytest.raises(Refused, match="opens none"):
        run(with_others, rewrap() | {"secrets": the_key("eve's")})


@MODES
def test_a_rewrap_that_dies_anywhere_leaves_one_wrap_or_the_other(with_others: MemoryHost, mode: str) -> None:
    before, for_whom = keeping.wrap(with_others, "alice"), wrapped_for(with_others)
    for where, then in killed_anywhere(with_others, rewrap(), mode):
        now = asked_of(then)["wrap"]
        assert wrapped_for(then) in ("", for_whom if now == before else OTHERS), where
        assert before in then.repositories[AT_DISK].wraps, where
        assert run(then, rewrap("rewrap-000002"))["outcome"] == "done", where
        newest = then.repositories[AT_DISK].wraps[0]
        assert newest == then.repositories[AT_OFFSITE].wraps[0] == keeping.wrap(then, "alice") != before, where


# --- one tenant's backup for another


@pytest.fixture
def beside_bob(backed_up: MemoryHost) -> MemoryHost:
    """Offsite there is a backup of bob's too, who is on no host."""
    tags = ["generation=backup-of-bob", "app=beacon", "version=1", "release=abc", "volume=state"]
    snapshot = {"id": f"{7:064x}", "time": "2026-11-20T00:00:00+00:00", "tags": tags, "bytes": 8, "files": 1}
    backed_up.repositories["https://backup.example.com", "bob"] = Repository(
        password="the-key-of-bob",
        wraps=["wrapped"],
        snapshots=[snapshot],
        content={f"{7:064x}": {"/state/note": File(b"of bob", uid=9)}},
    )
    return backed_up


def fetch_bobs(identifier: str = "fetch-0000001", *, secrets: Any = None, **change: Any) -> dict[str, Any]:
    operation = {"kind": "fetch", "tenant": "alice", "targets": [OFFSITE], "snapshot": f"{7:064x}", "source": "bob"}
    own = the_key("the-key-of-bob") if secrets is None else secrets
    return {"id": identifier, "operation": operation | change, "secrets": own, "follow": False}


def note_of(host: MemoryHost, identifier: str) -> bytes | None:
    return host.read(f"{paths.generation('alice', identifier)}/state/note")


def test_another_tenants_backup_becomes_a_generation_and_its_key_goes(beside_bob: MemoryHost) -> None:
    names = beside_bob.names(paths.backup("alice"))
    assert run(beside_bob, fetch_bobs())["outcome"] == "done"
    assert note_of(beside_bob, "fetch-0000001") == b"of bob"
    assert beside_bob.files[NOTE].data == b"remember", "the live data was touched"
    assert beside_bob.names(paths.backup("alice")) == names
    assert run(beside_bob, body("backup-000005"))["outcome"] == "done", "alice's own key was touched"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"source": "alice"}, "another tenant's name"),
        ({"source": "../bob"}, "another tenant's name"),
        ({"source": "carl"}, "no backup"),
        ({"secrets": {}}, "the key of its backups"),
    ],
)
def test_what_is_no_other_tenants_backup_is_refused(beside_bob: MemoryHost, change: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        run(beside_bob, fetch_bobs(**change))


def test_what_is_of_another_version_is_refused(beside_bob: MemoryHost) -> None:
    beside_bob.repositories["https://backup.example.com", "bob"].snapshots[0]["tags"][2] = "version=2"
    with pytest.raises(Refused, match="holds beacon 2, but alice runs beacon 1"):
        run(beside_bob, fetch_bobs())
    assert "source.cred" not in beside_bob.names(paths.backup("alice"))


def test_a_folder_on_a_host_is_its_own_tenants_alone(beside_bob: MemoryHost) -> None:
    with pytest.raises(Refused, match="only the tenant itself can read"):
        run(beside_bob, fetch_bobs(targets=[DISK]))


@MODES
def test_a_fetch_from_another_that_dies_anywhere_leaves_no_key_of_its(beside_bob: MemoryHost, mode: str) -> None:
    for where, then in killed_anywhere(beside_bob, fetch_bobs(), mode):
        complete = then.read(paths.generation_record("alice", "fetch-0000001")) is not None
        assert (note_of(then, "fetch-0000001") == b"of bob") == complete, where
        assert not then.has_data(paths.fetched("alice")), where
        if "source.cred" in then.names(paths.backup("alice")):  # it died before there was an operation
            assert not complete, where
            run(then, body("backup-000005"))
        assert "source.cred" not in then.names(paths.backup("alice")), where


# --- what a killed sending leaves


def test_the_lock_of_a_killed_sending_goes_with_the_next_backup(backed_up: MemoryHost) -> None:
    """Else whoever thins out from elsewhere would wait for it."""
    for where, then in killed_anywhere(backed_up, body("backup-000005"), "halfway"):
        assert run(then, body("backup-000006"))["outcome"] == "done", where
        assert not any(there.locked for there in then.repositories.values()), where
