"""observe: what it says of a host where all is well, and of every way to change one by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from launchpad.runner import booting, paths, slots
from launchpad.runner.account import RUN_PROVISION, Account, Finding
from launchpad.runner.backups import keeping
from launchpad.runner.hint import hint_as_json
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.observe import observe
from tests.memory.releases import release
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed, record_of, reopened


def observed(host: MemoryView, **body: Any) -> dict[str, Any]:
    return answer(observe(host, body, CALLER))


def alice(host: MemoryView, **body: Any) -> dict[str, Any]:
    return dict(observed(host, **body)["tenants"]["alice"])


def test_a_tenant_that_is_as_it_should_be_has_no_drift() -> None:
    host = deployed()
    host.wait(5)
    found = alice(host)
    assert found["drift"] == []
    assert found["traffic"] == "open"
    assert (found["breaker"], found["operation"]) == (None, None)
    assert found["record"] == record_of(host)
    assert {item["service"]: item["state"] for item in found["containers"]} == {"web": "running", "store": "running"}
    assert [(item["kind"], item["ok"]) for item in found["probes"]] == [("process", True), ("ready", True)]


def test_the_host_says_who_it_is() -> None:
    host = deployed()
    found = observed(host)["host"]
    assert found["name"] == "web-1"
    assert found["boot_id"] == "boot-1"
    assert found["docker"] == "26.1.5"
    assert found["caddy"] == {"state": "running", "reloads": 1}
    assert found["disk"] == {"total": 1000, "free": 400}
    assert found["problems"] == []


def test_a_disk_that_is_short_is_a_problem_with_what_to_type() -> None:
    host = deployed()
    host.free = 100 << 20
    assert observed(host)["host"]["problems"] == ["only 100 MiB are free for images: launchpad prune"]
    host.disk_full = True
    said = observed(host)["host"]["problems"]
    assert said == [
        "only 0 of 0 MiB are free for tenants' data: launchpad prune",
        "only 0 MiB are free for images: launchpad prune",
    ]


def test_what_the_watch_found_is_the_hosts_or_its_tenants() -> None:
    host = deployed()
    mine = Finding("apps", "web is ill", tenant="alice")
    open_to_all = Finding("firewall", "the firewall is gone", RUN_PROVISION)
    Account(host, ("apps",)).see("apps", [mine, open_to_all], {"tables": 2})
    found, now = observed(host), json.loads(host.read(paths.ACCOUNT) or b"")["at"]
    assert found["host"]["findings"] == [open_to_all.but(since=now).as_json()]
    assert found["host"]["facts"] == {"apps": {"tables": 2}}
    assert found["tenants"]["alice"]["findings"] == [mine.but(since=now).plain()]
    own, hers = found["host"]["health"], found["tenants"]["alice"]["health"]
    assert [(item["layer"], item["message"], item["at"]) for item in own] == [("firewall", open_to_all.message, now)]
    assert [(item["layer"], item["grade"], item["message"]) for item in hers] == [("process", "critical", "web is ill")]
    host.wait(100)
    assert [item["message"] for item in observed(host)["host"]["findings"]] == ["the firewall is gone", "not watched"]


def test_a_tenant_that_was_just_stopped_is_not_called_ill_by_its_image() -> None:
    host = deployed()
    ill = Finding("illness", "web is unhealthy according to its image's health check", tenant="alice")
    Account(host, ("apps",)).see("apps", [ill], {})
    assert observed(host)["tenants"]["alice"]["findings"] and observed(host)["tenants"]["alice"]["health"]
    path = paths.record("alice")
    host.write(path, json.dumps(json.loads(host.read(path) or b"") | {"running": False}).encode(), mode=0o600)
    found = observed(host)["tenants"]["alice"]
    assert (found["findings"], found["health"]) == ([], [])


def test_just_after_a_boot_the_host_and_its_tenants_are_starting_and_nobody_changed_anything() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    booting.begin_with(host)
    host.reboot()
    host.filter.whole, host.docker_down, host.caddy_down = False, True, True
    found = observed(host)
    assert [item["message"] for item in found["host"]["findings"]] == [
        "the host has booted and is starting its tenants"
    ]
    assert found["host"]["problems"] == []
    assert [(item["starting"], item["drift"]) for item in found["tenants"].values()] == [(True, [])] * 2
    host.filter.whole, host.docker_down, host.caddy_down = True, False, False
    booting.see_to(host, ["alice"])
    found = observed(host)["tenants"]
    assert not found["alice"]["starting"] and found["alice"]["drift"], "the boot is through with alice"
    assert found["bob"]["starting"] and not found["bob"]["drift"]
    booting.finish(host)
    assert observed(host)["tenants"]["bob"]["drift"] and observed(host)["host"]["findings"] == []


def test_a_boot_that_does_not_end_hides_nothing_for_ever() -> None:
    host = deployed()
    booting.begin_with(host)
    host.reboot()
    late = Finding(booting.BOOT, "the boot has not started every tenant within 10 minutes", RUN_PROVISION)
    Account(host, ("apps",)).see("apps", [late], {})
    host.docker_down = True
    found = observed(host)
    assert "Docker does not answer" in [item["message"] for item in found["host"]["findings"]]
    assert found["tenants"]["alice"]["drift"] == ["Docker does not answer"]


SHORT = release(domains=("alice.example.com",))[0].short
FOLDER = paths.release("alice", SHORT)
WEB, STORE = "lp-alice-a-web-1", "lp-alice-a-store-1"


def change_box(name: str, **change: Any) -> Callable[[MemoryView], object]:
    return lambda host: host.boxes.update({name: host.boxes[name].but(**change)})


def stray(host: MemoryView) -> None:
    host.boxes["lp-alice-b-web-1"] = host.boxes[WEB].but(name="lp-alice-b-web-1", side="b")


HANDS: dict[str, tuple[Callable[[MemoryView], object], str]] = {
    "a file of the release": (lambda host: host.write(f"{FOLDER}/compose.yaml", b"{}"), "compose.yaml of release"),
    "a file is gone": (lambda host: host.remove(f"{FOLDER}/compose.yaml"), "compose.yaml of release"),
    "the manifest": (lambda host: host.write(f"{FOLDER}/release.json", b"{}"), "its manifest was changed"),
    "the release is gone": (lambda host: host.remove(FOLDER), "is missing"),
    "the link": (lambda host: host.link(paths.current("alice"), "releases/other"), "current points to releases/other"),
    "the site": (lambda host: host.write(paths.site("alice"), b"other"), "its site file was changed"),
    "the site is gone": (lambda host: host.remove(paths.site("alice")), "its site file is missing"),
    "caddy was given another": (lambda host: host.sites.clear(), "Caddy does not serve alice.example.com"),
    "the container is gone": (lambda host: host.boxes.pop(WEB), "container of web is missing"),
    "stopped": (lambda host: host.dies(WEB, exit_code=0), "web is exited (status 0)"),
    "killed": (lambda host: host.dies(WEB, exit_code=137), "web is exited (status 137)"),
    "out of memory": (lambda host: host.dies(WEB, exit_code=137, oom_killed=True), "web is exited (out of memory)"),
    "paused": (change_box(WEB, state="paused"), "web is paused"),
    "replaced": (change_box(WEB, release=""), "web runs release unknown"),
    "a log without limits": (
        change_box(STORE, log="json-file unlimited unlimited"),
        "the log of store is kept as json-file unlimited unlimited, not as local 10m 3",
    ),
    "another image": (change_box(STORE, image="evil"), "store runs the wrong image: evil"),
    "another address": (change_box(WEB, address="10.200.0.9"), "web has the wrong address: 10.200.0.9"),
    "one too many": (stray, "container lp-alice-b-web-1 exists"),
    "the network": (lambda host: host.networks.clear(), "network lp-alice is missing"),
    "the data": (lambda host: host.volumes.clear(), "its data is missing"),
    "a volume": (lambda host: host.volumes[paths.data("alice")]["volumes"].clear(), "volume state is missing"),
    "a secret at rest": (lambda host: host.remove(paths.vault("alice")), "BEACON_TOKEN version 1 is missing on disk"),
    "a secret in use": (lambda host: host.remove(paths.secrets("alice", SHORT)), "BEACON_TOKEN is missing in /run"),
    "the gate was closed": (lambda host: host.opened.clear(), "its traffic is blocked at the gate"),
    "the gate was changed": (lambda host: setattr(host.filter, "whole", False), "the traffic gate was changed"),
}


@pytest.mark.parametrize(("hand", "says"), HANDS.values(), ids=HANDS.keys())
def test_what_somebody_changed_by_hand_is_told(hand: Callable[[MemoryView], object], says: str) -> None:
    host = deployed()
    host.wait(5)
    hand(host)
    drift = alice(host)["drift"]
    assert any(says in line for line in drift), drift


def test_a_stopped_tenant_is_no_drift_until_somebody_starts_it() -> None:
    host = deployed()
    operate(host, "stop")
    assert alice(host)["drift"] == []
    assert alice(host)["probes"] == []
    assert alice(host)["traffic"] == "closed"
    host.start_container(WEB)
    host.open_traffic([slots.address(7, 0, "a")])
    assert alice(host)["drift"] == [
        "web runs, though the tenant is stopped",
        "its traffic is open, though the tenant is stopped",
    ]


def test_a_retired_tenant_is_no_drift_until_a_container_of_it_is_there() -> None:
    host = deployed()
    box = host.boxes[WEB]
    operate(host, "retire")
    assert alice(host)["drift"] == []
    host.boxes[WEB] = box
    assert alice(host)["drift"] == [f"container {WEB} exists, though the tenant is retired"]


def operate(host: MemoryView, kind: str) -> None:
    from launchpad.runner import engine
    from launchpad.runner.verbs.submit import submit

    body = {"id": f"operation-{kind}", "operation": {"kind": kind, "tenant": "alice"}, "follow": False}
    list(submit(host, body, CALLER))
    engine.carry_out(host, host.begun[-1])


def test_while_an_operation_holds_the_tenant_differences_are_its_own() -> None:
    host = deployed()
    host.boxes.clear()
    owner = {"operation": "operation-2", "kind": "deploy", "who": "bob", "since": 1.0}
    with host.lock("tenant-alice", owner):
        found = alice(host)
    assert found["drift"] == []
    assert found["operation"] == {"id": "operation-2", "kind": "deploy", "who": "bob", "state": "running"}


def test_an_operation_that_a_dead_runner_left_is_told() -> None:
    host = deployed()
    reopened(host)
    found = observed(host)
    assert [item["id"] for item in found["operations"]] == ["operation-of-alice"]
    assert found["tenants"]["alice"]["operation"]["state"] == "waiting"


def test_a_breaker_is_told_with_its_reason() -> None:
    host = deployed()
    host.write(f"{paths.tenant('alice')}/breaker.json", b'{"reason": "web died 5 times"}')
    host.dies(WEB, exit_code=137)
    found = alice(host)
    assert (found["breaker"], found["drift"]) == ({"reason": "web died 5 times"}, []), "nobody changed it by hand"


def test_with_docker_down_the_rest_is_told_all_the_same() -> None:
    host = deployed()
    host.docker_down = True
    found = observed(host)
    assert found["host"]["docker"] == ""
    assert [(item["message"], item["hint"]) for item in found["host"]["findings"]] == [
        ("Docker does not answer", hint_as_json(RUN_PROVISION))
    ], "status again would not help"
    assert found["tenants"]["alice"]["drift"] == ["Docker does not answer"]
    assert found["tenants"]["alice"]["record"]["release"] == SHORT


def test_with_caddy_down_the_rest_is_told_all_the_same() -> None:
    host = deployed()
    host.caddy_down = True
    found = observed(host)
    assert found["host"]["caddy"]["state"] == "down"
    assert found["tenants"]["alice"]["drift"] == []


def test_a_damaged_record_hides_nobody_else() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.write(paths.record("alice"), b"{torn")
    found = observed(host)
    assert list(found["tenants"]) == ["bob"]
    assert any(paths.record("alice") in problem for problem in found["host"]["problems"])


def test_only_the_tenants_that_were_asked_for_are_told() -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    assert set(observed(host)["tenants"]) == {"alice", "bob"}
    assert set(observed(host, tenants=["bob", "nobody", 7])["tenants"]) == {"bob"}


def test_without_probes_no_app_is_asked() -> None:
    host = deployed()
    assert alice(host, probes=False)["probes"] == []


def test_a_probe_that_fails_says_what_it_got() -> None:
    host = deployed()
    host.behaviours[host.boxes[WEB].image] = "never"
    ready = alice(host)["probes"][1]
    assert (ready["ok"], ready["status"], ready["detail"]) == (False, 503, "answered 503 on /startupz")


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(Refused):
        observed(deployed(), everything=True)


def test_observing_changes_nothing() -> None:
    host = deployed()
    calls = len(host.calls)
    observed(host)
    assert host.calls[calls:] == []


def test_an_operation_that_ends_while_the_host_is_read_leaves_no_drift_behind() -> None:
    class Ending(MemoryView):
        """The operation ends, and a container of it is gone, as soon as the containers were read."""

        def containers(self, tenant: str = "") -> Any:
            found = super().containers(tenant)
            if tenant:
                return found  # the operation itself looks
            self.locks.clear()
            return [item for item in found if item.name != WEB]

    host = Ending()
    deployed(host=host)
    host.locks["tenant-alice"] = {"operation": "operation-2"}
    assert alice(host)["drift"] == []
    assert alice(host)["drift"] == ["container of web is missing"]


def test_generations_are_counted_and_a_damaged_record_hides_nobody() -> None:
    host = deployed()
    assert alice(host)["generations"] == {"count": 0, "newest": None}
    for name, text in (("one", b'{"at": 3.0}'), ("two", b'{"at": 7.0}'), ("torn", b"{")):
        host.write(paths.generation_record("alice", name), text)
    assert alice(host)["generations"] == {"count": 2, "newest": 7.0}


@pytest.mark.parametrize("damaged", [b"{}", b"[]", b"{torn", b"\xff", b'{"tenant": "bob", "slot": "seven"}'])
def test_a_damaged_record_or_file_beside_it_hides_no_other_tenant(damaged: bytes) -> None:
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.write(paths.record("bob"), damaged)
    found = observed(host)
    assert set(found["tenants"]) == {"alice"}
    assert any("bob" in problem and "cannot be read" in problem for problem in found["host"]["problems"])
    host = deployed(tenant="bob", slot=8, host=deployed())
    host.write(f"{paths.backup('bob')}/targets/disk.json", b'{"sent": 7}')
    found = observed(host)
    assert set(found["tenants"]) == {"alice"} and "bob" in found["host"]["problems"][0]


def test_the_newest_backup_at_any_target_is_told() -> None:
    host = deployed()
    assert alice(host)["backup"] == {"at": None, "proven": None, "wrapped_for": None}
    for target, at in (("disk", 1000.0), ("offsite", 2000.0)):
        keeping.record(host, "alice", target, sent={"at": at, "operation": "backup-000001"})
    keeping.record(host, "alice", "sftp", failed={"at": 3000.0, "message": "connection refused"})
    host.write(keeping.proof("alice"), b'{"proven": 4000.0}')
    keeping.keep_wrap(host, "alice", wrapped=f"{keeping.ARMOR}\n", recipients="")
    assert alice(host)["backup"] == {"at": 2000.0, "proven": 4000.0, "wrapped_for": ""}
    keeping.keep_wrap(host, "alice", wrapped=f"{keeping.ARMOR}\n", recipients="0123456789abcdef")
    assert alice(host)["backup"]["wrapped_for"] == "0123456789abcdef"


def test_a_backup_that_goes_on_changes_nothing_of_its_tenant() -> None:
    host = deployed()
    asked = {"id": "backup-000001", "operation": {"kind": "backup", "tenant": "alice"}, "who": "ann", "at": 1.0}
    host.write(f"{paths.OPEN}/backup-000001", b"")
    host.write(f"{paths.operation('backup-000001')}/operation.json", json.dumps(asked).encode())
    assert alice(host)["operation"] is None
    assert [item["kind"] for item in observed(host)["operations"]] == ["backup"]
