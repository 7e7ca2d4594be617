"""Every step at every kill point: an operation that dies anywhere ends as if it had not, and touches nobody else.

The kill points are the changing calls at the runner's seam, counted in a first, undisturbed run; none is listed here.
The end is judged by what a visitor gets and by what lies on the host, never by what the runner says of itself.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.boot import boot
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused
from launchpad.runner.steps import STEPS, step_name
from launchpad.runner.verbs.submit import submit
from tests.memory.host import Killed, MemoryHost
from tests.memory.releases import deploy_body, release

CALLER = Caller("alice", "192.0.2.7")
OLD = release()
NEW = release(app="beacon:2")
MOVED = release(domains=("alice.example.com", "alice.example.net"))
BESIDE_OLD = release(strategy="beside")
BESIDE_NEW = release(app="beacon:2", strategy="beside")
CRASHING = release(app="beacon:3")
NEVER_READY = release(app="beacon:4")
GONE = release(app="beacon:5")
NEIGHBOUR = release("bob", slot=8, domains=("bob.example.com",))


@dataclass(frozen=True)
class Scenario:
    name: str
    operation: Mapping[str, Any]
    """The body of the submit request."""
    first: tuple[Any, ...] = ()
    """The releases that were deployed before."""
    stopped: bool = False
    ends: str = "new"
    """What a visitor gets at the end: the `new` release, the `old` one, `held`, or `refused`."""


def simple(kind: str, **extra: Any) -> dict[str, Any]:
    return {"id": "operation-000001", "operation": {"kind": kind, "tenant": "alice"} | extra, "follow": False}


def deploy(made: Any) -> dict[str, Any]:
    return deploy_body("operation-000001", made)


SCENARIOS = [
    Scenario("first deploy", deploy(NEW)),
    Scenario("swap", deploy(NEW), (OLD,)),
    Scenario("beside", deploy(BESIDE_NEW), (BESIDE_OLD,)),
    Scenario("only the site", deploy(MOVED), (OLD,), ends="old"),
    Scenario("crashes", deploy(CRASHING), (OLD,), ends="old"),
    Scenario("never ready", deploy(NEVER_READY), (OLD,), ends="old"),
    Scenario("image gone", deploy(GONE), (OLD,), ends="old"),
    Scenario("first deploy crashes", deploy(CRASHING), (), ends="refused"),
    Scenario("deploy over a stopped one", deploy(NEW), (OLD,), stopped=True),
    Scenario("stop", simple("stop"), (OLD,), ends="held"),
    Scenario("start", simple("start"), (OLD,), stopped=True, ends="old"),
    Scenario("restart", simple("restart"), (OLD,), ends="old"),
    Scenario("retire", simple("retire"), (OLD,), ends="refused"),
    Scenario("purge", simple("retire", purge=True), (OLD,), ends="refused"),
]


def a_host() -> MemoryHost:
    host = MemoryHost()
    for made in (OLD, NEW, BESIDE_OLD, BESIDE_NEW, CRASHING, NEVER_READY, NEIGHBOUR):
        host.registry |= {service.image for service in made[0].services}
    for made, behaviour in ((CRASHING, "crash"), (NEVER_READY, "never")):
        host.behaviours |= {service.image: behaviour for service in made[0].services}
    return host


def run(host: MemoryHost, body: Mapping[str, Any]) -> str:
    """Submit and carry out, as the operator's process and the operation's unit would; the outcome."""
    for answer in submit(host, body, CALLER):
        if answer["body"]["outcome"] == "unchanged":
            return "unchanged"
    for identifier in list(host.begun):
        engine.carry_out(host, identifier)
        host.begun.remove(identifier)
    outcome = Journal(host, body["id"]).outcome()
    assert outcome is not None
    return str(outcome["outcome"])


def prepared(scenario: Scenario) -> MemoryHost:
    """The host as it is before the scenario; made once, copied for each kill point."""
    if scenario.name not in PREPARED:
        PREPARED[scenario.name] = pickle.dumps(prepare(scenario))
    host: MemoryHost = pickle.loads(PREPARED[scenario.name])
    return host


PREPARED: dict[str, bytes] = {}
"""Pickled: copied so, a host costs a fifth of a deep copy."""


def prepare(scenario: Scenario) -> MemoryHost:
    host = a_host()
    for index, made in enumerate((NEIGHBOUR, *scenario.first)):
        assert run(host, deploy_body(f"prepare-00000{index}", made)) == "done"
    if scenario.stopped:
        assert run(host, simple("stop") | {"id": "prepare-stop-1"}) == "done"
    host.calls.clear()
    host.clock += 60
    return host


def until_killed(host: MemoryHost, body: Mapping[str, Any], call: int, mode: str) -> bool:
    """Run and die at that call; False when the run was over before it."""
    host.kill_at, host.kill_mode = len(host.calls) + call, mode
    try:
        run(host, body)
    except Killed:
        host.died()
        return True
    except Refused:
        pass
    host.kill_at = 0
    return False


def converge(host: MemoryHost, body: Mapping[str, Any]) -> None:
    """What goes on by itself: systemd starts the unit again; then the operator types the same command again."""
    for identifier in [journal.identifier for journal in open_journals(host)]:
        engine.carry_out(host, identifier)
    host.begun.clear()
    host.clock += 10
    again = dict(body) | {"id": "operation-000002"}
    try:
        run(host, again)
    except Refused as refused:
        assert body["operation"]["kind"] in ("retire", "start", "stop"), refused.message
    host.clock += 10


def judge(host: MemoryHost, scenario: Scenario, neighbour: Any) -> None:
    wanted = {"held": "held", "refused": "refused"}
    if scenario.operation["operation"]["kind"] == "deploy" and scenario.ends == "new":
        wanted["new"] = scenario.operation["operation"]["release"] and NEW_SHORT[scenario.name]
    if scenario.first:
        wanted["old"] = scenario.first[-1][0].short
    assert host.request("alice.example.com") == wanted[scenario.ends]
    assert outside_view(host) == neighbour, "the neighbour was touched"
    assert not list(open_journals(host))
    assert not host.locks
    sides = {box.side for box in host.boxes.values() if box.tenant == "alice"}
    assert len(sides) <= 1, "containers of both sides are left"
    if scenario.ends in ("new", "old"):
        assert {box.state for box in host.boxes.values() if box.tenant == "alice"} == {"running"}
    record = read_record(host, "alice")
    folders = host.names(f"{paths.RUN}/alice")
    allowed = {record["started"]} if record and not record["retired"] else set()
    assert set(folders) <= allowed, "secrets are left on tmpfs"
    if scenario.operation["operation"]["kind"] == "retire":
        purged = bool(scenario.operation["operation"].get("purge"))
        assert host.has_data(paths.data("alice")) is not purged
        assert "lp-alice" not in host.networks
    elif scenario.first or scenario.ends == "new":
        assert host.has_data(paths.data("alice"))


NEW_SHORT = {
    "first deploy": NEW[0].short,
    "swap": NEW[0].short,
    "beside": BESIDE_NEW[0].short,
    "deploy over a stopped one": NEW[0].short,
}


def outside_view(host: MemoryHost) -> dict[str, Any]:
    """Everything of the neighbour that a change would show in."""
    return {
        "answer": host.request("bob.example.com"),
        "starts": [box.started_at for box in host.boxes.values() if box.tenant == "bob"],
        "files": {path: item.data for path, item in host.files.items() if "/bob" in path and "/run/" not in path},
    }


def submit_only(host: MemoryHost, body: Mapping[str, Any]) -> None:
    """Submit, and let the unit have its first go as far as it comes."""
    list(submit(host, body, CALLER))
    for identifier in list(host.begun):
        with contextlib.suppress(engine.NotSettled, Failed):
            engine.carry_out(host, identifier)
        host.died()


def calls_of(scenario: Scenario) -> int:
    host = prepared(scenario)
    run(host, scenario.operation)
    return len(host.calls)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_undisturbed(scenario: Scenario) -> None:
    host = prepared(scenario)
    before = outside_view(host)
    run(host, scenario.operation)
    host.clock += 10
    judge(host, scenario, before)


@pytest.mark.parametrize("mode", ["before", "halfway", "after"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_killed_at_every_call(scenario: Scenario, mode: str, measured: Callable[..., None]) -> None:
    calls = calls_of(scenario)
    for call in range(1, calls + 1):
        host = prepared(scenario)
        before = outside_view(host)
        assert until_killed(host, scenario.operation, call, mode), f"call {call} was never reached"
        converge(host, scenario.operation)
        judge(host, scenario, before)
    measured("kill-points", 0, n=calls)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_rebooted_at_every_call(scenario: Scenario, measured: Callable[..., None]) -> None:
    calls = calls_of(scenario)
    for call in range(1, calls + 1):
        host = prepared(scenario)
        assert until_killed(host, scenario.operation, call, "after")
        host.reboot()
        boot(host)
        host.clock += 30
        assert host.request("bob.example.com") == NEIGHBOUR[0].short, f"call {call}: the neighbour did not come back"
        before = outside_view(host)
        converge(host, scenario.operation)
        judge(host, scenario, before)
    measured("kill-points", 0, n=calls)


@pytest.mark.parametrize("fault", ["docker_down", "disk_full", "caddy_down"])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_fault_from_every_call_on(scenario: Scenario, fault: str, measured: Callable[..., None]) -> None:
    """The machine fails from some call on, the runner tries and gives up; once mended, it converges."""
    calls = calls_of(scenario)
    for call in range(1, calls + 1):
        host = prepared(scenario)
        before = outside_view(host)
        if not until_killed(host, scenario.operation, call, "after"):
            continue
        setattr(host, fault, True)
        for journal in list(open_journals(host)):
            with contextlib.suppress(engine.NotSettled, Failed):
                engine.carry_out(host, journal.identifier)
            host.died()
        host.mend()
        converge(host, scenario.operation)
        judge(host, scenario, before)
    measured("kill-points", 0, n=calls)


RUNNING = [item for item in SCENARIOS if item.first and not item.stopped and item.ends in ("new", "old")]


@pytest.mark.parametrize("scenario", RUNNING, ids=lambda item: item.name)
def test_a_release_serves_while_the_disk_is_full(scenario: Scenario) -> None:
    """A disk that runs full in the middle does not leave the tenant down until somebody comes."""
    serving = {scenario.first[-1][0].short, NEW_SHORT.get(scenario.name, "")}
    for call in range(1, calls_of(scenario) + 1):
        host = prepared(scenario)
        host.fill_at = len(host.calls) + call
        with contextlib.suppress(Refused):
            submit_only(host, scenario.operation)
        for _ in range(5):  # systemd starts the unit again and again
            for journal in list(open_journals(host)):
                with contextlib.suppress(engine.NotSettled, Failed):
                    engine.carry_out(host, journal.identifier)
                host.died()
        host.clock += 10
        assert host.request("alice.example.com") in serving, f"call {call}"


def test_killed_again_and_again_ends_in_the_old_release() -> None:
    """An operation that kills its process each time it is tried is given up and undone."""
    scenario = SCENARIOS[1]
    host = prepared(scenario)
    before = outside_view(host)
    until_killed(host, scenario.operation, 30, "after")
    for _ in range(6):
        host.kill_at, host.kill_mode = len(host.calls) + 4, "before"
        try:
            engine.carry_out(host, "operation-000001")
        except Killed:
            host.died()
    host.died()
    engine.carry_out(host, "operation-000001")
    assert Journal(host, "operation-000001").outcome()["outcome"] == "undone"  # type: ignore[index]
    host.clock += 10
    assert host.request("alice.example.com") == OLD[0].short
    assert outside_view(host) == before


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_cancelled_at_every_step(scenario: Scenario) -> None:
    for step in range(0, 14):
        host = prepared(scenario)
        before = outside_view(host)
        cancel_at(host, scenario, step)
        host.clock += 10
        outcome = Journal(host, "operation-000001").outcome()
        assert outcome is not None
        if outcome["outcome"] == "cancelled":
            wanted = "held" if scenario.stopped else scenario.first[-1][0].short if scenario.first else "refused"
            assert host.request("alice.example.com") == wanted
        assert outside_view(host) == before


def cancel_at(host: MemoryHost, scenario: Scenario, step: int) -> None:
    """Carry the operation out, with a cancel that arrives when so many steps have begun."""
    list(submit(host, scenario.operation, CALLER))
    journal = Journal(host, "operation-000001")
    append: Callable[..., None] = host.append

    def watching(path: str, data: bytes) -> None:
        append(path, data)
        begun = [event for event in journal.events() if event["event"] == "step-started"]
        if len(begun) >= step and not journal.cancel_asked():
            journal.ask_cancel(CALLER)

    host.append = watching  # type: ignore[method-assign]
    engine.carry_out(host, "operation-000001")


def test_every_kind_of_step_is_met() -> None:
    met: set[str] = set()
    for scenario in SCENARIOS:
        host = prepared(scenario)
        run(host, scenario.operation)
        met |= {step_name(type(step)) for step in Journal(host, "operation-000001").plan()}
        host = prepared(scenario)
        until_killed(host, scenario.operation, 5, "after")
    assert set(STEPS) - met <= {"prune-releases"}, "a step that no scenario reaches"
