"""An upgrade that is rehearsed on another host, between two hosts in memory: what goes there, what comes of it, and
that nothing of it stays, whoever dies.

The end is judged by what lies and runs on the hosts, never by what is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import InventoryError, LockedError, StateError
from launchpad.events import Committed, HeardEvent, OnEvent, StepProgress, ignore
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.following import UNTIL_ITS_END, Patience
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.rollouts.rollout import RolloutRequest, plan_rollout, rollout
from launchpad.operations.tenants.written_version import VersionOutcome
from launchpad.operations.versions.rehearsal_host import RehearsalPlace as Where
from launchpad.operations.versions.rehearsal_host import rehearse_elsewhere
from launchpad.operations.versions.upgrade import Upgrade, UpgradeRequest, _operation, plan_upgrade, upgrade
from launchpad.plan.rollout_waves import MemberState
from launchpad.runner import engine, generation_records, paths
from launchpad.runner.boot import boot
from launchpad.runner.caller import Caller
from launchpad.runner.capacity import CPUS_ONLINE
from launchpad.runner.guests.plan import KIND
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, release_as_json
from launchpad.runner.rehearsal import SIDE
from launchpad.runner.verbs.receive import receive
from launchpad.runner.verbs.submit import submit
from launchpad.workspace import OperatorClock
from tests.memory.data import File
from tests.memory.effects import Killed
from tests.memory.host import MemoryHost
from tests.memory.releases import release
from tests.operations.cuts import Cuts
from tests.operations.two_hosts import Composing, Place, a_place
from tests.runner.verbs.view import MemoryView

STRIDE = 13
OLD, NEW = "1.0.0", "1.1.0"
IMAGES = {OLD: "4" * 64, NEW: "5" * 64}
MEMINFO = "/proc/meminfo"
STATE = f"{paths.data('alice')}/state"


class Seen(Composing, MemoryView):
    """A host that tells of itself too."""


def image(version: str) -> str:
    return f"registry.example.com/note:{version}@sha256:{IMAGES[version]}"


def memory(host: MemoryHost, free_mb: int) -> None:
    host.files[MEMINFO] = File(f"MemAvailable:   {free_mb * 1024} kB\n".encode())


def drill_host(root: Path, name: str = "web-2") -> None:
    """web-1's, in the inventory."""
    path = root / "inventory/hosts.yaml"
    first, *rest = path.read_text().splitlines()
    path.write_text("\n".join([first.replace("{", f'{{"drill_host": "{name}", ', 1), *rest]) + "\n")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, bytes]:
    place = a_place(tmp_path_factory.mktemp("elsewhere") / "fleet", host=Seen)
    app = place.workspace.root / "inventory/apps/note.yaml"
    app.write_text(app.read_text().replace("}}]\n", f"}}}}, {{version: {NEW}, images: {{web: '{image(NEW)}'}}}}]\n", 1))
    drill_host(place.workspace.root)
    with (place.workspace.root / "launchpad.yaml").open("a") as file:
        file.write("rollout: {rings: [all], soak: 1s, tenant_soak: 1s, timeout: 60s}\n")
    for host in place.both:
        host.registry |= {image(OLD), image(NEW)}
        host.schemas |= {image(OLD): 1, image(NEW): 2}
        memory(host, 4000)
    memory(place.here, 64)
    return place, place.saved()


@pytest.fixture
def place(made: tuple[Place, bytes]) -> Place:
    made[0].restore(made[1])
    return made[0]


def planned(place: Place, **more: Any) -> Upgrade:
    return plan_upgrade(place.workspace, "alice", UpgradeRequest(version=NEW, soak_seconds=0, **more))


def upgraded(place: Place, on_event: OnEvent = ignore, **more: Any) -> VersionOutcome:
    what = planned(place, **more)
    return upgrade(place.workspace, what, confirm=Confirmation(digest=what.digest), on_event=on_event)


def serves(place: Place) -> str:
    place.here.wait(5)
    release = place.here.request("alice.example.com")
    record = read_record(place.here, "alice") or {}
    return str(record["version"]) if record["release"] == release else release


def nothing_stays(place: Place) -> None:
    """On the host where it was rehearsed there is nothing of the tenant, and on its own nothing of the rehearsal."""
    there = place.there
    for table in (there.files, there.folders, there.links, there.volumes):
        left = [path for path in table if "alice" in path and not path.startswith(paths.OPERATIONS)]
        assert not left, left
    assert not there.boxes and not there.networks and not there.locks and not there.running
    assert not list(open_journals(there))
    assert [item.why for item in generation_records.kept(place.here, "alice")] in ([], ["upgrade"])
    assert not generation_records.incomplete(place.here, "alice")


def test_it_is_rehearsed_there_and_then_done_here_without_another_rehearsal(place: Place) -> None:
    told: list[HeardEvent] = []
    what = planned(place)
    assert what.rehearsal is not None and what.rehearsal.elsewhere
    assert what.as_json()["rehearsal"] == {
        "host": "web-2",
        "elsewhere": True,
        "reason": "web-1 has less free memory than the 128 MiB that a clone may need",
        "data_at_most_seconds": 21600,
    }
    done = upgraded(place, told.append)
    assert (done.outcome, done.host, serves(place)) == ("done", "web-1", NEW)
    assert NEW in place.file.read_text()
    nothing_stays(place)
    assert "up" in place.there.calls, "nothing was tried there"
    assert "clone" not in place.here.calls, "it was rehearsed here as well"
    said = [item.event.text for item in told if isinstance(item.event, StepProgress) and item.host == "web-2"]
    assert "note 1.1.0 was ready on a clone of the data for 15 s" in said, said
    assert "no rows were lost in 1 table" in said
    (record,) = generation_records.kept(place.here, "alice")
    assert record.why == "upgrade", "the rehearsal's generation is left"


def test_the_tenant_s_secrets_stay_at_home_and_the_clone_has_no_way_out(place: Place) -> None:
    seen: list[Any] = []
    up = place.there.up

    def started(folder: str, project: str, environment: Any) -> None:
        up(folder, project, environment)
        secrets = f"{paths.secrets('alice', SIDE)}/"
        seen.append((dict(place.there.networks), {k: v.data for k, v in place.there.files.items() if secrets in k}))

    place.there.up = started  # type: ignore[method-assign]  # to look in at the moment of the start; taken away below
    try:
        upgraded(place)
    finally:
        del place.there.up
    ((networks, secrets),) = seen
    assert all(network[3] for network in networks.values()), "a network that is not internal"
    assert secrets and all(value.startswith(b"rehearsal-") for value in secrets.values())
    assert not [path for path, item in place.there.files.items() if b"the token" in item.data]
    assert not [path for path in place.there.files if path.endswith(".cred")]


@pytest.fixture
def real_secret(place: Place) -> Iterator[None]:
    """The app's data depends on its secret."""
    app = place.workspace.root / "inventory/apps/note.yaml"
    before, plain = app.read_text(), "secrets: [{name: NOTE_TOKEN"
    assert plain in before
    app.write_text(before.replace(plain, plain.replace("{", "{rehearse: real, ")))
    yield
    app.write_text(before)


@pytest.mark.usefixtures("real_secret")
def test_a_secret_that_the_data_was_made_with_goes_along_and_does_not_stay(place: Place) -> None:
    seen: list[bytes] = []
    up = place.there.up

    def started(folder: str, project: str, environment: Any) -> None:
        up(folder, project, environment)
        seen.append(place.there.files[f"{paths.secrets('alice', SIDE)}/NOTE_TOKEN"].data)

    place.there.up = started  # type: ignore[method-assign]  # to look in at the moment of the start; taken away below
    try:
        upgraded(place)
    finally:
        del place.there.up
    (secret,) = seen
    assert b"the token" in secret
    nothing_stays(place)
    assert not [path for path, item in place.there.files.items() if b"the token" in item.data]
    assert serves(place) == NEW


@pytest.mark.parametrize("behaviour", ["crash", "never", "forgetful"])
def test_what_fails_there_is_refused_with_the_reason_and_the_tenant_is_not_touched(
    place: Place, behaviour: str
) -> None:
    for host in place.both:
        host.behaviours[image(NEW)] = behaviour
    for index in range(3):
        place.here.put_in(next(iter(place.here.mounts)), f"row {index}")
    boxes = dict(place.here.boxes)
    words = {"crash": "exited with status 1", "never": "answered 503", "forgetful": "lost data"}[behaviour]
    with pytest.raises(
        OperationFailed, match=f"alice: the rehearsal on web-2 failed, and nothing was changed: .*{words}"
    ):
        upgraded(place)
    assert place.here.boxes == boxes and serves(place) == OLD and OLD in place.file.read_text()
    nothing_stays(place)


def test_tables_that_may_shrink_may_do_so_there_too(place: Place) -> None:
    app = place.workspace.root / "inventory/apps/note.yaml"
    text = app.read_text()
    app.write_text(f"{text}may_shrink: [log]\n")
    try:
        place.there.behaviours[image(NEW)] = "forgetful"
        assert upgraded(place).outcome == "done"
    finally:
        app.write_text(text)


def test_a_probe_that_fails_now_decides_nothing_there_either(place: Place) -> None:
    for host in place.both:
        host.behaviours |= dict.fromkeys(map(image, IMAGES), "never")
    assert upgraded(place).outcome == "done"
    nothing_stays(place)


def test_with_memory_it_is_rehearsed_at_home_unless_asked_otherwise(place: Place) -> None:
    memory(place.here, 4000)
    assert planned(place).rehearsal == Where(host="web-1", elsewhere=False)
    asked = planned(place, rehearse_on="web-2").rehearsal
    assert asked is not None and (asked.host, asked.reason) == ("web-2", "as requested")
    assert planned(place, rehearse_on="web-1").rehearsal == Where(host="web-1", elsewhere=False)
    assert planned(place, rehearse=False).rehearsal is None
    assert upgraded(place, rehearse_on="web-2").outcome == "done"
    nothing_stays(place)


def test_a_host_to_rehearse_on_that_there_is_not_is_told_before_a_host_is_asked(place: Place) -> None:
    """Even where another mistake is in the command too."""
    requests = place.hosts.requests
    for version in (NEW, "9.9.9"):
        with pytest.raises(InventoryError, match="no host web-9") as refused:
            plan_upgrade(place.workspace, "alice", UpgradeRequest(version=version, rehearse_on="web-9"))
        assert refused.value.hint
    assert place.hosts.requests == requests


def test_without_a_drill_host_it_is_refused_and_says_what_to_do(place: Place) -> None:
    path = place.workspace.root / "inventory/hosts.yaml"
    text = path.read_text()
    path.write_text(text.replace('"drill_host": "web-2", ', ""))
    try:
        with pytest.raises(
            StateError, match="a rehearsal needs 128 MiB of memory, but only 64 MiB are free"
        ) as refused:
            upgraded(place)
    finally:
        path.write_text(text)
    assert "drill_host" in refused.value.hint and "--rehearse-on" in refused.value.hint
    assert serves(place) == OLD


@pytest.mark.parametrize("what", ["memory", "disk", "off", "bare", "data", "site"])
def test_a_drill_host_that_cannot_take_it_says_so_before_anything_is_carried(place: Place, what: str) -> None:
    words = {
        "memory": "only 64 MiB are free",
        "disk": "MiB are free",
        "off": "cannot connect",
        "bare": "accepts none of 1 keys",
        "data": "data or a site on this host",
    }
    if what == "memory":
        memory(place.there, 64)
    elif what == "disk":
        place.there.free = 100 << 20
    elif what == "off":
        place.hosts.off.add("web-2")
    elif what == "bare":  # it was never provisioned
        place.hosts.bare.add("web-2")
    elif what == "site":  # a move there was cut off
        place.there.write(paths.site("alice"), b"alice.example.com {\n}\n")
    else:
        place.there.write(paths.record("alice"), place.here.files[paths.record("alice")].data, mode=0o600)
    begun = len(place.hosts.asked)
    with pytest.raises(
        StateError, match=f"alice cannot be rehearsed: web-2: .*{words.get(what, 'a site on this host')}"
    ) as refused:
        upgraded(place, rehearse_on="web-2")
    assert "--no-rehearsal" in refused.value.hint
    assert what != "bare" or "launchpad provision web-2" in refused.value.hint
    assert serves(place) == OLD and OLD in place.file.read_text() and generation_records.kept(place.here, "alice") == []
    assert "receive" not in place.hosts.asked[begun:]
    if what == "data":
        assert place.there.read(paths.record("alice")) is not None, "somebody's own was taken away"


@dataclass
class Passing:
    """A clock whose waiting takes no time, and is what something else happens in."""

    clock: OperatorClock
    meanwhile: Callable[[], object]
    slept: float = 0.0

    def now(self) -> float:
        return self.clock.now() + self.slept

    def monotonic(self) -> float:
        return self.clock.monotonic() + self.slept

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.meanwhile()


def test_others_that_rehearse_there_are_waited_for(place: Place) -> None:
    memory(place.there, 200)
    other = a_guest(place, "operation-other1")
    list(submit(place.there, other, Caller("bob")))
    heard: list[str] = []

    def ends() -> None:
        heard.append("slept")
        engine.carry_out(place.there, "operation-other1")

    waiting = replace(place.workspace, clock=Passing(place.workspace.clock, ends))
    what = plan_upgrade(waiting, "alice", UpgradeRequest(version=NEW, soak_seconds=0))
    with suppress(OperationFailed):
        upgrade(waiting, what, confirm=Confirmation(digest=what.digest), on_event=lambda item: tell(item, heard))
    assert heard[0].startswith("waiting: web-2: alice: ") and heard[1] == "slept"
    assert serves(place) == NEW


def tell(heard: HeardEvent, into: list[str]) -> None:
    if isinstance(heard.event, StepProgress) and heard.event.text.startswith("waiting"):
        into.append(heard.event.text)


def test_one_that_does_not_end_there_is_not_waited_for_without_end(place: Place) -> None:
    memory(place.there, 200)
    list(submit(place.there, a_guest(place, "operation-other1"), Caller("bob")))
    what = planned(place)
    sure = Confirmation(digest=what.digest, patience=Patience(within=0.0))
    with pytest.raises(LockedError, match=r"the free memory is reserved for bob \(operation-other1\)"):
        upgrade(place.workspace, what, confirm=sure)
    assert serves(place) == OLD


def a_guest(place: Place, identifier: str, tenant: str = "bob") -> dict[str, Any]:
    """The request that begins a rehearsal of another host's tenant."""
    made, files = release(tenant, slot=9, domains=(f"{tenant}.example.com",))
    operation = {"kind": KIND, "tenant": tenant, "release": release_as_json(made), "files": files, "without": []}
    for host in place.both:
        host.registry |= {service.image for service in made.services}
    return {"id": identifier, "operation": operation | {"generation": "generation-of-it"}, "follow": False}


@pytest.mark.parametrize("named", [True, False])
def test_a_rollout_goes_the_same_way_and_says_so_before(place: Place, named: bool) -> None:
    path = place.workspace.root / "inventory/hosts.yaml"
    text = path.read_text()
    if not named:
        path.write_text(text.replace('"drill_host": "web-2", ', ""))
    try:
        what = plan_rollout(place.workspace, "note", RolloutRequest(version=NEW))
        progress = rollout(place.workspace, what, confirm=Confirmation(digest=what.digest))
    finally:
        path.write_text(text)
    state = progress.states["alice"]
    assert what.as_json()["short"] == {"web-1": "web-2" if named else ""}
    if named:
        assert (state.outcome, serves(place)) == ("changed", NEW), state
        assert "up" in place.there.calls and "clone" not in place.here.calls
    else:
        assert (state.outcome, serves(place)) == ("failed", OLD)
        assert "only 64 MiB are free" in state.message and "drill_host" in state.hint
    nothing_stays(place)


def rolled_out_beside_a_clone(place: Place, meanwhile: Callable[[], object]) -> MemberState:
    """How alice ends in a rollout, when another tenant's clone has the one CPU of her host."""
    memory(place.here, 4000)
    place.here.files[CPUS_ONLINE] = File(b"0\n")
    list(submit(place.here, a_guest(place, "operation-other1"), Caller("bob")))
    waiting = replace(place.workspace, clock=Passing(place.workspace.clock, meanwhile))
    what = plan_rollout(waiting, "note", RolloutRequest(version=NEW))
    return rollout(waiting, what, confirm=Confirmation(digest=what.digest)).states["alice"]


def test_a_rollout_waits_for_a_clone_that_has_the_cpus(place: Place) -> None:
    state = rolled_out_beside_a_clone(place, lambda: engine.carry_out(place.here, "operation-other1"))
    assert (state.outcome, serves(place)) == ("changed", NEW), state


def test_a_rollout_does_not_wait_without_end_for_a_clone(place: Place) -> None:
    turns = count(1)

    def meanwhile() -> None:
        assert next(turns) < 10_000, "it waits for ever"

    state = rolled_out_beside_a_clone(place, meanwhile)
    assert (state.outcome, state.silent, serves(place)) == ("unknown", False, OLD)
    assert "of 1 CPUs, but 1 are reserved for bob (operation-other1)" in state.message
    assert state.hint == "run the same command again later"


def test_a_rollout_whose_rehearsal_elsewhere_fails_counts_it_as_failed(place: Place) -> None:
    place.there.behaviours[image(NEW)] = "crash"
    what = plan_rollout(place.workspace, "note", RolloutRequest(version=NEW))
    progress = rollout(place.workspace, what, confirm=Confirmation(digest=what.digest))
    state = progress.states["alice"]
    assert state.outcome == "failed" and "in the rehearsal, note 1.1.0: web exited with status 1" in state.message, (
        state
    )
    assert serves(place) == OLD and "close_traffic" not in place.here.calls
    nothing_stays(place)


# --- who waits for what -----------------------------------------------------------------------------------------------


def test_data_that_nobody_waits_for_does_not_come(place: Place) -> None:
    body = a_guest(place, "operation-guest1")
    list(submit(place.there, body, Caller("bob")))
    what = {
        "tenant": "bob", "slot": 9, "generation": "generation-of-it", "app": "beacon", "version": "1",
        "volumes": ["state"], "disk_mb": 64, "awaited_by": "operation-guest1",
    }  # fmt: skip
    for wrong in ({"awaited_by": "operation-other1"}, {"generation": "generation-other"}):
        with pytest.raises(Refused, match="the rehearsal on this host has ended"):
            list(receive(place.there, what | wrong, Caller("bob", incoming=[])))
    engine.carry_out(place.there, "operation-guest1")
    outcome = Journal(place.there, "operation-guest1").outcome() or {}
    assert (outcome["outcome"], outcome["message"]) == ("undone", "bob: no data arrived for 300 s")
    with pytest.raises(Refused, match="the rehearsal on this host has ended"):
        list(receive(place.there, what, Caller("bob", incoming=[])))
    assert not place.there.names(paths.tenant("bob"))


def asked(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The request, with the value of the secret that its release names."""
    secrets = {"NOTE_TOKEN": {"version": 1, "value": "the token"}}
    return {"id": "operation-000001", "operation": operation, "secrets": secrets, "follow": False}


def test_a_rehearsal_s_generation_must_be_of_what_runs_and_recent(place: Place) -> None:
    operation = a_rehearsed(place)
    place.here.skew = 7 * 3600
    with pytest.raises(Refused, match="the rehearsal used data that is 7 hours old"):
        list(submit(place.here, asked(operation), Caller("ann")))
    place.here.skew = 0
    for said in ({"host": "web-2", "generation": "generation-none"}, {"host": "web-2"}):
        with pytest.raises(Refused, match=r"did not use the data of|expected the host"):
            list(submit(place.here, asked(operation | {"rehearsed": said}), Caller("ann")))
    (taken,) = generation_records.kept(place.here, "alice")
    path = paths.generation_record("alice", taken.id)
    place.here.files[path].data = place.here.files[path].data.replace(taken.release.encode(), b"0" * 12)
    with pytest.raises(Refused, match="did not use the data of the running release"):
        list(submit(place.here, asked(operation), Caller("ann")))
    assert serves(place) == OLD


def a_rehearsed(place: Place) -> dict[str, Any]:
    """An upgrade's operation whose rehearsal elsewhere is over, as web-1 would get it."""
    fleet, what = place.workspace.fleet.load(), planned(place)
    operation = _operation(place.workspace, fleet, fleet.tenant("alice"), what)
    generation = rehearse_elsewhere(place.workspace, operation, on="web-2", patience=UNTIL_ITS_END)
    return operation | {"rehearse": False, "rehearsed": {"host": "web-2", "generation": generation}}


# --- cut anywhere -----------------------------------------------------------------------------------------------------


def cuts(place: Place, saved: bytes) -> Cuts:
    def judge() -> None:
        """The tenant serves the old version or the new one, whole, and there is nothing of it on the other host; then
        the same command brings it to the new one."""
        assert serves(place) in (OLD, NEW)
        left = [path for path in (*place.there.volumes, *place.there.files) if paths.tenant("alice") in path]
        assert not left and not place.there.boxes and not place.there.networks, left
        assert upgraded(place).outcome in ("done", "unchanged")
        assert serves(place) == NEW
        nothing_stays(place)

    return Cuts(place=place, begin=lambda: place.restore(saved), work=lambda: upgraded(place), judge=judge)


@pytest.mark.parametrize("reboot", [False, True], ids=["killed", "rebooted"])
@pytest.mark.parametrize("name", ["web-1", "web-2"])
def test_killed_at_every_call(
    made: tuple[Place, bytes], name: str, reboot: bool, measured: Callable[..., None]
) -> None:
    cells = cuts(*made).host_dies(name, reboot=reboot, stride=STRIDE)
    measured("rehearsed-elsewhere-in-memory-wrong", 0, n=cells)


@pytest.mark.usefixtures("real_secret")
def test_killed_while_it_accepts_a_guest_it_keeps_no_secret_of_it(made: tuple[Place, bytes]) -> None:
    """Before the operation is on disk nobody knows of it, so nobody would remove anything."""
    assert cuts(*made).host_dies("web-2", reboot=False, stride=1, first=12) >= 12


def test_the_operator_dies_at_every_request(made: tuple[Place, bytes], measured: Callable[..., None]) -> None:
    measured("rehearsed-elsewhere-in-memory-wrong", 0, n=cuts(*made).operator_dies())


def test_a_boot_does_not_go_on_with_another_host_s_rehearsal(place: Place) -> None:
    list(submit(place.there, a_guest(place, "operation-guest1"), Caller("bob")))
    place.there.kill_at, place.there.kill_mode = len(place.there.calls) + 2, "after"
    with suppress(Killed):
        engine.carry_out(place.there, "operation-guest1")
    place.there.reboot()
    before = place.there.elapsed()
    boot(place.there)
    assert (Journal(place.there, "operation-guest1").outcome() or {})["message"] == "the operation's process was killed"
    assert place.there.elapsed() - before < 30
    assert not place.there.names(paths.tenant("bob"))


@pytest.mark.parametrize("how", ["cancelled", "killed"])
def test_data_that_came_before_anybody_looked_goes_as_well(place: Place, how: str) -> None:
    list(submit(place.there, a_guest(place, "operation-guest1"), Caller("bob")))
    folder = paths.generation("bob", "generation-of-it")
    place.there.make_data(folder, volumes=["state"], disk_mb=64, uid=1)
    place.there.write(f"{folder}.json", b"{}", mode=0o600)
    if how == "cancelled":
        Journal(place.there, "operation-guest1").ask_cancel(Caller("bob"))
    else:
        place.there.kill_at, place.there.kill_mode = len(place.there.calls) + 1, "after"
        with pytest.raises(Killed):
            engine.carry_out(place.there, "operation-guest1")
        place.there.died()
    engine.carry_out(place.there, "operation-guest1")
    assert Journal(place.there, "operation-guest1").outcome()
    assert not place.there.names(paths.tenant("bob")) and not place.there.has_data(folder)


def test_nothing_is_written_into_the_inventory_by_the_other_host_s_commit(place: Place) -> None:
    place.here.behaviours[image(NEW)] = "crash"  # here alone
    commits: list[str] = []

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, Committed):
            commits.append(heard.host)
            assert OLD in place.file.read_text()

    with pytest.raises(OperationFailed, match="upgrade failed and was undone"):
        upgraded(place, hear)
    assert "web-2" in commits
    assert OLD in place.file.read_text() and serves(place) == OLD
    nothing_stays(place)
