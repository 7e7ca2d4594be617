"""What submit refuses, attaches to, and leaves alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, release_as_json
from launchpad.runner.verbs.history import history
from launchpad.runner.verbs.submit import IDS, submit
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.memory.living import a_host, upgrade, version
from tests.memory.releases import deploy_body, release

CALLER = Caller("alice", "192.0.2.7")
FIRST = release()
SECOND = release(app="beacon:2")


@pytest.fixture
def host() -> MemoryHost:
    made = MemoryHost()
    for value, _ in (FIRST, SECOND, release("bob", slot=8, domains=("bob.example.com",))):
        made.registry |= {service.image for service in value.services}
    return made


def deploy(host: MemoryHost, identifier: str, made: Any, **extra: Any) -> str:
    return run(host, deploy_body(identifier, made, **extra))


def run(host: MemoryHost, body: dict[str, Any]) -> str:
    (answer,) = submit(host, body, CALLER)
    if answer["body"]["outcome"] == "unchanged":
        return "unchanged"
    engine.carry_out(host, body["id"])
    outcome = Journal(host, body["id"]).outcome()
    assert outcome is not None
    return str(outcome["outcome"])


def state(host: MemoryHost) -> dict[str, bytes]:
    return {path: item.data for path, item in host.files.items()}


def test_the_second_deploy_changes_nothing(host: MemoryHost) -> None:
    assert deploy(host, "operation-000001", FIRST) == "done"
    before, starts, reloads = state(host), {box.started_at for box in host.boxes.values()}, host.reloads
    assert deploy(host, "operation-000002", FIRST) == "unchanged"
    assert state(host) == before
    assert {box.started_at for box in host.boxes.values()} == starts
    assert host.reloads == reloads


def test_another_egress_is_refused_before_anything_stops_and_done_after_a_retire(host: MemoryHost) -> None:
    """The network is what keeps a tenant from the Internet, and Docker changes none."""
    assert deploy(host, "operation-000001", FIRST) == "done"
    starts = {box.started_at for box in host.boxes.values()}
    closed = release(egress="none")
    with pytest.raises(Refused, match="egress changes from open to none") as refused:
        deploy(host, "operation-000002", closed)
    assert refused.value.hint.startswith("launchpad retire alice; launchpad deploy alice")
    assert {box.started_at for box in host.boxes.values()} == starts
    retire = {"kind": "retire", "tenant": "alice", "purge": False}
    assert run(host, {"id": "operation-000003", "operation": retire, "follow": False}) == "done"
    assert deploy(host, "operation-000004", closed) == "done"
    assert host.networks["lp-alice"][-1] is True


def test_a_damaged_record_is_named_to_its_neighbours(host: MemoryHost) -> None:
    host.files[paths.record("bob")] = File(b"{torn")
    with pytest.raises(Refused, match=r"bob/tenant\.json cannot be read"):
        deploy(host, "operation-000001", FIRST)


@pytest.mark.parametrize("damaged", ["release.json", "compose.yaml"])
def test_an_undo_that_cannot_start_the_old_release_lets_a_deploy_take_over(host: MemoryHost, damaged: str) -> None:
    """Its data is brought back all the same; only the start of it waits for files that nobody will bring back."""
    deploy(host, "operation-000001", FIRST)
    host.behaviours |= {service.image: "never" for service in SECOND[0].services}
    list(submit(host, deploy_body("operation-000002", SECOND), CALLER))
    host.files[f"{paths.release('alice', FIRST[0].short)}/{damaged}"] = File(b"{torn")
    with pytest.raises(engine.NotSettled, match="cannot undo stop-side yet"):
        engine.carry_out(host, "operation-000002")
    with pytest.raises(Refused, match="an earlier operation has not ended: cannot undo stop-side yet") as refused:
        run(host, {"id": "operation-000003", "operation": {"kind": "stop", "tenant": "alice"}, "follow": False})
    assert (refused.value.kind, refused.value.hint) == ("locked", "launchpad deploy alice")
    third = release(app="beacon:3")
    host.registry |= {service.image for service in third[0].services}
    assert deploy(host, "operation-000004", third) == "done"
    told = Journal(host, "operation-000002").outcome() or {}
    assert told["outcome"] == "undone" and told["message"].endswith("a later deploy took over")
    host.wait(5)
    assert host.request("alice.example.com") == third[0].short


def test_an_undo_that_cannot_bring_the_data_back_lets_nobody_take_over() -> None:
    host = a_host(1, 2, v2="never")
    list(submit(host, upgrade("operation-upgrade", version(2)), CALLER))
    host.restore = lambda *_, **__: fail("the disk is faulty")  # type: ignore[method-assign]
    for identifier in ("operation-again1", "operation-again2"):
        with pytest.raises(Refused, match="cannot undo take-generation yet: the disk is faulty") as refused:
            run(host, deploy_body(identifier, version(1)))
        assert refused.value.hint == "launchpad status"


def fail(message: str) -> None:
    raise Failed(message)


def test_a_changed_release_reloads_nothing_and_keeps_the_neighbour_running(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    reloads = host.reloads
    assert deploy(host, "operation-000002", SECOND) == "done"
    assert host.reloads == reloads


def test_the_same_id_attaches_to_the_same_operation(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    calls = len(host.calls)
    (answer,) = submit(host, deploy_body("operation-000001", FIRST), CALLER)
    assert answer["body"]["outcome"] == "running"
    assert len(host.calls) == calls


def test_the_same_id_over_another_body_is_refused(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    with pytest.raises(Refused, match="exists already, and differs from this request: release") as refused:
        deploy(host, "operation-000001", SECOND)
    assert refused.value.kind == "state"


def test_a_checkout_that_does_not_know_what_runs_is_refused(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST, revision="r2", ancestors=("r1",))
    before = state(host)
    with pytest.raises(Refused, match="does not descend from that revision") as refused:
        deploy(host, "operation-000002", SECOND, revision="r1")
    assert refused.value.hint.startswith("git pull")
    assert state(host) == before
    assert deploy(host, "operation-000003", SECOND, revision="r3", ancestors=("r2", "r1")) == "done"


def test_whoever_has_been_shown_the_revision_that_runs_goes_on(host: MemoryHost) -> None:
    runs = "8dbd" * 10 + "+1f3a9c21"
    deploy(host, "operation-000001", FIRST, revision=runs)
    stale = "8dbd" * 10
    with pytest.raises(Refused) as refused:
        deploy(host, "operation-000002", SECOND, revision=stale)
    shown = "8dbd8dbd8dbd+1f3a9c21"
    told = refused.value.message
    assert told.startswith(f"alice: alice deployed the running release from revision {shown}, before a commit, on 20")
    assert "this inventory (8dbd8dbd8dbd) does not descend from that revision" in told
    assert told.endswith(
        "a deploy from here would change version 1 → 2, image of store, image of web, file compose.yaml"
    )
    assert refused.value.hint.endswith(f"launchpad deploy alice --after {shown}")
    with pytest.raises(Refused, match="--after names 000000000000"):
        deploy(host, "operation-000003", SECOND, revision=stale, after="0" * 40)
    assert deploy(host, "operation-000004", SECOND, revision=stale, after=shown) == "done"
    assert deploy(host, "operation-000005", FIRST, revision="r3", ancestors=(stale,)) == "done", "it goes on from there"


def test_to_go_on_stands_in_the_history_also_when_nothing_else_changes(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST, revision="r2")
    with pytest.raises(Refused, match="would change nothing but the revision"):
        deploy(host, "operation-000002", FIRST, revision="r1")
    assert deploy(host, "operation-000003", FIRST, revision="r1", after="r2") == "done"
    (told,) = history(host, {}, CALLER)
    assert [item.get("after") for item in told["body"]["operations"]] == ["r2", ""]
    assert deploy(host, "operation-000004", FIRST, revision="r1") == "unchanged"


def test_a_newer_revision_of_the_same_release_is_remembered(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST, revision="r1")
    assert deploy(host, "operation-000002", FIRST, revision="r2", ancestors=("r1",)) == "unchanged"
    with pytest.raises(Refused, match="does not descend from that revision"):
        deploy(host, "operation-000003", SECOND, revision="r1")


def test_a_plan_made_when_something_else_ran_is_refused(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    with pytest.raises(Refused, match="the plan replaces nothing"):
        deploy(host, "operation-000002", SECOND, replaces=None)
    assert deploy(host, "operation-000003", SECOND, replaces=FIRST[0].short) == "done"


def test_a_tenant_in_use_is_said_to_be_locked_and_by_whom(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    owner = {"operation": "operation-000009", "who": "carol", "kind": "restart", "since": host.now() - 200}
    with (
        host.lock("tenant-alice", owner),
        pytest.raises(Refused, match=r"alice: locked by carol \(restart\) for 3 min") as refused,
    ):
        deploy(host, "operation-000002", SECOND)
    assert refused.value.kind == "locked"
    assert refused.value.hint == "launchpad attach operation-000009"


def test_a_secret_that_is_nowhere_is_refused(host: MemoryHost) -> None:
    body = deploy_body("operation-000001", FIRST) | {"secrets": {}}
    with pytest.raises(Refused, match="BEACON_TOKEN version 1 is missing in the request"):
        run(host, body)
    assert not host.names(paths.TENANTS)


def test_a_release_that_is_new_here_brings_every_secret_that_it_names(host: MemoryHost) -> None:
    """What lies in the vault is for the releases that came with it: who has an SSH key alone reads none of it."""
    deploy(host, "operation-000001", FIRST)
    guess = {"BEACON_TOKEN": {"version": 1, "value": "a guess"}}
    for given, said in (({}, "is missing in the request"), (guess, "a different value on the host")):
        with pytest.raises(Refused, match=said):
            run(host, deploy_body("operation-000002", SECOND) | {"secrets": given})
    assert deploy(host, "operation-000003", SECOND) == "done"
    again = deploy_body("operation-000004", FIRST) | {"secrets": {}}
    assert run(host, again) == "done", "what ran here before needs none"


def test_a_secret_may_be_large_but_not_larger(host: MemoryHost) -> None:
    most = {"BEACON_TOKEN": {"version": 1, "value": "x" * (64 << 10)}}
    larger = {"BEACON_TOKEN": {"version": 1, "value": "x" * (64 << 10) + "x"}}
    with pytest.raises(Refused):
        run(host, deploy_body("operation-000001", FIRST) | {"secrets": larger})
    assert not host.names(paths.TENANTS)
    assert run(host, deploy_body("operation-000002", FIRST) | {"secrets": most}) == "done"


def test_the_five_releases_that_ran_last_stay_for_a_way_back(host: MemoryHost) -> None:
    made = [release(app=f"beacon:{number}", strategy="beside") for number in range(1, 8)]
    for number, item in enumerate(made, start=1):
        host.registry |= {service.image for service in item[0].services}
        assert deploy(host, f"operation-{number:06}", item) == "done"
    assert host.names(paths.releases("alice")) == sorted(item.short for item, _ in made[-5:])


def test_secrets_lie_nowhere_in_clear_but_on_tmpfs(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    holding = [path for path, data in state(host).items() if b"secret-of-alice" in data]
    assert holding == [f"{paths.secrets('alice', FIRST[0].short)}/BEACON_TOKEN"]
    kept = host.files[holding[0]]
    assert (kept.mode, kept.uid) == (0o400, 1_010_007)


@pytest.mark.parametrize(
    "operation",
    [
        {},
        {"kind": "shell"},
        {"kind": "stop"},
        {"kind": "stop", "tenant": "../bob"},
        {"kind": "stop", "tenant": "alice", "command": "id"},
        {"kind": "retire", "tenant": ["alice"]},
        "stop",
        None,
    ],
)
def test_what_is_no_operation_is_refused(host: MemoryHost, operation: Any) -> None:
    with pytest.raises(Refused):
        run(host, {"id": "operation-000001", "operation": operation, "follow": False})
    assert not host.calls


@pytest.mark.parametrize("identifier", ["", "short", "UPPER-CASE-ID", "../../etc/passwd", "a" * 50, "with space-000"])
def test_what_is_no_id_is_refused(host: MemoryHost, identifier: str) -> None:
    with pytest.raises(Refused, match="not an operation's id"):
        run(host, {"id": identifier, "operation": {"kind": "stop", "tenant": "alice"}, "follow": False})


def test_a_refused_release_leaves_nothing(host: MemoryHost) -> None:
    value, files = release()
    composed = json.loads(files["compose.yaml"])
    composed["services"]["web"]["user"] = "0:0"

    from launchpad.runner.protocol import digest_of

    files = files | {"compose.yaml": json.dumps(composed)}
    value = value.but(files={path: digest_of(text.encode()) for path, text in files.items()})
    with pytest.raises(Refused, match="user"):
        deploy(host, "operation-000001", (value, files))
    assert not host.names(paths.TENANTS)


def test_what_was_changed_by_hand_is_mended_without_a_restart(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    starts = {box.started_at for box in host.boxes.values()}
    host.files[paths.site("alice")].data = b"alice.example.com {\n\trespond 418\n}\n"
    del host.files[f"{paths.release('alice', FIRST[0].short)}/site.caddy"]
    assert deploy(host, "operation-000002", FIRST) == "done"
    assert host.files[paths.site("alice")].data.decode() == FIRST[1]["site.caddy"]
    assert {box.started_at for box in host.boxes.values()} == starts


@pytest.mark.parametrize("damaged", [b"{}", b"{torn", json.dumps(release_as_json(SECOND[0])).encode()])
def test_a_damaged_manifest_is_mended_by_a_deploy(host: MemoryHost, damaged: bytes) -> None:
    deploy(host, "operation-000001", FIRST)
    path = f"{paths.release('alice', FIRST[0].short)}/release.json"
    whole = host.read(path)
    host.write(path, damaged)
    assert deploy(host, "operation-000002", FIRST) == "done"
    assert host.read(path) == whole and host.request("alice.example.com") == FIRST[0].short
    assert deploy(host, "operation-000003", FIRST) == "unchanged"


def test_a_site_that_caddy_refuses_ends_the_deploy_and_the_old_one_serves(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    refused = release(app="beacon:2", domains=("alice.example.com", "broken.example.com"))
    assert deploy(host, "operation-000002", refused) == "undone"
    host.clock += 5
    assert host.request("alice.example.com") == FIRST[0].short


def test_a_container_stopped_by_hand_is_started_again(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    host.stop_by_hand("alice")
    assert deploy(host, "operation-000002", FIRST) == "done"
    host.clock += 5
    assert host.request("alice.example.com") == FIRST[0].short


def test_an_earlier_operation_that_was_left_open_is_settled_first(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    list(submit(host, deploy_body("operation-000002", SECOND), CALLER))  # its unit never started
    assert (
        run(host, {"id": "operation-000003", "operation": {"kind": "stop", "tenant": "alice"}, "follow": False})
        == "done"
    )
    assert Journal(host, "operation-000002").outcome() is not None
    record = read_record(host, "alice")
    assert record is not None and (record["release"], record["running"]) == (SECOND[0].short, False)


def test_retire_keeps_data_and_slot_until_purge(host: MemoryHost) -> None:
    deploy(host, "operation-000001", FIRST)
    run(host, {"id": "operation-000002", "operation": {"kind": "retire", "tenant": "alice"}, "follow": False})
    assert host.has_data(paths.data("alice"))
    with pytest.raises(Refused, match="belongs to alice"):
        deploy(host, "operation-000003", release("bob", slot=7, domains=("bob.example.com",)))
    again = {"id": "operation-000004", "operation": {"kind": "retire", "tenant": "alice"}, "follow": False}
    assert run(host, again) == "unchanged"
    purge = {
        "id": "operation-000005",
        "operation": {"kind": "retire", "tenant": "alice", "purge": True},
        "follow": False,
    }
    assert run(host, purge) == "done"
    assert not host.names(paths.tenant("alice"))


def test_the_watch_is_waited_for_and_an_operator_is_not(host: MemoryHost) -> None:
    assert deploy(host, "operation-000001", FIRST) == "done"
    host.locks["tenant-alice"] = {"who": "watch", "kind": "restart"}
    stop = {"id": "operation-000002", "operation": {"kind": "stop", "tenant": "alice"}, "follow": False}
    assert run(host, stop) == "done"
    host.locks["tenant-alice"] = {"who": "bob", "kind": "deploy", "operation": "op-1"}
    start = {"id": "operation-000003", "operation": {"kind": "start", "tenant": "alice"}, "follow": False}
    with pytest.raises(Refused, match=r"alice: locked by bob \(deploy\)"):
        run(host, start)


def test_of_two_operations_with_one_id_at_the_same_instant_one_is_refused(host: MemoryHost) -> None:
    """Each holds its own tenant's lock; the journal of the first must stay the first's."""
    deploy(host, "operation-000001", FIRST)
    deploy(host, "operation-000002", release("bob", slot=8, domains=("bob.example.com",)))
    lock, entered = host.lock, iter([True])

    def meanwhile(name: str, owner: Mapping[str, Any], *, seconds: float = 0) -> AbstractContextManager[None]:
        if name == IDS and next(entered, False):
            other = {"kind": "snapshot", "tenant": "bob"}
            list(submit(host, {"id": "operation-000003", "operation": other, "follow": False}, CALLER))
        return lock(name, owner, seconds=seconds)

    host.lock = meanwhile  # type: ignore[method-assign]
    stop = {"id": "operation-000003", "operation": {"kind": "stop", "tenant": "alice"}, "follow": False}
    with pytest.raises(Refused, match="exists already") as refused:
        list(submit(host, stop, CALLER))
    assert refused.value.code == "operation-id-taken"
    asked = Journal(host, "operation-000003").asked()
    assert asked is not None and asked["operation"]["kind"] == "snapshot"


def test_a_snapshot_with_a_generation_s_id_is_refused(host: MemoryHost) -> None:
    """Its undo would remove the generation that is there."""
    deploy(host, "operation-000001", FIRST)
    snapshot = {"id": "operation-000002-new", "operation": {"kind": "snapshot", "tenant": "alice"}, "follow": False}
    assert run(host, snapshot) == "done"
    host.remove(paths.operation("operation-000002-new"))  # as of a soak, or of what was received
    with pytest.raises(Refused, match="there is a generation") as refused:
        run(host, snapshot)
    assert refused.value.code == "generation-id-taken"
