"""A move between two hosts in memory: what goes over, who may run when, and what a cut leaves.

The end is judged by which containers run and what lies on the hosts, never by what is said of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from launchpad.errors import HostError, StateError
from launchpad.events import Committed, HeardEvent, StepDone, StepStarted
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.operations.moving.finish_move import finish_move
from launchpad.operations.moving.move import move, move_back, plan_move
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.operations.tenants.deploy import deploy
from launchpad.operations.tenants.retire import plan_retirement, retire
from launchpad.runner import paths
from launchpad.runner.boot import boot
from launchpad.runner.caller import Caller
from launchpad.runner.moving.sealed_certificates import FOLDER
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import Refused, canonical
from launchpad.runner.verbs.submit import submit
from tests.operations.cuts import Cuts
from tests.operations.two_hosts import CERTIFICATE, NOTE, Place, a_place, certificate_of, put_certificate

STRIDE = 17
"""Of the calls at which a host may die: every so many in the quick tests, all of them for the evidence."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, bytes]:
    place = a_place(tmp_path_factory.mktemp("moving") / "fleet")
    return place, place.saved()


@pytest.fixture
def place(made: tuple[Place, bytes]) -> Place:
    made[0].restore(made[1])
    return made[0]


def judge_moved(place: Place) -> None:
    """alice is on web-2 with all that she had, and nowhere else."""
    assert place.writers() == 1
    assert {box.state for box in place.there.boxes.values()} == {"running"}
    assert place.there.files[f"{paths.data('alice')}/state/note"].data == NOTE
    assert place.there.request("alice.example.com") == (read_record(place.there, "alice") or {})["release"]
    assert not place.there.muted
    assert certificate_of(place.there) == CERTIFICATE.encode()
    assert place.visit() == place.visit("web-2")
    assert "web-2" in place.file.read_text()
    assert b"reverse_proxy https://127.0.0.1:443" in place.here.sites[paths.site("alice")]
    assert place.here.files[f"{paths.data('alice')}/state/note"].data == NOTE, "the old data is not kept"
    assert not [path for path in place.there.files if "CADDY_CERTIFICATES" in path]
    assert not place.there.has_data(paths.received("alice"))


def test_everything_goes_over_and_the_old_host_passes_requests_on(place: Place) -> None:
    moved = place.move()
    assert moved.outcome == "done" and moved.written and not moved.problems
    judge_moved(place)
    place.reboot()
    judge_moved(place)


def test_whoever_comes_meanwhile_waits_where_it_goes(place: Place) -> None:
    told: list[tuple[str, str, str]] = []

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, StepStarted | StepDone):
            told.append((heard.host, type(heard.event).__name__, heard.event.step))

    what = plan_move(place.workspace, "alice", to="web-2")
    move(place.workspace, what, confirm=Confirmation(digest=what.digest), on_event=hear)
    order = [
        ("web-2", "StepDone", "place-certificates"),
        ("web-2", "StepDone", "put-site"),
        ("web-1", "StepDone", "put-forward"),
        ("web-1", "StepStarted", "hold-traffic"),
        ("web-2", "StepStarted", "start-side"),
    ]
    assert sorted(map(told.index, order)) == list(map(told.index, order))
    assert [step for _, _, step in told].count("put-site") == 2, "a site is put once"
    assert [step for _, _, step in told].count("put-forward") == 2, "requests are passed on once"


def test_a_move_loads_each_caddy_once(place: Place) -> None:
    before = [host.reloads for host in place.both]
    place.move()
    assert [host.reloads for host in place.both] == [count + 1 for count in before]


def test_who_has_no_certificate_yet_is_passed_on_once_it_has_arrived(place: Place) -> None:
    for path in [path for path in place.here.files if path.startswith(FOLDER)]:
        del place.here.files[path]
    told: list[str] = []

    def hear(heard: HeardEvent) -> None:
        if isinstance(heard.event, Committed | StepStarted):
            told.append(f"{heard.host} {getattr(heard.event, 'step', 'committed')}")

    what = plan_move(place.workspace, "alice", to="web-2")
    assert move(place.workspace, what, confirm=Confirmation(digest=what.digest), on_event=hear).outcome == "done"
    assert told.index("web-2 put-site") > told.index("web-1 entomb")
    assert told.index("web-1 put-forward") > told.index("web-2 open-traffic")


def test_an_older_runner_is_not_asked_to_pass_on_ahead(place: Place) -> None:
    place.hosts.older.add("web-1")
    assert place.move().outcome == "done"
    judge_moved(place)


def test_the_same_again_changes_nothing(place: Place) -> None:
    place.move()
    before = [(len(host.calls), dict(host.boxes)) for host in place.both]
    assert place.move().outcome == "unchanged"
    assert [dict(host.boxes) for host in place.both] == [boxes for _, boxes in before]
    judge_moved(place)


def test_there_and_back_again(place: Place) -> None:
    place.move()
    place.there.files[f"{paths.data('alice')}/state/note"].data = b"newer"
    place.move("web-1")
    assert place.writers() == 1
    assert place.here.files[f"{paths.data('alice')}/state/note"].data == b"newer"
    assert place.here.request("alice.example.com") == (read_record(place.here, "alice") or {})["release"]
    assert "web-1" in place.file.read_text()
    place.reboot()
    assert place.writers() == 1
    place.file.write_text(place.file.read_text().replace('"alice.example.com"', '"alice.example.com", "a.example.com"'))
    assert deploy(place.workspace, "alice").outcome == "done"
    assert (read_record(place.here, "alice") or {})["epoch"] == 3, "a deploy forgot the epoch"
    place.reboot()
    assert place.writers() == 1


@pytest.mark.parametrize("way", ["moved home", "called back"])
def test_who_came_home_and_was_purged_starts_anew(place: Place, way: str) -> None:
    """The tombstone of then forbids nothing any more, and no receipt of then is taken."""
    if way == "moved home":
        place.move()
        place.move("web-1")
    else:
        left(place)
        back(place)
        place.there.behaviours = {}
    what = plan_retirement(place.workspace, "alice", purge=True)
    retire(place.workspace, what, confirm=what.digest)
    assert place.writers() == 0
    assert deploy(place.workspace, "alice").outcome == "done"
    place.reboot()
    assert place.writers() == 1 and place.here.request("alice.example.com") not in ("refused", "held")
    put_certificate(place.here)
    place.move()
    record = read_record(place.there, "alice") or {}
    assert record["epoch"] > 3 and place.writers() == 1
    place.reboot()
    assert place.writers() == 1 and place.there.request("alice.example.com") == record["release"]


def left(place: Place) -> None:
    """alice left for web-2, which could not start her."""
    place.there.behaviours = dict.fromkeys(place.there.registry, "crash")
    with pytest.raises(OperationFailed):
        place.move()


def back(place: Place, proof: str = "") -> None:
    what = plan_move(place.workspace, "alice", to="web-2")
    move_back(place.workspace, what, confirm=Confirmation(digest=what.digest), proof=proof)


def test_who_left_for_a_host_that_is_gone_for_good_comes_back(place: Place) -> None:
    left(place)
    with pytest.raises(StateError, match="web-2 answers, so it is not permanently off"):
        back(place, proof="seen")
    place.hosts.off.add("web-2")
    with pytest.raises(HostError):
        back(place)
    with pytest.raises(StateError, match="sure that web-2 is off"):
        back(place, proof="two\nlines")
    assert place.writers() == 0
    back(place, proof="deleted at the provider")
    assert place.writers() == 1
    assert place.here.request("alice.example.com") == (read_record(place.here, "alice") or {})["release"]
    assert place.here.files[f"{paths.data('alice')}/state/note"].data == NOTE
    place.here.reboot()
    boot(place.here)
    assert place.writers() == 1
    place.hosts.off.clear()
    place.there.reboot()
    boot(place.there)
    assert place.writers() == 1, "what was gone started her"
    place.there.behaviours = {}
    place.move()
    judge_moved(place)


def test_a_version_that_was_written_meanwhile_does_not_start_on_the_old_ones_data(place: Place) -> None:
    left(place)
    place.hosts.off.add("web-2")
    record = read_record(place.here, "alice") or {}
    place.here.write(paths.record("alice"), canonical(record | {"version": "0.9.0"}), mode=0o600)
    with pytest.raises(StateError, match=r"0\.9\.0 is running, but the inventory has version 1"):
        back(place, proof="deleted at the provider")
    assert place.writers() == 0


@pytest.fixture
def addressed(place: Place) -> Iterator[Callable[[str], None]]:
    """Gives the hosts another address in the inventory."""
    file = place.workspace.root / "inventory/hosts.yaml"
    before = file.read_text()

    def write(address: str) -> None:
        file.write_text(before.replace("127.0.0.1", address))

    yield write
    file.write_text(before)


def test_hosts_that_are_addressed_by_name_are_moved_between(place: Place, addressed: Callable[[str], None]) -> None:
    addressed("localhost")
    done = place.move()
    assert done.address == "127.0.0.1"
    judge_moved(place)
    left_again = plan_move(place.workspace, "alice", to="web-1")
    assert move(place.workspace, left_again, confirm=Confirmation(digest=left_again.digest)).address == "127.0.0.1"
    assert place.writers() == 1


def test_who_was_called_back_to_a_host_by_name_is_there(place: Place, addressed: Callable[[str], None]) -> None:
    addressed("localhost")
    left(place)
    back(place)
    assert place.writers() == 1


def test_a_name_that_leads_nowhere_is_told_before_anything_happens(
    place: Place, addressed: Callable[[str], None]
) -> None:
    addressed("vps1.nowhere.invalid")
    with pytest.raises(StateError, match=r"web-2: cannot resolve vps1\.nowhere\.invalid") as caught:
        place.move()
    assert "inventory/hosts.yaml" in caught.value.hint
    assert place.there.calls == [] and place.writers() == 1


def test_who_left_is_not_started_by_anybody(place: Place) -> None:
    old = place.file.read_bytes()
    place.move()
    place.file.write_bytes(old)  # a checkout of before
    with pytest.raises(StateError, match="alice moved from this host to web-2"):
        deploy(place.workspace, "alice")
    for kind in ("start", "restart", "snapshot"):
        operation = {"kind": kind, "tenant": "alice"}
        with pytest.raises(Refused, match="alice moved from this host to web-2"):
            list(submit(place.here, {"id": f"a-{kind}-000001", "operation": operation, "follow": False}, Caller("ann")))
    assert place.writers() == 1


def test_finishing_leaves_the_data_and_a_purge_leaves_the_tombstone(place: Place) -> None:
    old = place.file.read_bytes()
    place.move()

    class Leads:
        def point(self, names: object, address: str) -> bool:
            return False

        def leads_to(self, name: str) -> frozenset[str]:
            return frozenset({"192.0.2.1"})

    with pytest.raises(StateError, match=r"does not yet point alice\.example\.com only to web-2"):
        finish_move(place.workspace, "alice", dns=Leads())
    finish_move(place.workspace, "alice", dns=Leads(), despite_dns=True)
    assert paths.site("alice") not in place.here.sites
    assert place.here.has_data(paths.data("alice"))
    what = plan_retirement(place.workspace, "alice", host="web-1", purge=True)
    retire(place.workspace, what, confirm=what.digest)
    assert not place.here.has_data(paths.data("alice"))
    place.file.write_bytes(old)
    with pytest.raises(StateError, match="alice moved from this host to web-2"):
        deploy(place.workspace, "alice")


def test_a_destination_that_cannot_start_it_gives_it_back(place: Place) -> None:
    place.there.behaviours = dict.fromkeys(place.there.registry, "crash")
    with pytest.raises(OperationFailed) as failed:
        place.move()
    assert "to resume the move: launchpad move alice --to web-2" in failed.value.hint
    assert place.writers() == 0
    assert not place.there.has_data(paths.data("alice"))
    what = plan_move(place.workspace, "alice", to="web-2")
    move_back(place.workspace, what, confirm=Confirmation(digest=what.digest))
    assert place.writers() == 1
    assert place.here.request("alice.example.com") == (read_record(place.here, "alice") or {})["release"]
    assert place.here.files[f"{paths.data('alice')}/state/note"].data == NOTE
    place.reboot()
    assert place.writers() == 1
    assert paths.site("alice") not in place.there.sites, "requests still wait where it will never start"
    place.there.behaviours = {}
    place.move()
    judge_moved(place)


def test_a_destination_where_it_is_not_well_is_told_and_keeps_what_came_in(place: Place) -> None:
    place.there.behaviours = dict.fromkeys(place.there.registry, "flash")
    moved = place.move()
    (problem,) = (text for text in moved.problems if "while the release was watched" in text)
    assert problem.startswith("web-2: ") and "launchpad status alice" in problem
    assert "web-2" in place.file.read_text(), "it is there, whatever it does"
    new = f"{paths.data('alice')}/state/new"
    place.there.write(new, b"came in since")
    place.there.behaviours = {}
    place.move("web-1")
    assert place.writers() == 1
    assert place.here.read(new) == b"came in since"


def test_a_host_whose_promises_leave_no_room_is_not_moved_to(tmp_path: Path) -> None:
    place = a_place(tmp_path / "fleet")
    old, hosts = place.file.read_bytes(), place.workspace.root / "inventory/hosts.yaml"
    first, second = hosts.read_text().split("web-2", 1)
    hosts.write_text(f"{first}web-2{second.replace('60GiB', '25GiB')}")
    tier = place.workspace.root / "inventory/tiers.yaml"
    tier.write_text(tier.read_text().replace("disk: 1GiB", "disk: 26GiB"))
    with pytest.raises(InventoryMistakes, match="web-2: 26GiB of disk allocated") as caught:
        place.move()
    assert caught.value.hint == "nothing was changed: alice cannot be on web-2"
    assert place.file.read_bytes() == old
    assert place.writers() == 1 and not place.there.sites


def test_who_has_arrived_is_not_called_back(place: Place) -> None:
    place.move()
    what = plan_move(place.workspace, "alice", to="web-2")
    with pytest.raises(StateError, match="already arrived on web-2"):
        move_back(place.workspace, what, confirm=Confirmation(digest=what.digest))
    judge_moved(place)


def test_a_source_that_is_off_after_the_arrival_is_told_and_catches_up(place: Place) -> None:
    place.move()
    hosts = place.hosts
    hosts.off.add("web-1")
    again = place.move()
    assert again.problems and "web-1 does not forward requests yet" in again.problems[0]


# --- cut anywhere -----------------------------------------------------------------------------------------------------


def cuts(place: Place, saved: bytes) -> Cuts:
    def meanwhile() -> None:
        assert place.writers() <= 1
        assert place.visit() != "refused"

    def judge() -> None:
        for _ in range(2):
            try:
                place.move()
            except OperationFailed:
                continue  # a host undid it after the third death, or what was asked before
            break
        judge_moved(place)
        place.reboot()
        assert place.writers() == 1

    def begin() -> None:
        place.restore(saved)

    return Cuts(place=place, begin=begin, work=place.move, judge=judge, meanwhile=meanwhile)


@pytest.mark.parametrize("reboot", [False, True], ids=["killed", "rebooted"])
@pytest.mark.parametrize("name", ["web-1", "web-2"])
def test_killed_at_every_call(
    made: tuple[Place, bytes], name: str, reboot: bool, measured: Callable[..., None]
) -> None:
    cells = cuts(*made).host_dies(name, reboot=reboot, stride=STRIDE)
    measured("moves-in-memory-wrong", 0, n=cells)


def test_the_operator_dies_at_every_request(made: tuple[Place, bytes], measured: Callable[..., None]) -> None:
    measured("moves-in-memory-wrong", 0, n=cuts(*made).operator_dies(settle=False))


def test_the_way_back_to_a_host_that_passes_requests_on_has_no_end_where_they_circle(place: Place) -> None:
    """Its names may lead to either host, whichever request the operator dies at."""
    place.move()
    moved = place.saved()

    def meanwhile() -> None:
        assert place.visit("web-1") != "refused" and place.visit("web-2") != "refused"

    def judge() -> None:
        place.move("web-1")
        assert place.writers() == 1
        assert place.visit("web-1") == place.visit("web-2") == (read_record(place.here, "alice") or {})["release"]

    def begin() -> None:
        place.restore(moved)

    way_back = Cuts(place=place, begin=begin, work=lambda: place.move("web-1"), judge=judge, meanwhile=meanwhile)
    way_back.operator_dies(settle=False)


def test_a_host_that_is_off_is_waited_for(place: Place) -> None:
    place.hosts.off.add("web-2")
    with pytest.raises(HostError):
        place.move()
    assert place.writers() == 1 and "web-1" in place.file.read_text()
