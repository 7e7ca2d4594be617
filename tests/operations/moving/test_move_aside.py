"""A maintenance that moves tenants away before the reboot and back afterwards, between two hosts in memory.

The end is judged by what runs on the hosts and where DNS leads, never by what is said of it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.words.names import SecretName, TenantName
from launchpad.fleet.words.secret import Secret
from launchpad.journal.begun import BegunFolder
from launchpad.operations.dns.resolver import Resolver
from launchpad.operations.hosts.maintain import HowToMaintain, Maintained, maintain
from launchpad.operations.hosts.maintenance_note import read_note
from launchpad.operations.moving.move_aside import MovesAside
from launchpad.operations.tenants.deploy import deploy
from launchpad.operations.tenants.stop import stop
from launchpad.runner import boot, booting, paths
from launchpad.runner.alerting.state import silences
from tests.memory.effects import Killed
from tests.memory.system import MemorySystem
from tests.operations.cuts import Cuts
from tests.operations.hosts.test_maintain import WatchedClock, watched
from tests.operations.moving.test_gameday import Seen, memory
from tests.operations.places import tenant_yaml
from tests.operations.two_hosts import IMAGE, NOTE, Asked, Hosts, Place, a_place

NAMES = ("alice", "bob")
ADDRESSES = {"web-1": "192.0.2.1", "web-2": "192.0.2.2"}
HOST_STRIDE, HOST_EVIDENCE_STRIDE, OPERATOR_STRIDE = 211, 13, 11


@dataclass
class Zone:
    """A DNS provider; with `asleep`, resolvers do not see what it is told."""

    leads: dict[str, str] = field(default_factory=dict)
    asleep: bool = False

    def point(self, names: Sequence[str], address: str) -> bool:
        self.leads |= {} if self.asleep else dict.fromkeys(names, address)
        return True

    def leads_to(self, name: str) -> frozenset[str]:
        return frozenset({self.leads[name]})


class Passing(Seen):
    """A host whose sites that pass requests on are not read: the judge in memory knows no such site."""

    def running_sites(self) -> Any:
        own = [text for text in self.sites.values() if b"reverse_proxy https://" not in text]
        return [self.adapt(text.decode()) for text in own]


class Rebooting(Asked):
    """What systemd does when an operation has the machine reboot."""

    def _carry_out(self, identifier: str) -> None:
        try:
            super()._carry_out(identifier)
        except Killed:
            host: Any = self.host
            host.reboot()
            assert boot.boot(host) == boot.DONE
            watched(host)


@dataclass
class RebootingHosts(Hosts):
    @contextmanager
    def reach(self, host: Any) -> Iterator[Asked]:
        with super().reach(host) as runner:
            yield Rebooting(**vars(runner))


@dataclass
class Night:
    """The two hosts, an update on web-1 that needs a reboot, and the names of its tenants."""

    place: Place
    saved: bytes
    zone: Zone
    tenants: dict[str, str]

    def begin(self) -> None:
        place, root = self.place, self.place.workspace.root
        place.restore(self.saved)
        for name, text in self.tenants.items():
            (root / f"inventory/tenants/{name}.yaml").write_text(text)
        for folder in ("begun", "maintaining"):
            shutil.rmtree(place.workspace.state / folder, ignore_errors=True)
        self.zone.asleep = False
        self.zone.leads = {f"{name}.example.com": ADDRESSES["web-1"] for name in NAMES}

    def maintain(self, *, move: bool = True, dns: Any = None) -> Maintained | LaunchpadError:
        aside = MovesAside(workspace=self.place.workspace, dns=dns or self.zone) if move else None
        return maintain(self.place.workspace, ["web-1"], how=HowToMaintain(reboot=True, patience=60, aside=aside))[
            "web-1"
        ]

    def done(self, **more: Any) -> Maintained:
        found = self.maintain(**more)
        assert isinstance(found, Maintained), found
        return found

    def runs_on(self, name: str) -> list[str]:
        hosts = {"web-1": self.place.here, "web-2": self.place.there}
        running = {
            where for where, host in hosts.items() for box in host.boxes.values()
            if box.tenant == name and box.state == "running"
        }  # fmt: skip
        return sorted(running)

    def judge_home(self) -> None:
        """All is as before, and the updates are installed."""
        here: Any = self.place.here
        for name in NAMES:
            assert self.runs_on(name) == ["web-1"]
            assert self.zone.leads[f"{name}.example.com"] == ADDRESSES["web-1"]
            assert paths.site(name) not in self.place.there.sites, "requests are forwarded for ever"
        assert here.files[f"{paths.data('alice')}/state/note"].data == NOTE
        assert here.system.waiting == () and here.read(paths.REBOOT) is None
        assert "web-1" in self.place.file.read_text()
        assert read_note(self.place.workspace.root, "web-1") is None
        assert not silences(here)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Night:
    place = a_place(tmp_path_factory.mktemp("aside") / "fleet", host=Passing)
    root, hosts = place.workspace.root, place.workspace.root / "inventory/hosts.yaml"
    for address in ADDRESSES.values():
        hosts.write_text(hosts.read_text().replace('"127.0.0.1"', f'"{address}"', 1))
    (root / "inventory/tenants/bob.yaml").write_text(tenant_yaml(2, "web-1", "bob", app="note"))
    place.workspace.secrets.set(TenantName("bob"), SecretName("NOTE_TOKEN"), Secret("the token"))
    place.hosts = RebootingHosts(**vars(place.hosts))
    clock: Any = WatchedClock(place.hosts.hosts)  # type: ignore[arg-type]
    place.workspace = replace(place.workspace, hosts=place.hosts, clock=clock, begun=BegunFolder(root))
    deploy(place.workspace, "bob")
    for host in place.both:
        found: Any = host
        found.system = MemorySystem(found)
        booting.begin_with(host)
        memory(host, 4000)
        watched(found)
    here: Any = place.here
    here.system.waiting, here.system.wants_reboot = ("linux-image-amd64",), True
    texts = {name: (root / f"inventory/tenants/{name}.yaml").read_text() for name in NAMES}
    return Night(place, place.saved(), Zone(), texts)


@pytest.fixture
def night(made: Night) -> Night:
    made.begin()
    return made


def test_tenants_serve_elsewhere_during_the_reboot_and_are_back_afterwards(night: Night) -> None:
    during: list[Any] = []
    reboot = night.place.here.reboot

    def looked() -> None:
        forwarding = [name for name in NAMES if paths.site(name) in night.place.here.sites]
        during.append(({name: night.runs_on(name) for name in NAMES}, dict(night.zone.leads), forwarding))
        reboot()

    night.place.here.reboot = looked  # type: ignore[method-assign]  # taken away below
    try:
        done = night.done()
    finally:
        del night.place.here.reboot
    assert done.rebooted and done.elsewhere == {}
    ((ran, leads, forwarding),) = during
    assert not forwarding, "a host that still forwards requests cannot hold them for who returns"
    assert ran == {name: ["web-2"] for name in NAMES}
    assert set(leads.values()) == {ADDRESSES["web-2"]}
    night.judge_home()
    assert night.done().outcome == "unchanged"
    night.judge_home()


def test_a_second_night_moves_them_again_to_where_their_older_data_is(night: Night) -> None:
    night.done()
    here: Any = night.place.here
    here.system.waiting = ("libc6",)
    assert MovesAside(workspace=night.place.workspace, dns=night.zone).plan("web-1").moving == dict.fromkeys(
        NAMES, "web-2"
    )
    boots = here.boots
    assert night.done().rebooted and here.boots == boots + 1
    night.judge_home()


def test_without_a_reboot_nobody_moves(night: Night) -> None:
    here: Any = night.place.here
    here.system.wants_reboot = False
    begun = len(night.place.there.calls)
    assert night.done().updates
    assert "start_side" not in night.place.there.calls[begun:] and night.place.there.boxes == {}
    night.judge_home()


def test_who_cannot_move_is_named_before_anything_happens_and_stays(night: Night) -> None:
    memory(night.place.there, 200)
    aside = MovesAside(workspace=night.place.workspace, dns=night.zone)
    made = aside.plan("web-1")
    assert made.moving == {"alice": "web-2"}
    assert made.staying == {"bob": "web-2 has 72 MiB of memory left, 128 MiB are needed"}
    assert night.done().rebooted
    night.judge_home()


def test_who_is_stopped_or_has_hand_set_records_stays(night: Night) -> None:
    stop(night.place.workspace, "bob")
    plan = MovesAside(workspace=night.place.workspace, dns=Resolver()).plan("web-1")
    assert plan.moving == {}
    assert plan.staying == {"alice": "its DNS records are set by hand", "bob": "is stopped"}


def test_a_move_that_fails_while_the_tenant_serves_keeps_the_tenant_at_home(night: Night) -> None:
    night.place.there.free = 0  # it takes no data
    assert night.done().rebooted
    night.judge_home()


def test_a_host_that_cannot_start_a_tenant_stops_the_maintenance_before_the_reboot(night: Night) -> None:
    here: Any = night.place.here
    boots = here.boots
    night.place.there.behaviours[IMAGE] = "crash"
    found = night.maintain()
    assert isinstance(found, LaunchpadError) and "to resume the move" in found.hint
    assert here.boots == boots
    night.place.there.behaviours.clear()
    assert night.done().rebooted
    night.judge_home()


def test_who_cannot_return_serves_on_and_is_named(night: Night) -> None:
    reboot = night.place.here.reboot

    def smaller() -> None:
        reboot()
        night.place.here.free = 0

    night.place.here.reboot = smaller  # type: ignore[method-assign]  # taken away below
    try:
        done = night.done()
    finally:
        del night.place.here.reboot
    assert done.elsewhere == dict.fromkeys(NAMES, "web-2")
    assert [night.runs_on(name) for name in NAMES] == [["web-2"], ["web-2"]]


def test_nothing_reboots_while_dns_does_not_follow(night: Night) -> None:
    here: Any = night.place.here
    boots, night.zone.asleep = here.boots, True
    found = night.maintain()
    assert isinstance(found, StateError) and "DNS does not point alice.example.com, bob.example.com" in found.message
    assert found.hint.startswith("launchpad dns show alice; ") and here.boots == boots
    with pytest.raises(StateError, match="an earlier maintenance moved tenants away: alice, bob") as refused:
        raise_if(night.maintain(move=False))
    assert refused.value.hint == "launchpad maintain web-1 --move"
    night.zone.asleep = False
    assert night.done().rebooted
    night.judge_home()


def raise_if(found: Maintained | LaunchpadError) -> None:
    if isinstance(found, LaunchpadError):
        raise found


# --- cut anywhere -----------------------------------------------------------------------------------------------------


def cuts(night: Night) -> Cuts:
    def meanwhile() -> None:
        for name in NAMES:
            assert len(night.runs_on(name)) <= 1, "the tenant runs twice"

    def judge() -> None:
        for _ in range(2):
            for host in night.place.both:
                found: Any = host
                watched(found)
            if isinstance(night.maintain(), Maintained):
                break  # else a host undid it after the third death
        night.judge_home()

    return Cuts(place=night.place, begin=night.begin, work=night.maintain, judge=judge, meanwhile=meanwhile)


def test_the_operator_dies_at_every_request(made: Night, measured: Callable[..., None]) -> None:
    measured("ops-maintain-move-wrong", 0, n=cuts(made).operator_dies(stride=OPERATOR_STRIDE, settle=False))


@pytest.mark.parametrize("name", ["web-1", "web-2"])
def test_killed_at_every_call(made: Night, name: str, measured: Callable[..., None]) -> None:
    strides = {"stride": HOST_STRIDE, "evidence_stride": HOST_EVIDENCE_STRIDE}
    cells = cuts(made).host_dies(name, reboot=False, **strides)
    measured("ops-maintain-move-wrong", 0, n=cells)
