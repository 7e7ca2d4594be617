"""Boot: a host that comes back with nobody near."""

from __future__ import annotations

import json

import pytest

from launchpad.runner import booting, cell, engine, paths
from launchpad.runner.boot import AT_ONCE, DONE, STAGGER_SECONDS, TRY_AGAIN, boot, start
from launchpad.runner.host import Busy
from launchpad.runner.protocol import release_from_json
from launchpad.runner.verbs.submit import submit
from launchpad.runner.watch import Watcher
from tests.memory.releases import deploy_body, release
from tests.runner.verbs.view import CALLER, MemoryView, deployed, record_of


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


def test_tenants_that_are_never_ready_delay_the_others_only_a_little() -> None:
    host = rebooted("alice", "bob", "carol", "dora", "erin")
    begun = host.now()
    slow = {box.image for box in host.boxes.values() if box.tenant in ("alice", "bob", "carol")}
    assert len(slow) == 2, "the tenants of the tests share their images"
    host.behaviours |= dict.fromkeys(slow, "never")
    assert boot(host) == DONE
    assert {box.state for box in host.boxes.values()} == {"running"}
    started = sorted(float(box.started_at) for box in host.boxes.values() if box.service == "web")
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
