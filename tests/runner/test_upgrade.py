"""Upgrades: what is refused before anything is touched, what counts, and what is said when it was taken back."""

from __future__ import annotations

from typing import Any

import pytest

from launchpad.runner import booting, engine, generation_records, paths, slots
from launchpad.runner.boot import DONE, TRY_AGAIN, boot
from launchpad.runner.generation_records import LEAST_ROOM, MEGABYTE
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.upgrade_plan import ROOM_FOR_IMAGES, UNPACKED
from launchpad.runner.verbs.submit import submit
from tests.memory.host import Killed, MemoryHost
from tests.memory.living import CALLER, STATE, a_host, log, reasons, run, serving, simple, upgrade, version
from tests.memory.releases import deploy_body


def test_an_upgrade_moves_data_forward_and_keeps_what_was() -> None:
    host = a_host(1, 2)
    before = log(host)
    assert run(host, upgrade("operation-000001", version(2)))["outcome"] == "done"
    assert serving(host) == version(2)[0].short
    assert host.state(STATE)["schema"] == 2
    kept = f"{paths.generation('alice', 'operation-000001')}/state"
    assert log(host, kept)[: len(before)] == before
    assert host.state(kept)["schema"] == 1
    (record,) = generation_records.kept(host, "alice")
    assert (record.why, record.version, record.release) == ("upgrade", "1", version(1)[0].short)


def test_a_deploy_of_another_version_is_guarded_too() -> None:
    host = a_host(1, 2, v2="crash")
    assert run(host, deploy_body("operation-000001", version(2)))["outcome"] == "undone"
    assert host.state(STATE)["schema"] == 1
    assert serving(host) == version(1)[0].short
    assert reasons(host) == [], "an exact undo leaves nothing behind"


def test_a_deploy_of_the_same_version_takes_no_generation() -> None:
    host = a_host(1)
    assert run(host, deploy_body("operation-000001", version(1, domains=("alice.example.com", "www.example.com"))))
    assert reasons(host) == []


def test_nothing_is_written_by_a_channel_before_the_commit() -> None:
    """The new release is ready, and dies before it has held: no message may have reached it."""
    host = a_host(1, 2, v2="flash")
    told = len(host.told)
    assert run(host, upgrade("operation-000001", version(2)))["outcome"] == "undone"
    written = log(host)
    assert set(host.told[told:]) <= set(written), "a message that was said yes to is gone"
    assert not host.muted


def test_what_came_in_during_a_failed_soak_is_kept_and_said() -> None:
    host = a_host(1, 2, v2="dying")
    outcome = run(host, upgrade("operation-000001", version(2), soak=20))
    assert outcome["outcome"] == "undone"
    assert reasons(host) == [("operation-000001-new", "soak")]
    kept = f"{paths.generation('alice', 'operation-000001-new')}/state"
    assert set(log(host, kept)) - set(log(host)), "nothing came in: the test proves nothing"
    assert set(host.told) <= {*log(host), *log(host, kept)}
    assert host.state(STATE)["schema"] == 1
    assert serving(host) == version(1)[0].short
    assert "exited with status 1" in outcome["message"]
    assert "`launchpad restore alice --generation operation-000001-new`" in outcome["message"]
    assert outcome["lines"], "the log lines that say why are missing"


def test_a_probe_that_flaps_in_the_soak_takes_nothing_back() -> None:
    host = a_host(1, 2)
    failing = Flapping(host, seconds=8)
    assert run(host, upgrade("operation-000001", version(2), soak=30))["outcome"] == "done"
    assert failing.refused > 3


def test_a_probe_that_stays_away_in_the_soak_takes_the_upgrade_back() -> None:
    host = a_host(1, 2)
    Flapping(host, seconds=15)
    assert run(host, upgrade("operation-000001", version(2), soak=30))["outcome"] == "undone"
    assert serving(host) == version(1)[0].short


def test_docker_may_be_away_for_a_moment_in_the_soak() -> None:
    host = a_host(1, 2)
    wait = host.wait

    def waiting(seconds: float) -> None:
        wait(seconds)
        if host.opened & {slots.address(7, 0, "b")} and host.muted_addresses() == frozenset():
            away.append(seconds)
            host.docker_down = 3 < len(away) < 8

    away: list[float] = []
    host.wait = waiting  # type: ignore[method-assign]
    assert run(host, upgrade("operation-000001", version(2), soak=20))["outcome"] == "done"


class Flapping:
    """The new side's web says 503 for some seconds once it has been let in for a while."""

    def __init__(self, host: MemoryHost, *, seconds: float) -> None:
        self.refused, self.since = 0, 0.0
        get = host.get

        def asked(address: Any, port: int, path: str, *, seconds: float) -> int:
            if address in host.opened and address == slots.address(7, 0, "b"):
                self.since = self.since or host.now()
                if 4 < host.now() - self.since < 4 + self.seconds:
                    self.refused += 1
                    return 503
            return get(address, port, path, seconds=seconds)

        self.seconds = seconds
        host.get = asked  # type: ignore[method-assign]


def test_a_probe_that_failed_before_does_not_count_against_the_new_version() -> None:
    host = a_host(1, 2)
    for service in (*version(1)[0].services, *version(2)[0].services):
        host.behaviours[service.image] = "never"
    assert run(host, upgrade("operation-000001", version(2)))["outcome"] == "done"
    said = [event["text"] for event in Journal(host, "operation-000001").events() if event["event"] == "step-progress"]
    assert "web:8080/startupz failed before this operation too: its result is ignored" in said


def test_nothing_is_excused_by_a_release_that_does_not_even_run() -> None:
    host = a_host(1, 2, v2="never")
    host.stop_by_hand("alice")
    assert run(host, upgrade("operation-000001", version(2)))["outcome"] == "undone"


@pytest.mark.parametrize(
    ("prepare", "what"),
    [
        (lambda host: run(host, simple("operation-000009", "stop")), "is stopped"),
        (lambda host: run(host, simple("operation-000009", "retire")), "not deployed"),
        (lambda host: setattr(host, "free", 100 << 20), "MiB are free"),
    ],
)
def test_what_cannot_go_well_is_refused_and_nothing_is_touched(prepare: Any, what: str) -> None:
    host = a_host(1, 2)
    prepare(host)
    before = {path: item.data for path, item in host.files.items()}
    with pytest.raises(Refused, match=what) as refused:
        run(host, upgrade("operation-000002", version(2)))
    assert refused.value.kind == "state" and refused.value.hint
    assert {path: item.data for path, item in host.files.items()} == before


@pytest.mark.parametrize("changed", [{"soak": -1}, {"soak": True}, {"soak": 10**6}, {"rehearse": 1}, {"soak": "1"}])
def test_an_upgrade_with_a_wrong_value_is_refused(changed: dict[str, Any]) -> None:
    body = upgrade("operation-000001", version(2))
    with pytest.raises(Refused, match=next(iter(changed))):
        list(submit(a_host(1, 2), body | {"operation": body["operation"] | changed}, CALLER))


def test_the_old_release_is_never_started_on_the_new_ones_data() -> None:
    """The data cannot be brought back for now: the tenant waits for it, and is not tried on what it cannot read."""
    host = a_host(1, 2, v2="crash")
    restore = host.restore

    def failing(*_: Any, **__: Any) -> None:
        raise Failed("cannot restore: Input/output error")

    host.restore = failing  # type: ignore[method-assign]
    with pytest.raises(engine.NotSettled, match="take-generation"):
        run(host, upgrade("operation-000001", version(2)))
    assert host.refusals == []
    assert not [box for box in host.boxes.values() if box.tenant == "alice" and box.state == "running"]
    host.restore = restore  # type: ignore[method-assign]
    engine.carry_out(host, "operation-000001")
    assert serving(host) == version(1)[0].short
    assert host.refusals == []


def test_a_boot_never_starts_the_old_release_on_the_new_ones_data() -> None:
    """The power went in the upgrade, and the data cannot be brought back for now: the boot tries again."""
    host = a_host(1, 2, v2="crash")
    restore = host.restore

    def failing(*_: Any, **__: Any) -> None:
        raise Failed("cannot restore: Input/output error")

    host.restore = failing  # type: ignore[method-assign]
    with pytest.raises(engine.NotSettled):
        run(host, upgrade("operation-000001", version(2)))
    booting.begin_with(host)
    host.reboot()
    for _ in range(2):
        assert boot(host) == TRY_AGAIN
        assert host.refusals == []
        assert not [box for box in host.boxes.values() if box.tenant == "alice" and box.state == "running"]
    host.restore = restore  # type: ignore[method-assign]
    assert boot(host) == DONE
    assert serving(host) == version(1)[0].short
    assert host.refusals == []


def test_what_the_old_release_wrote_after_it_came_back_stays() -> None:
    """The undo got past the data and failed later, in what it does last: its next go must not bring the data again."""
    host = a_host(1, 2, v2="crash")
    open_traffic = host.open_traffic

    def failing(*_: Any) -> None:
        raise Failed("cannot change the traffic gate")

    host.open_traffic = failing  # type: ignore[method-assign]
    with pytest.raises(engine.NotSettled, match="hold-traffic"):
        run(host, upgrade("operation-000001", version(2)))
    host.wait(10)
    told = list(host.told)
    host.open_traffic = open_traffic  # type: ignore[method-assign]
    engine.carry_out(host, "operation-000001")
    assert set(told) <= set(log(host))
    assert serving(host) == version(1)[0].short


def test_a_version_that_came_by_an_upgrade_is_recorded_as_a_deploys() -> None:
    host = a_host(1, 2)
    run(host, upgrade("operation-000001", version(2)))
    record = read_record(host, "alice")
    assert record is not None
    assert (record["version"], record["before"]) == ("2", [version(1)[0].short])
    assert record["rolled_back_from"] == ""


def test_what_was_rehearsed_is_not_rehearsed_again_by_the_process_that_goes_on() -> None:
    host = a_host(1, 2)
    body = upgrade("operation-000001", version(2), soak=20)
    body["operation"]["rehearse"] = True
    list(submit(host, body, CALLER))
    append = host.append

    def dying(path: str, data: bytes) -> None:
        append(path, data)
        if b'"step-started"' in data and b'"soak"' in data:
            raise Killed

    host.append = dying  # type: ignore[method-assign]
    with pytest.raises(Killed):
        engine.carry_out(host, "operation-000001")
    host.died()
    assert host.calls.count("clone") == 1
    engine.carry_out(host, "operation-000001")
    assert host.calls.count("clone") == 1
    assert serving(host) == version(2)[0].short


# --- room and architecture, before anything is touched


def refusal(host: MemoryHost, kind: str = "deploy") -> str:
    """Why the host says no to version 2; AssertionError when it does not, or has changed anything."""
    body = deploy_body("operation-000001", version(2))
    if kind == "upgrade":
        body = upgrade("operation-000001", version(2))
    host.calls.clear()
    with pytest.raises(Refused) as refused:
        run(host, body)
    assert host.calls == [], "something was touched"
    return f"{refused.value.message}; {refused.value.hint}"


@pytest.mark.parametrize("kind", ["deploy", "upgrade"])
def test_an_image_for_other_machines_is_refused_before_it_is_pulled(kind: str) -> None:
    host = a_host(1, 2)
    host.foreign |= {version(2)[0].services[0].image}
    assert "image beacon:2-web is built for arm64" in refusal(host, kind)


@pytest.mark.parametrize("kind", ["deploy", "upgrade"])
def test_an_image_that_would_fill_the_disk_is_refused(kind: str) -> None:
    host = a_host(1, 2)
    host.image_size = 300 * MEGABYTE
    wanted = LEAST_ROOM + 2 * UNPACKED * host.image_size
    host.free = wanted - 1
    said = refusal(host, kind)
    assert f"beacon 2 needs {wanted // MEGABYTE} MiB; launchpad prune" in said and "for images" in said
    host.free = wanted
    assert run(host, deploy_body("operation-000002", version(2)))["outcome"] == "done"


def test_an_image_that_nobody_tells_the_size_of_is_taken_for_large() -> None:
    host = a_host(1, 2)
    host.registry.clear()
    host.free = ROOM_FOR_IMAGES - 1
    assert "for images" in refusal(host)


def test_images_that_are_there_want_no_room() -> None:
    host = a_host(1, 2)
    host.stored |= {service.image for service in version(2)[0].services}
    host.free = LEAST_ROOM
    assert run(host, deploy_body("operation-000001", version(2)))["outcome"] == "done"


def test_there_is_room_for_a_version_that_writes_all_its_data_anew() -> None:
    host = a_host(1, 2)
    host.charged[paths.data("alice")] = 50 * MEGABYTE
    host.free = LEAST_ROOM + 49 * MEGABYTE
    host.stored |= {service.image for service in version(2)[0].services}
    assert "for tenants' data" in refusal(host, "upgrade")
    host.free = LEAST_ROOM + 51 * MEGABYTE
    assert run(host, upgrade("operation-000001", version(2)))["outcome"] == "done"
