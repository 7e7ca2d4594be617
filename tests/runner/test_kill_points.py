"""Every step at every kill point: an operation that dies anywhere ends as if it had not, and touches nobody else.

The kill points are the changing calls at the runner's seam, met in an undisturbed run; none is listed here. That run is
made once: at each call the host is kept as a process that died there would have left it, and where two leave the same,
one is judged. What else may befall the machine takes turns at these moments; when evidence is taken, all of it befalls
it at every one.
The end is judged by what a visitor gets and by what lies on the host, never by what the runner says of itself.
"""

from __future__ import annotations

import contextlib
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from launchpad.runner import engine, generation_records, paths
from launchpad.runner.boot import boot
from launchpad.runner.caller import Caller
from launchpad.runner.families import kinds_of
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, Release, canonical, release_from_json
from launchpad.runner.step import step_name
from launchpad.runner.steps import TenantStep
from launchpad.runner.verbs.submit import submit
from tests.memory.effects import EVIDENCE, MODES, Moment, moments, turn
from tests.memory.host import Killed, MemoryHost
from tests.memory.releases import deploy_body, release

CALLER = Caller("alice", "192.0.2.7")
OLD = release()
NEW = release(app="beacon:2")
MOVED = release(domains=("alice.example.com", "alice.example.net"))
BESIDE_OLD = release(app="lamp:1", strategy="beside")
BESIDE_NEW = release(app="lamp:2", strategy="beside")
CRASHING = release(app="beacon:3")
NEVER_READY = release(app="beacon:4")
GONE = release(app="beacon:5")
FLASHING = release(app="beacon:7")
"""Migrates its data, is ready, and dies before it has held."""
DYING = release(app="beacon:6")
"""Migrates its data, is ready, and dies in the soak."""
SOAK_SECONDS = 12
NEIGHBOUR = release("bob", slot=8, domains=("bob.example.com",))


RECEIVED = "prepare-received"
"""Data from elsewhere that was brought to the host, as a generation of alice's."""
SNAPSHOT = "prepare-snapshot"
"""The generation of the prepared data that a person asked for."""


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
    new: Any = None
    """The new release; None for the request's."""
    received: bool = False
    """Whether data from elsewhere lies on the host."""


def simple(kind: str, **extra: Any) -> dict[str, Any]:
    return {"id": "operation-000001", "operation": {"kind": kind, "tenant": "alice"} | extra, "follow": False}


def deploy(made: Any) -> dict[str, Any]:
    return deploy_body("operation-000001", made)


def upgrade(made: Any, *, soak: int = 0, rehearse: bool = False) -> dict[str, Any]:
    return deploy_body("operation-000001", made, kind="upgrade", soak=soak, rehearse=rehearse)


def rollback(made: Any, *, keep_data: bool = False, soak: int = 0) -> dict[str, Any]:
    return simple("rollback", to=made[0].short, keep_data=keep_data, soak=soak)


def bring_in(made: Any, *, soak: int = 0, rehearse: bool = True) -> dict[str, Any]:
    return deploy_body("operation-000001", made, kind="import", generation=RECEIVED, soak=soak, rehearse=rehearse)


def rehearsal(made: Any) -> dict[str, Any]:
    return deploy_body("operation-000001", made, kind="rehearse", generation=RECEIVED)


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
    Scenario("upgrade", upgrade(NEW), (OLD,)),
    Scenario("upgrade that migrates and crashes", upgrade(FLASHING, soak=SOAK_SECONDS), (OLD,), ends="old"),
    Scenario("upgrade with a soak", upgrade(NEW, soak=SOAK_SECONDS), (OLD,)),
    Scenario("upgrade that dies in the soak", upgrade(DYING, soak=SOAK_SECONDS), (OLD,), ends="old"),
    Scenario("upgrade that is rehearsed", upgrade(NEW, rehearse=True), (OLD,)),
    Scenario(
        "upgrade that is rehearsed and dies while it serves",
        upgrade(DYING, soak=SOAK_SECONDS, rehearse=True),
        (OLD,),
        ends="old",
    ),
    Scenario("upgrade that fails in its rehearsal", upgrade(FLASHING, rehearse=True), (OLD,), ends="old"),
    Scenario("rollback", rollback(OLD), (OLD, NEW), new=OLD),
    Scenario("rollback with a soak", rollback(OLD, soak=SOAK_SECONDS), (OLD, NEW), new=OLD),
    Scenario("rollback of a stopped one", rollback(OLD), (OLD, NEW), stopped=True, new=OLD),
    Scenario("rollback on data that it cannot read", rollback(OLD, keep_data=True), (OLD, NEW), ends="old"),
    Scenario("restore", simple("restore", generation=SNAPSHOT), (OLD,), ends="old"),
    Scenario("restore while stopped", simple("restore", generation=SNAPSHOT), (OLD,), stopped=True, ends="held"),
    Scenario("snapshot", simple("snapshot"), (OLD,), ends="old"),
    Scenario("copy", simple("snapshot", copy=True), (OLD,), ends="old"),
    Scenario("drop", simple("drop", generations=[SNAPSHOT]), (OLD,), ends="old"),
    Scenario("import", bring_in(NEW), received=True),
    Scenario("import that fails in its rehearsal", bring_in(FLASHING), ends="refused", received=True),
    Scenario("import over what runs", bring_in(NEW, rehearse=False), (OLD,), received=True),
    Scenario("import that crashes", bring_in(CRASHING, rehearse=False), (OLD,), ends="old", received=True),
    Scenario("import that dies in the soak", bring_in(DYING, soak=SOAK_SECONDS), (OLD,), ends="old", received=True),
    Scenario("rehearsal alone", rehearsal(NEW), (OLD,), ends="old", received=True),
]


def a_host() -> MemoryHost:
    host = MemoryHost()
    for made in (OLD, NEW, BESIDE_OLD, BESIDE_NEW, CRASHING, NEVER_READY, FLASHING, DYING, NEIGHBOUR):
        host.registry |= {service.image for service in made[0].services}
    behaviours = (CRASHING, "crash"), (NEVER_READY, "never"), (FLASHING, "flash"), (DYING, "dying")
    for made, behaviour in behaviours:
        host.behaviours |= {service.image: behaviour for service in made[0].services}
    for made in (OLD, NEW, CRASHING, NEVER_READY, FLASHING, DYING):
        host.schemas[made[0].services[0].image] = schema_of(made)
    host.write(paths.RESERVE, bytes(1024))
    return host


def schema_of(made: Any) -> int:
    """The state's schema that a release brings its data up to."""
    return int(made[0].version)


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
    host.lively = "alice"
    host.wait(30)
    if scenario.first:
        assert run(host, simple("snapshot") | {"id": SNAPSHOT}) == "done"
        host.wait(30)
    if scenario.received:
        receive(host)
    if scenario.stopped:
        assert run(host, simple("stop") | {"id": "prepare-stop-1"}) == "done"
    host.calls.clear()
    host.refusals.clear()
    host.clock += 60
    return host


def receive(host: MemoryHost) -> None:
    """Data that another release of the app has left elsewhere becomes a generation of alice's."""
    folder, made = "/srv/elsewhere", OLD[0]
    host.make_data(folder, volumes=made.volumes, disk_mb=made.disk_mb, uid=1)
    host.snapshot(folder, paths.generation("alice", RECEIVED))
    host.remove(folder)
    record = {"id": RECEIVED, "tenant": "alice", "release": "", "version": made.version, "app": made.app}
    record |= {"at": host.now(), "why": "received", "operation": RECEIVED, "disk_mb": made.disk_mb}
    host.write(paths.generation_record("alice", RECEIVED), canonical(record), mode=0o600)


def killed(scenario: Scenario, mode: str) -> list[Moment]:
    """Every moment of the scenario's run at which its process may die so."""
    if scenario.name not in KILLED:
        host = prepared(scenario)
        KILLED[scenario.name] = moments(host, lambda: run(host, scenario.operation))
    return [moment for moment in KILLED[scenario.name] if moment.mode == mode]


KILLED: dict[str, list[Moment]] = {}


def converge(host: MemoryHost, scenario: Scenario, *, again: bool = True) -> None:
    """What goes on by itself: systemd starts the unit again; then the operator types the same command again, at least
    where it has not ended as it does undisturbed."""
    body = scenario.operation
    for identifier in [journal.identifier for journal in open_journals(host)]:
        engine.carry_out(host, identifier)
    host.begun.clear()
    host.clock += 10
    if again or (Journal(host, body["id"]).outcome() or {}).get("outcome") != outcome_of(scenario.name):
        try:
            run(host, dict(body) | {"id": "operation-000002"})
        except Refused as refused:
            assert body["operation"]["kind"] in ("retire", "start", "stop"), refused.message
    host.wait(10)
    host.clock += 10


@cache
def outcome_of(name: str) -> str:
    """How the scenario's operation ends undisturbed."""
    scenario = next(item for item in SCENARIOS if item.name == name)
    return run(prepared(scenario), scenario.operation)


def judge(host: MemoryHost, scenario: Scenario, neighbour: Any) -> None:
    assert host.request("alice.example.com") == answering(scenario)
    judge_data(host, scenario)
    assert outside_view(host) == neighbour, "the neighbour was touched"
    assert not list(open_journals(host))
    assert not host.locks
    assert not [name for name in (*host.boxes, *host.networks) if "clone" in name], "a rehearsal is left over"
    assert not host.names(paths.rehearsal("alice"))
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


def answering(scenario: Scenario) -> str:
    """What a visitor gets at the end: the short name of the release that answers, `held` or `refused`."""
    match scenario.ends:
        case "new":
            return short_of_new(scenario.name)
        case "old":
            made = scenario.first[-1][0]
            return made.short
    return scenario.ends


@cache
def short_of_new(name: str) -> str:
    scenario = next(item for item in SCENARIOS if item.name == name)
    made: Release = scenario.new[0] if scenario.new else release_from_json(scenario.operation["operation"]["release"])
    return made.short


def judge_data(host: MemoryHost, scenario: Scenario) -> None:
    """The data is the serving release's, whole; nothing that anybody was promised is lost, and nothing is left over."""
    assert not host.muted, "somebody is still mute"
    if not scenario.first or not host.has_data(paths.data("alice")):
        return
    folder = f"{paths.data('alice')}/state"
    kept = {item.id: item for item in generation_records.kept(host, "alice")}
    assert not generation_records.incomplete(host, "alice")
    assert set(host.volumes) == {
        paths.data("alice"), paths.data("bob"), *(paths.generation("alice", name) for name in kept)
    }, "a subvolume is left over"  # fmt: skip
    live = host.state(folder)
    states = [live, *(host.state(f"{paths.generation('alice', name)}/state") for name in kept)]
    found = {line for state in states for line in state["log"]}
    assert set(host.told) <= found, f"lost: {sorted(set(host.told) - found)[:5]}"
    serving = {made[0].short: made for made in (*scenario.first, scenario.new or OLD, NEW)}.get(answering(scenario))
    if serving and serving[0].app != "lamp":
        assert live["schema"] == schema_of(serving)
    if scenario.ends == "old":
        mine = {f"{made[0].short} started" for made in scenario.first}
        assert {line for line in live["log"] if line.endswith("started")} <= mine, "the new release's data is left"
    if not scenario.name.endswith("cannot read"):
        assert not host.refusals, "a release was started on data that is newer than it"


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


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_killed_at_every_call(scenario: Scenario, mode: str, measured: Callable[..., None]) -> None:
    neighbour = outside_view(prepared(scenario))
    points = killed(scenario, mode)
    to_judge = [moment for moment in points if not moment.known]
    typed_again = turn(to_judge, MODES.index(mode), len(MODES))
    for moment in to_judge:
        host = moment.host()
        converge(host, scenario, again=moment in typed_again)
        judge(host, scenario, neighbour)
    assert sorted(moment.call for moment in points) == list(range(1, calls_of(scenario) + 1))
    measured("kill-points", 0, n=len(to_judge))


FAULTS = ["reboot", "docker_down", "disk_full", "caddy_down"]
if EVIDENCE:
    FAULTS.append("registry_down")  # one kind of step asks it


def struck(scenario: Scenario, fault: str) -> Sequence[Moment]:
    """The moments at which it is this fault's turn: every third one has one, and in the next scenario others."""
    after = [moment for moment in killed(scenario, "after") if not moment.known]
    number = FAULTS.index(fault) + len(FAULTS) * (SCENARIOS.index(scenario) % 3)
    return turn(after, number, 3 * len(FAULTS))


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_rebooted_at_any_call(scenario: Scenario, measured: Callable[..., None]) -> None:
    for moment in (points := struck(scenario, "reboot")):
        host = moment.host()
        host.reboot()
        boot(host)
        host.clock += 30
        assert host.request("bob.example.com") == NEIGHBOUR[0].short, f"{moment}: the neighbour did not come back"
        before = outside_view(host)
        converge(host, scenario)
        judge(host, scenario, before)
    measured("kill-points", 0, n=len(points))


@pytest.mark.parametrize("fault", FAULTS[1:])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_fault_from_any_call_on(scenario: Scenario, fault: str, measured: Callable[..., None]) -> None:
    """The machine fails from some call on, the runner tries and gives up; once mended, it converges. Where the runner
    never came by what failed, it did what it does when only its process dies, and that is judged above."""
    neighbour = outside_view(prepared(scenario))
    for moment in (points := struck(scenario, fault)):
        host = moment.host()
        setattr(host, fault, True)
        for journal in list(open_journals(host)):
            with contextlib.suppress(engine.NotSettled, Failed):
                engine.carry_out(host, journal.identifier)
            host.died()
        host.mend()
        if host.struck:
            converge(host, scenario)
            judge(host, scenario, neighbour)
    measured("kill-points", 0, n=len(points))


@pytest.mark.parametrize("days", [-30, 30])
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda item: item.name)
def test_the_clock_is_set_at_any_call(scenario: Scenario, days: int, measured: Callable[..., None]) -> None:
    """Nothing is waited for longer or shorter by it, and it ends as ever."""
    host = prepared(scenario)
    begun = host.elapsed()
    run(host, scenario.operation)
    calls, took = range(1, len(host.calls) + 1), host.elapsed() - begun
    for call in (points := turn(calls, 0 if days < 0 else 6, 12)):
        host = prepared(scenario)
        before, begun = outside_view(host), host.elapsed()
        host.jump_at, host.jump = call, days * 86400.0
        run(host, scenario.operation)
        assert host.elapsed() - begun == pytest.approx(took), f"call {call}"
        host.clock += 10
        judge(host, scenario, before)
    measured("kill-points", 0, n=len(points))


RUNNING = [item for item in SCENARIOS if item.first and not item.stopped and item.ends in ("new", "old")]


@pytest.mark.parametrize("scenario", RUNNING, ids=lambda item: item.name)
def test_a_release_serves_while_the_disk_is_full(scenario: Scenario) -> None:
    """A disk that runs full in the middle does not leave the tenant down until somebody comes."""
    serving = {scenario.first[-1][0].short, answering(scenario)}
    for call in turn(range(1, calls_of(scenario) + 1), RUNNING.index(scenario) % 8, 8):
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
    host = next(moment for moment in killed(scenario, "after")[29:] if not moment.known).host()
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
def test_cancelled_at_any_step(scenario: Scenario) -> None:
    undisturbed = prepared(scenario)
    run(undisturbed, scenario.operation)
    steps = range(len(Journal(undisturbed, "operation-000001").plan()) + 1)
    for step in turn(steps, SCENARIOS.index(scenario) % 2, 2):
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
    assert set(kinds_of(TenantStep)) - met <= {"prune-releases", "prune-generations"}, "a step that no scenario reaches"
