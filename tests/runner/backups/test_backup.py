"""A backup on the in-memory host: what reaches which repository, what stays behind, and what is refused."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping
from copy import deepcopy
from typing import Any

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.backups import keeping
from launchpad.runner.boot import boot
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.backups import backups
from launchpad.runner.verbs.submit import ROOM, submit
from launchpad.runner.verbs.target import target
from tests.memory.data import File
from tests.memory.effects import Killed
from tests.memory.host import MemoryHost
from tests.memory.releases import deploy_body, release
from tests.memory.restic import Repository
from tests.memory.settled import opened, settle

CALLER = Caller("alice", "192.0.2.7")
DISK = {"name": "disk", "kind": "local", "url": "/mnt/disk", "host_keys": []}
OFFSITE = {"name": "offsite", "kind": "rest", "url": "https://backup.example.com", "host_keys": []}
CREDENTIALS = {
    "offsite.REST_USER": {"version": 1, "value": "hosts"},
    "offsite.REST_PASSWORD": {"version": 1, "value": "the-password-of-offsite"},
}
AT_DISK, AT_OFFSITE = ("/mnt/disk", "alice"), ("https://backup.example.com", "alice")
NOTE = f"{paths.data('alice')}/state/note"


def body(identifier: str = "backup-000001", *, targets: Any = (DISK, OFFSITE), secrets: Any = None) -> dict[str, Any]:
    operation = {"kind": "backup", "tenant": "alice", "targets": list(targets)}
    return {"id": identifier, "operation": operation, "secrets": secrets or {}, "follow": False}


def the_key(value: str) -> dict[str, Any]:
    """What a request that brings the key of an existing repository has."""
    return {"REPOSITORY_KEY": {"version": 1, "value": value}}


def key_of(host: MemoryHost) -> str:
    return host.repositories[AT_DISK].password


def run(host: MemoryHost, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Submit and carry out; the outcome."""
    for answer in submit(host, asked, CALLER):
        if answer["body"]["outcome"] == "unchanged":
            return dict(answer["body"])
    for identifier in list(host.begun):
        engine.carry_out(host, identifier)
        host.begun.remove(identifier)
    outcome = Journal(host, asked["id"]).outcome()
    assert outcome is not None
    return outcome


@pytest.fixture(scope="module")
def deployed() -> MemoryHost:
    host, made = MemoryHost(), release()
    host.registry |= {service.image for service in made[0].services}
    assert run(host, deploy_body("prepare-000001", made))["outcome"] == "done"
    host.files[NOTE] = File(b"remember", uid=1_010_007)
    settle(host, targets=[DISK, OFFSITE], secrets=CREDENTIALS)
    host.calls.clear()
    return host


@pytest.fixture
def host(deployed: MemoryHost) -> MemoryHost:
    return deepcopy(deployed)


def asked_of(host: MemoryHost, **more: Any) -> dict[str, Any]:
    (answer,) = backups(host, {"tenant": "alice"} | more, CALLER)  # type: ignore[arg-type]
    return dict(answer["body"])


def test_every_target_has_the_data_and_the_wrapped_key(host: MemoryHost) -> None:
    assert run(host, body())["outcome"] == "done"
    assert set(host.repositories) == {("/mnt/disk", "alice"), ("https://backup.example.com", "alice")}
    for repository in host.repositories.values():
        assert repository.wraps == [keeping.wrap(host, "alice")] and opened(repository.wraps[0]) == repository.password
        assert [item.data for item in repository.content[repository.snapshots[0]["id"]].values()] == [b"remember"]


def test_nothing_is_left_on_the_host_but_what_is_needed_for_the_next(host: MemoryHost) -> None:
    run(host, body())
    assert host.names(paths.backup("alice")) == ["cache", "key.age", "key.cred", "key.for", "targets"]
    assert not host.has_data(paths.frozen("alice")) and not host.has_data(paths.checked("alice"))
    assert len(key_of(host)) == 43
    assert not any(key_of(host).encode() in item.data for item in host.files.values())
    assert not any(b"the-password-of-offsite" in item.data for item in host.files.values())


def test_the_next_backup_needs_no_key(host: MemoryHost) -> None:
    run(host, body())
    assert run(host, body("backup-000002"))["outcome"] == "done"
    assert [len(item.snapshots) for item in host.repositories.values()] == [2, 2]


def test_a_target_that_is_down_is_told_and_stops_no_other(host: MemoryHost) -> None:
    run(host, body())
    host.silent.add("https://backup.example.com")
    assert run(host, body("backup-000002"))["outcome"] == "done"
    states = asked_of(host)["targets"]
    assert states["disk"]["sent"]["operation"] == "backup-000002"
    assert "connection refused" in states["offsite"]["failed"]["message"]
    assert states["offsite"]["sent"]["operation"] == "backup-000001"


def test_a_backup_that_lacks_files_is_not_a_good_one(host: MemoryHost) -> None:
    """A disk that gives no answer for a file, or a folder that the app itself cannot enter."""
    run(host, body())
    host.repositories[AT_DISK].unreadable = 2
    assert run(host, body("backup-000002"))["outcome"] == "done"
    state = asked_of(host)["targets"]["disk"]
    assert state["failed"]["operation"] == "backup-000002" and "own user cannot read: 2" in state["failed"]["message"]
    assert state["sent"]["operation"] == "backup-000001"
    host.repositories[AT_OFFSITE].unreadable = 2
    assert run(host, body("backup-000003"))["outcome"] == "undone"


def test_a_backup_is_of_what_ran_when_it_was_frozen(host: MemoryHost) -> None:
    """Sending may take hours, and needs no lock of the tenant's."""
    real = host.confined

    def meanwhile(asked: Any, progress: Any) -> Any:
        if asked.task["do"] == "send":
            record = json.loads(host.files[paths.record("alice")].data)
            host.files[paths.record("alice")] = File(json.dumps(record | {"version": "9"}).encode())
        return real(asked, progress)

    host.confined = meanwhile  # type: ignore[method-assign]
    run(host, body())
    for place in (AT_DISK, AT_OFFSITE):
        assert "version=1" in host.repositories[place].snapshots[0]["tags"]
    assert paths.frozen_as("alice").rpartition("/")[2] not in host.names(paths.backup("alice"))


def test_the_data_of_an_operation_that_is_not_over_is_not_frozen(host: MemoryHost) -> None:
    """Its process died, and with it the lock; the data may be a newer version's, which is taken back."""
    host.registry |= {service.image for service in release(app="beacon:2")[0].services}
    upgrade = deploy_body("upgrade-000001", release(app="beacon:2"), kind="upgrade", soak=0, rehearse=False)
    list(submit(host, body() | {"follow": False}, CALLER))
    list(submit(host, upgrade | {"follow": False}, CALLER))
    host.begun.remove("upgrade-000001")
    engine.carry_out(host, "backup-000001")
    outcome = Journal(host, "backup-000001").outcome() or {}
    assert outcome["outcome"] == "undone" and "upgrade upgrade-000001 has not ended" in outcome["message"]
    assert not host.repositories and not host.has_data(paths.frozen("alice"))


def test_a_backup_that_no_target_took_is_none(host: MemoryHost) -> None:
    run(host, body())
    host.silent |= {"https://backup.example.com", "/mnt/disk"}
    outcome = run(host, body("backup-000002"))
    assert outcome["outcome"] == "undone"
    assert outcome["message"].count("connection refused") == 2
    assert not host.has_data(paths.frozen("alice"))


def test_a_damaged_database_is_not_sent(host: MemoryHost) -> None:
    host.damaged_databases.append("state/sessions.db")
    outcome = run(host, body())
    assert (outcome["outcome"], outcome["lines"]) == ("undone", ["state/sessions.db: malformed"])
    assert "state/sessions.db" in outcome["message"]
    assert host.repositories == {}


def test_a_target_that_lost_its_repository_gets_no_new_one_in_silence(host: MemoryHost) -> None:
    run(host, body())
    del host.repositories[("/mnt/disk", "alice")]
    run(host, body("backup-000002"))
    assert ("/mnt/disk", "alice") not in host.repositories
    assert "missing now" in asked_of(host)["targets"]["disk"]["failed"]["message"]


def test_the_key_is_never_replaced(host: MemoryHost) -> None:
    run(host, body())
    key = key_of(host)
    with pytest.raises(Refused, match="already have a key"):
        run(host, body("backup-000002", secrets=the_key(key)))
    with pytest.raises(Refused, match="opens none"):
        run(host, body("backup-000002", secrets=the_key("another")))
    assert opened(keeping.wrap(host, "alice")) == key


def test_a_request_brings_the_key_of_a_repository_that_is_there_and_no_other(host: MemoryHost) -> None:
    """Else a thief would choose what backups can be read with, or make later ones unreadable."""
    with pytest.raises(Refused, match="opens none"):
        run(host, body(secrets=the_key("eve's")))
    host.repositories[AT_OFFSITE] = Repository(password="of-an-earlier-host")
    with pytest.raises(Refused, match="with another key"):
        run(host, body())
    with pytest.raises(Refused, match="opens none"):
        run(host, body(secrets=the_key("eve's")))
    assert not keeping.has_key(host, "alice")
    assert run(host, body(secrets=the_key("of-an-earlier-host")))["outcome"] == "done"
    assert key_of(host) == "of-an-earlier-host" == opened(keeping.wrap(host, "alice"))


def test_no_key_is_made_while_a_target_cannot_be_asked(host: MemoryHost) -> None:
    host.silent.add("https://backup.example.com")
    with pytest.raises(Refused, match="cannot be read: restic: connection refused"):
        run(host, body())
    assert not keeping.has_key(host, "alice")


def test_without_recipients_there_is_no_key_and_no_backup(host: MemoryHost) -> None:
    settle(host, targets=[DISK, OFFSITE], secrets=CREDENTIALS, recipients=[])
    with pytest.raises(Refused, match="has no recipients"):
        run(host, body())
    assert not keeping.has_key(host, "alice")


AWAY = OFFSITE | {"url": "https://evil.example.com"}


@pytest.mark.parametrize("kind", ["backup", "verify", "fetch", "drill", "forget", "rewrap", "backups", "target"])
def test_a_place_that_the_settings_do_not_have_is_refused(host: MemoryHost, kind: str) -> None:
    """Whatever verb names it: another URL under a known name, a folder that only the request knows."""
    run(host, body())
    more: dict[str, Any] = {"part": "1/7", "snapshot": "a" * 8, "keep": {"last": 1}, "recipients": ""}
    takes: dict[str, list[str]] = {"verify": ["part"], "fetch": ["snapshot"], "drill": ["snapshot"], "forget": ["keep"]}
    places: list[Any] = [AWAY, OFFSITE | {"name": "elsewhere"}, DISK | {"url": "/mnt/other"}]
    for place in places:
        operation: dict[str, Any] = {"kind": kind, "tenant": "alice", "targets": [place]}
        operation |= {name: more[name] for name in takes.get(kind, ["recipients"] if kind == "rewrap" else [])}
        with pytest.raises(Refused, match="this host's settings"):
            if kind == "backups":
                asked_of(host, targets=[place])
            elif kind == "target":
                list(target(host, {"target": place}, CALLER))
            else:
                run(host, {"id": "thief-0000001", "operation": operation, "secrets": {}, "follow": False})


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"targets": []}, "expected a list"),
        ({"targets": [DISK, DISK]}, "is listed twice"),
        ({"targets": [DISK | {"url": "/srv/launchpad/tenants/bob"}]}, "not the URL"),
        ({"targets": [DISK | {"url": "/mnt/../etc"}]}, "not the URL"),
        ({"targets": [DISK | {"url": "/etc/cron.d"}]}, "not the URL"),
        ({"targets": [OFFSITE | {"url": "https://user:word@backup.example.com"}]}, "not the URL"),
        ({"targets": [DISK | {"name": "../disk"}]}, "not a name"),
        ({"targets": [{"name": "s", "kind": "sftp", "url": "sftp://me@host/x"}]}, "host key is missing"),
        ({"secrets": CREDENTIALS}, "not the key of a repository"),
        ({"secrets": {"REPOSITORY_KEY": {"version": 1, "value": ""}}}, "not the key of a repository"),
        ({"secrets": {"REPOSITORY_KEY": "x"}}, "not the key of a repository"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_does_not_fit_is_refused_and_changes_nothing(host: MemoryHost, change: dict[str, Any], said: str) -> None:
    with pytest.raises(Refused, match=said):
        run(host, body(**change))
    assert not keeping.has_key(host, "alice") and list(open_journals(host)) == []


def test_a_tenant_that_is_not_here_has_no_backups(host: MemoryHost) -> None:
    asked = body()
    asked["operation"]["tenant"] = "bob"
    with pytest.raises(Refused, match="bob is not on this host"):
        run(host, asked)


def test_a_backup_holds_no_other_operation_up(host: MemoryHost) -> None:
    """An upgrade or its undo never waits for a target."""
    for _ in submit(host, body(), CALLER):
        pass
    host.begun.clear()
    restart = {"kind": "restart", "tenant": "alice"}
    assert run(host, {"id": "restart-00001", "operation": restart, "follow": False})["outcome"] == "done"
    assert [item.identifier for item in open_journals(host)] == ["backup-000001"]


def test_the_repositories_say_what_they_have(host: MemoryHost) -> None:
    run(host, body())
    found = asked_of(host, targets=[DISK, OFFSITE])
    (tags,) = [item["tags"] for item in found["snapshots"]["disk"]]
    assert {"generation=backup-000001", "app=beacon", "version=1", "volume=state"} <= set(tags)
    assert found["key"] and opened(found["wrap"]) == key_of(host) and found["problems"] == {}


def test_a_host_without_the_key_finds_it_beside_the_repository(host: MemoryHost) -> None:
    run(host, body())
    host.remove(paths.backup("alice"))
    found = asked_of(host, targets=[DISK, OFFSITE], wraps=True)
    assert not found["key"] and [opened(wrap) for wrap in set(found["wraps"])] == [key_of(host)]


def verify(identifier: str, part: str = "3/7") -> dict[str, Any]:
    operation = {"kind": "verify", "tenant": "alice", "targets": [DISK, OFFSITE], "part": part}
    return {"id": identifier, "operation": operation, "secrets": {}, "follow": False}


def test_what_was_verified_is_remembered_part_by_part(host: MemoryHost) -> None:
    run(host, body())
    assert run(host, verify("verify-000001"))["outcome"] == "done"
    run(host, verify("verify-000002", "4/7"))
    assert set(asked_of(host)["targets"]["disk"]["parts"]) == {"3/7", "4/7"}


def test_damage_in_one_repository_is_an_error_and_the_other_is_read_too(host: MemoryHost) -> None:
    run(host, body())
    host.repositories[("/mnt/disk", "alice")].damaged = True
    outcome = run(host, verify("verify-000001"))
    assert outcome["outcome"] == "undone" and "disk: restic: the repository contains damaged" in outcome["message"]
    assert asked_of(host)["targets"]["offsite"]["verified"]["part"] == "3/7"


@pytest.mark.parametrize("part", ["0/7", "8/7", "1", "1/7; rm", "x/7"])
def test_a_part_is_one_of_many(host: MemoryHost, part: str) -> None:
    run(host, body())
    with pytest.raises(Refused, match="not a part"):
        run(host, verify("verify-000001", part))


def test_a_backup_that_is_killed_is_not_gone_on_with(host: MemoryHost) -> None:
    """A boot settles what is open before it starts tenants, and must not wait for a day's sending."""
    run(host, body("backup-000000"))
    host.kill_at = len(host.calls) + len(calls_until(host, "confined"))
    with contextlib.suppress(Killed):
        run(host, body())
    host.reboot()
    host.calls.clear()
    assert boot(host) == 0
    assert "confined" not in host.calls
    outcome = Journal(host, "backup-000001").outcome()
    assert outcome is not None and (outcome["outcome"], outcome["message"]) == (
        "undone",
        "the operation's process was killed",
    )


def calls_until(host: MemoryHost, name: str) -> list[str]:
    """The calls of a backup up to the first of that name."""
    copy = deepcopy(host)
    copy.calls.clear()
    run(copy, body())
    return copy.calls[: copy.calls.index(name) + 1]


# --- coming back


def fetch(identifier: str, snapshot: str, *, target: Any = DISK) -> dict[str, Any]:
    operation = {"kind": "fetch", "tenant": "alice", "targets": [target], "snapshot": snapshot}
    return {"id": identifier, "operation": operation, "secrets": {}, "follow": False}


def first_of(host: MemoryHost) -> str:
    return str(host.repositories[("/mnt/disk", "alice")].snapshots[0]["id"])


def test_a_backup_comes_back_as_a_generation(host: MemoryHost) -> None:
    run(host, body())
    host.files[NOTE] = File(b"changed since")
    assert run(host, fetch("fetch-0000001", first_of(host)))["outcome"] == "done"
    generation = paths.generation("alice", "fetch-0000001")
    assert host.files[f"{generation}/state/note"].data == b"remember"
    assert host.volumes[generation]["read_only"]
    record = json.loads(host.files[paths.generation_record("alice", "fetch-0000001")].data)
    assert (record["why"], record["app"], record["version"]) == ("backup", "beacon", "1")
    assert host.files[NOTE].data == b"changed since", "the live data was touched"
    assert not host.has_data(paths.fetched("alice"))


def test_a_fetched_generation_takes_the_place_of_the_one_before(host: MemoryHost) -> None:
    run(host, body())
    for number in (1, 2):
        run(host, fetch(f"fetch-000000{number}", first_of(host)))
    assert host.names(paths.generations("alice")) == ["fetch-0000002", "fetch-0000002.json"]


@pytest.mark.parametrize("snapshot", ["ffffffff", "latest", "../../etc", ""])
def test_a_backup_that_is_not_there_is_refused(host: MemoryHost, snapshot: str) -> None:
    run(host, body())
    with pytest.raises(Refused):
        run(host, fetch("fetch-0000001", snapshot))


def test_a_backup_that_does_not_fit_is_refused(host: MemoryHost) -> None:
    run(host, body())
    host.free = 1 << 20
    with pytest.raises(Refused, match="larger than the free space"):
        run(host, fetch("fetch-0000001", first_of(host)))


@pytest.mark.parametrize("mode", ["before", "halfway", "after"])
def test_a_fetch_that_dies_anywhere_leaves_a_whole_generation_or_none(deployed: MemoryHost, mode: str) -> None:
    before = deepcopy(deployed)
    run(before, body())
    undisturbed = deepcopy(before)
    run(undisturbed, fetch("fetch-0000001", first_of(before)))
    for call in range(len(before.calls) + 1, len(undisturbed.calls) + 1):
        host = deepcopy(before)
        host.kill_at, host.kill_mode = call, mode
        with contextlib.suppress(Killed):
            run(host, fetch("fetch-0000001", first_of(before)))
        where = f"{mode} call {call}, {host.calls[-1]}"
        host.died()
        for journal in list(open_journals(host)):
            engine.carry_out(host, journal.identifier)
        complete = host.read(paths.generation_record("alice", "fetch-0000001")) is not None
        whole = host.read(f"{paths.generation('alice', 'fetch-0000001')}/state/note") == b"remember"
        assert complete == whole, where
        # What only looks at a repository ends by itself, after 300 s at most.
        assert not [unit for unit in host.running if "-look-" not in unit], where
        assert not host.has_data(paths.fetched("alice")), where


def drill(identifier: str, snapshot: str) -> dict[str, Any]:
    operation = {"kind": "drill", "tenant": "alice", "targets": [DISK], "snapshot": snapshot}
    return {"id": identifier, "operation": operation, "secrets": {}, "follow": False}


def test_a_drill_does_not_count_on_memory_that_another_counts_on_just_now(host: MemoryHost) -> None:
    run(host, body())
    with host.lock(ROOM, {"operation": "operation-other"}), pytest.raises(Refused, match="room on this host"):
        run(host, drill("drill-0000001", first_of(host)))


def test_a_drill_boots_the_backup_and_leaves_nothing_but_the_proof(host: MemoryHost) -> None:
    run(host, body())
    before, names = deepcopy(host.boxes), host.names(paths.tenant("alice"))
    assert run(host, drill("drill-0000001", first_of(host)))["outcome"] == "done"
    proof = json.loads(host.files[keeping.proof("alice")].data)
    assert (proof["target"], proof["snapshot"], proof["version"]) == ("disk", first_of(host), "1")
    assert proof["at"] <= proof["proven"]
    assert host.boxes == before and host.names(paths.tenant("alice")) == names
    assert not host.has_data(paths.fetched("alice")) and not host.has_data(paths.clone("alice"))


def test_a_backup_that_does_not_boot_is_not_proven(host: MemoryHost) -> None:
    run(host, body())
    host.behaviours |= {box.image: "crash" for box in host.boxes.values()}
    outcome = run(host, drill("drill-0000001", first_of(host)))
    assert outcome["outcome"] == "undone" and "exited with status 1" in outcome["message"]
    assert keeping.proof("alice") not in host.files
    assert not host.has_data(paths.fetched("alice")) and not host.has_data(paths.clone("alice"))


def test_a_backup_of_another_version_is_not_booted(host: MemoryHost) -> None:
    run(host, body())
    for repository in host.repositories.values():
        tags = repository.snapshots[0]["tags"]
        repository.snapshots[0]["tags"] = ["version=2" if tag.startswith("version=") else tag for tag in tags]
    with pytest.raises(Refused, match="holds beacon 2, but version 1 runs"):
        run(host, drill("drill-0000001", first_of(host)))


@pytest.mark.parametrize("mode", ["before", "halfway", "after"])
def test_a_drill_that_dies_anywhere_leaves_nothing(deployed: MemoryHost, mode: str) -> None:
    before = deepcopy(deployed)
    run(before, body())
    undisturbed = deepcopy(before)
    run(undisturbed, drill("drill-0000001", first_of(before)))
    for call in range(len(before.calls) + 1, len(undisturbed.calls) + 1):
        host = deepcopy(before)
        host.kill_at, host.kill_mode = call, mode
        with contextlib.suppress(Killed):
            run(host, drill("drill-0000001", first_of(before)))
        where = f"{mode} call {call}, {host.calls[-1]}"
        host.died()
        for journal in list(open_journals(host)):
            engine.carry_out(host, journal.identifier)
        assert set(host.boxes) == set(before.boxes), where
        assert set(host.networks) == set(before.networks), where
        assert not host.has_data(paths.fetched("alice")) and not host.has_data(paths.clone("alice")), where
        assert host.files[NOTE].data == b"remember", where


# --- killed anywhere


def calls(host: MemoryHost) -> int:
    copy = deepcopy(host)
    run(copy, body())
    return len(copy.calls)


@pytest.mark.parametrize("rebooted", [False, True], ids=["killed", "rebooted"])
@pytest.mark.parametrize("mode", ["before", "halfway", "after"])
def test_a_backup_that_dies_anywhere_leaves_nothing_behind_and_the_next_one_works(
    deployed: MemoryHost, mode: str, rebooted: bool
) -> None:
    for call in range(1, calls(deployed) + 1):
        host = deepcopy(deployed)
        host.kill_at, host.kill_mode = call, mode
        with contextlib.suppress(Killed):
            run(host, body())
        where = f"{mode} call {call}, {host.calls[-1]}"
        if rebooted:
            host.reboot()
            assert boot(host) == 0, where
        else:
            host.died()
            for journal in list(open_journals(host)):
                with contextlib.suppress(Failed):
                    engine.carry_out(host, journal.identifier)
        assert list(open_journals(host)) == [], where
        assert not [unit for unit in host.running if "-look-" not in unit], where
        host.begun.clear()
        assert run(host, body("backup-000002"))["outcome"] == "done", where
        assert not host.has_data(paths.frozen("alice")) and not host.has_data(paths.checked("alice")), where
        assert host.files[NOTE].data == b"remember", where
        newest = host.repositories[("/mnt/disk", "alice")]
        assert [item.data for item in newest.content[newest.snapshots[-1]["id"]].values()] == [b"remember"], where
        assert newest.wraps, where
