"""Boot: a host that comes back with nobody near."""

from __future__ import annotations

import json

import pytest

from launchpad.runner import booting, cell, engine, paths
from launchpad.runner.boot import AT_ONCE, DONE, STAGGER_SECONDS, TRY_AGAIN, boot, let_in, start
from launchpad.runner.host import Busy
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.protocol import Refused, release_from_json
from launchpad.runner.verbs.history import history
from launchpad.runner.verbs.observe import observe
from launchpad.runner.verbs.submit import submit
from launchpad.runner.watch import Watcher
from launchpad.runner.watching.host_check import unsettled
from tests.memory.host import moment
from tests.memory.releases import deploy_body, release
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed, record_of


def rebooted(*tenants: str) -> MemoryView:
    """A host with these tenants, after the power came back and before anything was started."""
    host = MemoryView()
    for number, tenant in enumerate(tenants or ("alice",)):
        deployed(tenant=tenant, slot=7 + number, host=host)
    booting.begin_with(host)
    host.wait(5)
    host.reboot()
    return host


def site(tenant: str) -> str:
    return f"{tenant}.example.com"


def test_what_was_to_run_runs_again_with_its_secrets_and_answers() -> None:
    host = rebooted()
    record = record_of(host)
    assert host.request(site("alice")) == "held"
    assert boot(host) == DONE
    assert host.request(site("alice")) == record["release"]
    secret = f"{paths.secrets('alice', record['started'])}/BEACON_TOKEN"
    assert host.read(secret) == b"secret-of-alice"
    assert host.files[secret].mode == 0o400


def test_what_was_stopped_stays_stopped() -> None:
    host = deployed()
    stop = {"kind": "stop", "tenant": "alice"}
    list(submit(host, {"id": "operation-stop", "operation": stop, "follow": False}, CALLER))
    engine.carry_out(host, "operation-stop")
    host.reboot()
    assert boot(host) == DONE
    assert {box.state for box in host.boxes.values()} == {"exited"}
    assert host.request(site("alice")) == "held"


def test_a_tenant_that_cannot_be_started_holds_up_nobody_and_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    host = rebooted("alice", "bob", "carol")
    host.remove(paths.vault("alice"))
    host.write(paths.record("bob"), b"{torn")
    assert boot(host) == DONE, "a unit that failed never comes back, and the watch tries on"
    assert host.request(site("carol")) != "held"
    said = capsys.readouterr().err
    assert "alice" in said and "bob" in said and "secret-of" not in said


@pytest.mark.parametrize("damaged", [b"{}", b"[]", b"{torn", b"\xff"])
def test_a_damaged_manifest_holds_up_neither_the_boot_nor_the_watch(
    damaged: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    host = rebooted("alice", "bob")
    short = record_of(host)["started"]
    host.write(f"{paths.release('alice', short)}/release.json", damaged)
    assert boot(host) == DONE
    assert f"alice: release {short} was changed on the host" in capsys.readouterr().err
    assert host.request(site("bob")) == record_of(host, "bob")["release"]
    for name in [name for name, box in host.boxes.items() if box.tenant == "alice"]:
        del host.boxes[name]
    watcher = Watcher(host)
    watcher.look()
    (found,) = watcher.findings()
    assert found.message == f"cannot be started: alice: release {short} was changed on the host"


@pytest.mark.parametrize("name", ["operation.json", "plan.json"])
@pytest.mark.parametrize("damaged", [b"", b"{torn", b"[]", b"{}", b'[{"step": "of-tomorrow"}]', b"\xff"])
def test_a_damaged_operation_holds_up_its_own_tenant_alone_and_is_told(
    name: str, damaged: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    host = rebooted("alice", "bob")
    stop = {"kind": "stop", "tenant": "alice"}
    boot(host)
    list(submit(host, {"id": "operation-1", "operation": stop, "follow": False}, CALLER))
    Journal(host, "operation-1").add("operation-started", **stop, operation="operation-1", who="ann", **{"from": ""})
    host.write(f"{paths.operation('operation-1')}/{name}", damaged)
    host.reboot()
    assert boot(host) == DONE
    assert host.request(site("bob")) == record_of(host, "bob")["release"]
    assert host.request(site("alice")) == "held", "nobody knows how far its data was changed"
    assert f"operations/operation-1/{name} cannot be read" in capsys.readouterr().err
    (found,) = unsettled(host)
    assert (found.tenant, found.hint) == ("alice", "launchpad deploy alice")
    assert found.message.startswith("stop operation-1 can be neither finished nor undone: /var/lib")
    watcher = Watcher(host)
    watcher.look()
    assert host.boxes["lp-alice-a-web-1"].state == "exited"
    (entry,) = answer(history(host, {"id": "operation-1"}, CALLER))["operations"]
    assert (entry["tenant"], entry["outcome"]) == ("alice", None) and name in entry["message"]
    assert set(answer(observe(host, {}, CALLER))["tenants"]) == {"alice", "bob"}
    for kind, ends in (("start", False), ("deploy", True)):
        made = release("alice", slot=7, domains=(site("alice"),))
        body = deploy_body("operation-2", made) if ends else {"id": "operation-2", "operation": stop | {"kind": kind}}
        if ends:
            list(submit(host, body, CALLER))
            engine.carry_out(host, "operation-2")
            continue
        with pytest.raises(Refused, match="an earlier operation has not ended: stop operation-1") as refused:
            list(submit(host, body, CALLER))
        assert refused.value.hint == "launchpad deploy alice"
    host.wait(5)
    assert host.request(site("alice")) == record_of(host)["release"]
    assert not list(unsettled(host)) and not list(open_journals(host))
    told = Journal(host, "operation-1").outcome() or {}
    assert told["outcome"] == "undone" and told["message"].endswith("a later deploy took over")


def test_an_operation_that_ends_the_settling_with_a_bug_holds_up_nobody() -> None:
    host = rebooted("alice", "bob")
    for tenant in ("alice", "bob"):
        stop = {"kind": "stop", "tenant": tenant}
        list(submit(host, {"id": f"operation-{tenant}", "operation": stop, "follow": False}, CALLER))
    Journal(host, "operation-alice").add("operation-started")
    Journal(host, "operation-alice").add("step-started")  # without the index that every one of them has
    assert engine.settle_all(host) == ["operation-alice"]
    assert (Journal(host, "operation-bob").outcome() or {})["outcome"] == "done"


def test_the_gate_stays_as_the_plan_of_an_operation_saw_it_until_that_is_over() -> None:
    """Between the acceptance of an operation and its start nobody holds the tenant's lock."""
    host = rebooted()
    begun = start(host, "alice", who="watch")
    assert begun is not None
    host.wait(60)
    list(submit(host, {"id": "operation-1", "operation": {"kind": "stop", "tenant": "alice"}, "follow": False}, CALLER))
    watcher = Watcher(host)
    watcher._starting = [begun]
    watcher.look()
    assert not host.opened and watcher._starting == [begun]
    with pytest.raises(Busy):
        let_in(host, begun, who="boot")
    engine.carry_out(host, "operation-1")
    watcher.look()
    assert not host.opened and watcher._starting == []


def test_a_tenant_is_let_in_after_an_operation_that_leaves_its_gate_alone() -> None:
    host = rebooted()
    begun = start(host, "alice", who="watch")
    host.wait(60)
    snapshot = {"kind": "snapshot", "tenant": "alice"}
    list(submit(host, {"id": "operation-1", "operation": snapshot, "follow": False}, CALLER))
    assert begun is not None
    watcher = Watcher(host)
    watcher._starting = [begun]
    watcher.look()
    engine.carry_out(host, "operation-1")
    watcher.look()
    assert host.request(site("alice")) == record_of(host)["release"]


def test_tenants_that_are_never_ready_delay_the_others_only_a_little() -> None:
    host = rebooted("alice", "bob", "carol", "dora", "erin")
    begun = host.now()
    slow = {box.image for box in host.boxes.values() if box.tenant in ("alice", "bob", "carol")}
    assert len(slow) == 2, "the tenants of the tests share their images"
    host.behaviours |= dict.fromkeys(slow, "never")
    assert boot(host) == DONE
    assert {box.state for box in host.boxes.values()} == {"running"}
    started = sorted(moment(box.started_at) for box in host.boxes.values() if box.service == "web")
    assert started[AT_ONCE - 1] - begun < 2, "the first ones did not start together"
    assert started[AT_ONCE] - begun < STAGGER_SECONDS + 2, "the next one waited for those that are never ready"


def test_a_tenant_that_is_not_ready_in_time_gets_its_traffic_all_the_same() -> None:
    host = rebooted()
    host.behaviours |= {box.image: "never" for box in host.boxes.values()}
    data = host.read(f"{paths.release('alice', record_of(host)['release'])}/release.json") or b""
    seconds = release_from_json(json.loads(data)).start_seconds
    begun = host.now()
    assert boot(host) == DONE
    assert seconds <= host.now() - begun < seconds + 5
    assert host.opened, "a gate that stays closed with nobody near helps no visitor"


def test_a_tenant_that_dies_at_once_is_left_to_the_watcher() -> None:
    host = rebooted()
    host.behaviours |= {box.image: "crash" for box in host.boxes.values()}
    begun = host.now()
    assert boot(host) == DONE
    assert host.now() - begun < 5
    assert host.opened


def test_with_docker_down_it_is_tried_again() -> None:
    host = rebooted()
    host.docker_down = True
    assert boot(host) == TRY_AGAIN
    host.docker_down = False
    assert boot(host) == DONE
    assert host.request(site("alice")) == record_of(host)["release"]


def test_a_second_run_of_the_unit_starts_nothing_that_was_given_up_since() -> None:
    host = rebooted("alice", "bob")
    host.remove(paths.vault("bob"))
    assert boot(host) == DONE
    breaker = f"{paths.tenant('alice')}/breaker.json"
    host.write(breaker, b"{}")
    host.dies("lp-alice-a-web-1")
    assert boot(host) == DONE
    assert host.read(breaker) == b"{}"
    assert host.boxes["lp-alice-a-web-1"].state == "exited"


def test_after_the_next_boot_everything_is_started_again() -> None:
    host = rebooted()
    boot(host)
    host.reboot()
    assert boot(host) == DONE
    assert host.request(site("alice")) == record_of(host)["release"]


def test_a_tenant_that_an_operation_holds_is_left_to_it_and_started_when_that_is_over() -> None:
    host = rebooted("alice", "bob")
    with host.lock("tenant-alice", {"operation": "operation-2"}):
        assert boot(host) == TRY_AGAIN
        assert booting.is_going_on(host)
    assert host.boxes["lp-alice-a-web-1"].state == "exited"
    assert host.boxes["lp-bob-a-web-1"].state == "running"
    assert boot(host) == DONE
    assert host.request(site("alice")) == record_of(host)["release"]
    assert not booting.is_going_on(host)


def test_a_tenant_is_started_that_an_operation_found_down_in_the_boot_and_left_so() -> None:
    host = rebooted("alice", "bob")
    made = release(app="beacon:2")
    host.registry |= {service.image for service in made[0].services}
    host.behaviours |= {service.image: "never" for service in made[0].services}
    list(submit(host, deploy_body("operation-fails", made), CALLER))
    with host.lock("tenant-alice", {"operation": "operation-fails"}):
        assert boot(host) == TRY_AGAIN
    engine.carry_out(host, "operation-fails")
    assert host.boxes["lp-alice-a-web-1"].state != "running", "the control: what was down is down again"
    assert boot(host) == DONE
    assert host.request(site("alice")) == record_of(host)["release"]


def test_a_tenant_is_not_started_between_the_plan_of_an_operation_and_its_start() -> None:
    """Neither by a boot nor by the watch, which both start a tenant so: the plan saw the tenant down."""
    host = rebooted()
    list(submit(host, {"id": "operation-1", "operation": {"kind": "stop", "tenant": "alice"}, "follow": False}, CALLER))
    with pytest.raises(Busy) as busy:
        start(host, "alice", who="watch")
    assert busy.value.owner == {"operation": "operation-1"} and not host.locks
    assert {box.state for box in host.boxes.values()} == {"exited"}
    engine.carry_out(host, "operation-1")
    assert boot(host) == DONE
    assert {box.state for box in host.boxes.values()} == {"exited"}


def test_a_host_that_was_just_provisioned_does_not_boot_and_one_that_comes_back_does() -> None:
    host = MemoryView()
    assert not booting.is_going_on(host)
    booting.begin_with(host)
    assert not booting.is_going_on(host)
    host.reboot()
    assert booting.is_going_on(host)
    booting.begin_with(host)
    assert booting.is_going_on(host)
    host.docker_down = True
    assert boot(host) == TRY_AGAIN and booting.is_going_on(host)
    host.docker_down = False
    assert boot(host) == DONE and not booting.is_going_on(host)


def test_the_project_of_a_tenant_is_named_as_the_engine_names_it() -> None:
    assert cell.project("alice", "a") == "lp-alice-a"


def test_nobody_waits_for_the_operation_that_another_ones_release_is_watched_by() -> None:
    host = rebooted("alice", "bob")
    made = release(app="beacon:2")
    host.registry |= {service.image for service in made[0].services}
    body = deploy_body("operation-soak", made, kind="upgrade", soak=600, rehearse=False)
    boot(host)
    host.wait(5)
    list(submit(host, body, CALLER))
    host.reboot()
    served: list[float] = []
    wait = host.wait

    def waiting(seconds: float) -> None:
        wait(seconds)
        if host.request(site("bob")) != "held":
            served.append(host.now())

    host.wait = waiting  # type: ignore[method-assign]
    begun = host.now()
    assert boot(host) == DONE
    assert served[0] - begun < 60 < 600 <= host.now() - begun
