"""A game day between two hosts in memory: all tenants of web-1 come back on web-2 from their backups, nobody on web-1
notices, and nothing stays on web-2, whoever dies.

The end is judged by what lies and runs on the hosts, never by what is said of it.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from launchpad.errors import StateError
from launchpad.fleet.words.names import SecretName, TargetName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.journal.begun import BegunFolder
from launchpad.operations.backups.backup import backup
from launchpad.operations.backups.backup_keys import as_sent, with_key
from launchpad.operations.backups.backups import newest_with_key
from launchpad.operations.moving.gameday import GameDayEnded, gameday
from launchpad.operations.moving.gameday_plan import KIND, GameDayPlan, plan_gameday
from launchpad.operations.observation.fleet_health import fleet_health
from launchpad.operations.observation.status import status
from launchpad.operations.requests.render import rendered
from launchpad.operations.tenants.deploy import deploy
from launchpad.runner import engine, paths
from launchpad.runner.backed_up import proven_at
from launchpad.runner.caller import Caller
from launchpad.runner.facts import Grade, Layer
from launchpad.runner.journal import Journal, open_journals
from launchpad.runner.protocol import Refused, release_as_json
from launchpad.runner.rehearsal import SIDE
from launchpad.runner.verbs.submit import submit
from tests.memory.data import File
from tests.memory.host import MemoryHost
from tests.operations.cuts import Cuts
from tests.operations.moving.test_fence_move import TARGETS, TIERS
from tests.operations.places import settle_by, tenant_yaml
from tests.operations.two_hosts import IMAGE, Composing, Place, a_place
from tests.runner.verbs.view import MemoryView

NAMES = ("alice", "bob", "carol")
URL = "https://backup.example.com"
MEMINFO = "/proc/meminfo"
STRIDE = 17


class Seen(Composing, MemoryView):
    """A host that tells of itself too."""

    def disk(self) -> tuple[int, int]:
        return 64 << 30, self.free


def memory(host: MemoryHost, free_mb: int) -> None:
    host.files[MEMINFO] = File(f"MemAvailable:   {free_mb * 1024} kB\n".encode())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Place, bytes]:
    place = a_place(tmp_path_factory.mktemp("gameday") / "fleet", host=Seen)
    root = place.workspace.root
    place.workspace = replace(place.workspace, begun=BegunFolder(root))
    (root / "inventory/targets.yaml").write_text(TARGETS)
    (root / "inventory/tiers.yaml").write_text(TIERS)
    for name, value in (("REST_USER", "hosts"), ("REST_PASSWORD", "secret")):
        place.workspace.target_secrets.set(TargetName("offsite"), SecretName(name), Secret(value))
    for slot, name in enumerate(NAMES[1:], start=2):
        (root / f"inventory/tenants/{name}.yaml").write_text(tenant_yaml(slot, "web-1", name, app="note"))
        place.workspace.secrets.set(TenantName(name), SecretName("NOTE_TOKEN"), Secret("the token"))
    for host in place.both:
        settle_by(place.workspace, host)
        memory(host, 4000)
    for name in NAMES[1:]:
        deploy(place.workspace, name)
    for name in NAMES:
        assert backup(place.workspace, name).complete
    place.there.repositories = place.here.repositories
    return place, place.saved()


@pytest.fixture
def place(made: tuple[Place, bytes]) -> Place:
    restored(*made)
    return made[0]


def restored(place: Place, saved: bytes) -> None:
    place.restore(saved)
    shutil.rmtree(place.workspace.state / "begun", ignore_errors=True)


def planned(place: Place) -> GameDayPlan:
    return plan_gameday(place.workspace, "web-1")


def played(place: Place, **more: Any) -> GameDayEnded:
    what = planned(place)
    return gameday(place.workspace, what, confirm=what.digest, **more)


def problems(ended: GameDayEnded) -> dict[str, str]:
    return {item.tenant: item.problem for item in ended.record.tenants}


ALL_BACK = dict.fromkeys(NAMES, "")


def no_clone(there: MemoryHost) -> None:
    assert not there.boxes and not there.networks and not there.locks
    assert not [unit for unit in there.running if "-look-" not in unit], "a look at a repository ends by itself"
    assert not list(open_journals(there))
    assert not [path for path in there.volumes if paths.TENANTS in path]
    assert not [path for path in there.files if path in {paths.source(name) for name in NAMES}]


def nothing_stays(there: MemoryHost) -> None:
    no_clone(there)
    for table in (there.files, there.folders, there.links, there.volumes):
        own = [path for path in table if any(f"/{name}" in path for name in NAMES)]
        assert not own, own


@contextmanager
def unnoticed(place: Place) -> Iterator[None]:
    """No container, no data and no repository of web-1 changes in the block."""

    def looked() -> Any:
        data = {path: item for path, item in place.here.files.items() if "/data/" in path}
        boxes = {name: (box.state, box.started_at) for name, box in place.here.boxes.items()}
        return boxes, data, {key: list(item.snapshots) for key, item in place.here.repositories.items()}

    before = looked()
    yield
    assert looked() == before


def test_all_come_back_elsewhere_and_nobody_notices(place: Place) -> None:
    told: list[str] = []
    with unnoticed(place):
        ended = played(place, on_returned=lambda item: told.append(item.tenant))
    assert problems(ended) == ALL_BACK and ended.unrecorded is None
    assert sorted(told) == list(NAMES)
    assert {item.host for item in ended.record.tenants} == {"web-2"}
    assert all(item.seconds > 0 for item in ended.record.tenants)
    nothing_stays(place.there)
    assert place.there.calls.count("up") == 3
    for name in NAMES:
        assert proven_at(place.here, name), "its backup counts as proven at home"


def test_the_host_knows_and_status_and_health_say_so(place: Place) -> None:
    def layer() -> tuple[Grade, str]:
        (fact,) = [
            fact
            for item in fleet_health(place.workspace).each
            if item.name == "web-1"
            for fact in item.facts
            if fact.layer is Layer.loss
        ]
        return fact.grade, fact.message

    assert layer() == (Grade.warning, "never proven")
    played(place)
    grade, said = layer()
    assert grade is Grade.ok and said.startswith("3 of 3 back in ") and said.endswith("proven within the last hour")
    shown = status(place.workspace)
    assert shown.losses["web-1"].message == said and "web-2" not in shown.losses
    assert json.loads(json.dumps(shown.as_json()))["hosts"]["web-1"]["gameday"]["by"] == "alice"
    place.here.skew += 31 * 86400
    assert layer() == (Grade.warning, said.replace("within the last hour", "31 days ago"))


def test_a_clone_has_no_way_out_and_no_secret_of_its_tenant(place: Place) -> None:
    seen: list[Any] = []
    up = place.there.up

    def started(folder: str, project: str, environment: Any) -> None:
        up(folder, project, environment)
        own = {path: item.data for path, item in place.there.files.items() if f"/{SIDE}/" in path and "/run/" in path}
        (tenant,) = {box.tenant.removesuffix("_clone") for box in place.there.boxes.values()}
        seen.append((dict(place.there.networks), own, place.there.folders[paths.tenant(tenant)]))

    place.there.up = started  # type: ignore[method-assign]  # to look in at the moment of the start; taken away below
    try:
        played(place)
    finally:
        del place.there.up
    assert len(seen) == 3
    for networks, secrets, folder in seen:
        assert folder == (0o711, 0), "as on the tenant's own host"
        assert all(network[3] for network in networks.values()), "a network that is not internal"
        assert secrets and all(value.startswith(b"rehearsal-") for value in secrets.values())


def test_a_secret_that_the_data_was_made_with_goes_along_and_does_not_stay(place: Place) -> None:
    app = place.workspace.root / "inventory/apps/note.yaml"
    text = app.read_text()
    app.write_text(text.replace("secrets: [{name: NOTE_TOKEN", "secrets: [{rehearse: real, name: NOTE_TOKEN"))
    seen: list[bytes] = []
    up = place.there.up

    def started(folder: str, project: str, environment: Any) -> None:
        up(folder, project, environment)
        own = f"/{SIDE}/NOTE_TOKEN"
        seen.extend(item.data for path, item in place.there.files.items() if path.endswith(own))

    place.there.up = started  # type: ignore[method-assign]  # as above
    try:
        assert problems(played(place)) == ALL_BACK
    finally:
        del place.there.up
        app.write_text(text)
    assert len(seen) == 3 and all(b"the token" in value for value in seen)
    nothing_stays(place.there)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("broken", "restic: no matching ID"),
        ("gone", "no target has a backup of bob"),
        ("older", "holds note 0.9.0, but the inventory has version 1.0.0"),
    ],
)
def test_one_whose_backup_is_broken_is_named_and_the_others_come_back(place: Place, how: str, said: str) -> None:
    repository = place.there.repositories[URL, "bob"]
    if how == "broken":
        repository.content.clear()
    elif how == "gone":
        del place.there.repositories[URL, "bob"]
    else:
        for item in repository.snapshots:
            item["tags"] = [tag.replace("version=1.0.0", "version=0.9.0") for tag in item["tags"]]
    with unnoticed(place):
        found = problems(played(place))
    assert said in found.pop("bob") and found == {"alice": "", "carol": ""}
    nothing_stays(place.there)
    assert proven_at(place.here, "bob") is None and proven_at(place.here, "alice")
    said_of = status(place.workspace).losses["web-1"]
    assert said_of.grade is Grade.warning and "2 of 3 back" in said_of.message and "not back: bob" in said_of.message


def test_who_does_not_become_ready_is_not_back(place: Place) -> None:
    place.there.behaviours[IMAGE] = "crash"
    found = problems(played(place))
    assert all("web exited with status 1" in why for why in found.values()), found
    nothing_stays(place.there)


# --- the placement


def test_what_has_no_place_is_told_before_anything_begins_and_counts_as_lost(place: Place) -> None:
    memory(place.there, 300)
    what = planned(place)
    assert what.placed == {"alice": "web-2", "bob": "web-2"}
    assert what.left == {"carol": "web-2 has 44 MiB of memory left, 128 MiB are needed"}
    assert "submit" not in place.hosts.asked[-3:]
    ended = gameday(place.workspace, what, confirm=what.digest)
    assert problems(ended) == {"alice": "", "bob": "", "carol": what.left["carol"]}


@pytest.mark.parametrize(
    ("targets", "tiers", "said"),
    [
        (TARGETS, TIERS.replace(", backup: {targets: [offsite]}", ""), "tier light has no backups"),
        ("offsite: {kind: local, url: /mnt/backup}\n", TIERS, "its backups are only in a folder on its own host"),
    ],
)
def test_who_has_nothing_that_outlives_its_host_has_no_place(place: Place, targets: str, tiers: str, said: str) -> None:
    root = place.workspace.root / "inventory"
    try:
        (root / "targets.yaml").write_text(targets)
        (root / "tiers.yaml").write_text(tiers)
        assert planned(place).left == dict.fromkeys(NAMES, said)
    finally:
        (root / "targets.yaml").write_text(TARGETS)
        (root / "tiers.yaml").write_text(TIERS)


def test_a_host_that_has_something_of_the_tenant_keeps_it(place: Place) -> None:
    place.there.write(paths.record("alice"), place.here.files[paths.record("alice")].data, mode=0o600)
    assert planned(place).left == {"alice": "web-2 has data of alice already"}
    assert problems(played(place))["alice"] == "web-2 has data of alice already"
    assert place.there.read(paths.record("alice")) is not None


def test_without_another_host_it_is_refused(place: Place) -> None:
    with pytest.raises(StateError, match="web-1: no other host for its tenants"):
        plan_gameday(place.workspace, "web-1", to=["web-1"])


def test_only_the_plan_that_was_confirmed_is_carried_out(place: Place) -> None:
    with pytest.raises(StateError, match="was not confirmed"):
        gameday(place.workspace, planned(place), confirm="another")
    nothing_stays(place.there)


# --- whoever dies


def test_a_host_that_dies_in_the_middle_is_said(place: Place) -> None:
    ended = played(place, on_returned=lambda _: place.hosts.off.add("web-2"))
    found = problems(ended)
    assert found.pop("alice") == "" and found == dict.fromkeys(("bob", "carol"), "web-2: cannot connect")
    assert ended.unrecorded is None, "web-1 knows"


def test_where_the_host_does_not_answer_the_same_command_records_it_later(place: Place) -> None:
    place.hosts.off.add("web-1")
    ended = played(place)
    assert problems(ended) == ALL_BACK and ended.unrecorded is not None
    assert place.here.read(paths.GAMEDAY) is None
    place.hosts.off.clear()
    clones = place.there.calls.count("up")
    again = played(place)
    assert problems(again) == ALL_BACK and again.unrecorded is None
    assert place.there.calls.count("up") == clones == 3, "what was done was done again"
    assert place.here.read(paths.GAMEDAY) is not None
    played(place)
    assert place.there.calls.count("up") == 6, "a later one is another one"


def a_drill(place: Place) -> dict[str, Any]:
    """The request that has web-2 prove alice's newest backup."""
    fleet = place.workspace.fleet.load()
    tenant = fleet.tenant("alice").model_copy(update={"host": "web-2"})
    found, key = newest_with_key(place.workspace, tenant)
    made = rendered(place.workspace, fleet, tenant)
    operation = {"kind": KIND, "tenant": "alice", "snapshot": found.id, "files": dict(made.files)}
    operation |= {"release": release_as_json(made.release), "targets": as_sent([fleet.target("offsite")])}
    return {"id": "operation-drill1", "operation": operation, "secrets": with_key(key), "follow": False}


def test_what_was_sealed_before_the_first_step_goes_as_well(place: Place) -> None:
    list(submit(place.there, a_drill(place), Caller("bob")))
    assert place.there.read(paths.source("alice")) is not None
    Journal(place.there, "operation-drill1").ask_cancel(Caller("bob"))
    engine.carry_out(place.there, "operation-drill1")
    nothing_stays(place.there)


@pytest.mark.parametrize("wrong", ["no key", "another tenant's release", "a folder on a host"])
def test_what_no_game_day_asks_for_is_refused(place: Place, wrong: str) -> None:
    body = a_drill(place)
    if wrong == "no key":
        body["secrets"] = {}
    elif wrong == "another tenant's release":
        body["operation"]["tenant"] = "bob"
    else:
        body["operation"]["targets"] = [{"name": "disk", "kind": "local", "url": "/mnt/backup", "host_keys": []}]
    with pytest.raises(Refused):
        list(submit(place.there, body, Caller("bob")))
    nothing_stays(place.there)


def cuts(place: Place, saved: bytes) -> Cuts:
    def judge() -> None:
        """No clone is there; then the same command brings all back, and nothing stays."""
        no_clone(place.there)
        assert problems(played(place)) == ALL_BACK
        nothing_stays(place.there)
        assert place.here.read(paths.GAMEDAY) is not None
        assert not BegunFolder(place.workspace.root).all()

    return Cuts(place=place, begin=lambda: restored(place, saved), work=lambda: played(place), judge=judge)


@pytest.mark.parametrize("reboot", [False, True], ids=["killed", "rebooted"])
@pytest.mark.parametrize("name", ["web-1", "web-2"])
def test_killed_at_every_call(
    made: tuple[Place, bytes], name: str, reboot: bool, measured: Callable[..., None]
) -> None:
    cells = cuts(*made).host_dies(name, reboot=reboot, stride=STRIDE)
    measured("ops-gameday-in-memory-wrong", 0, n=cells)


def test_killed_while_it_accepts_a_guest_it_keeps_no_secret_of_it(made: tuple[Place, bytes]) -> None:
    """Before the operation is on disk nobody knows of it, so nobody would remove anything."""
    assert cuts(*made).host_dies("web-2", reboot=False, stride=1, first=12) >= 12


def test_the_operator_dies_at_every_request(made: tuple[Place, bytes], measured: Callable[..., None]) -> None:
    measured("ops-gameday-in-memory-wrong", 0, n=cuts(*made).operator_dies(stride=2))
