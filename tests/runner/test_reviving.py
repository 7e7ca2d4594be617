"""Docker that a power cut left unable to start: who has it back, and that nothing else is taken for that."""

from __future__ import annotations

import pytest

from launchpad.runner import booting, engine
from launchpad.runner.account import done_by_watch
from launchpad.runner.boot import DONE, TRY_AGAIN, boot
from launchpad.runner.host import Container, Failed
from launchpad.runner.reviving import NETWORKS, SET_ASIDE, revive_docker
from launchpad.runner.verbs.submit import submit
from launchpad.runner.watch import Watcher, watch
from tests.memory.data import File
from tests.memory.effects import moments
from tests.memory.releases import deploy_body, release
from tests.memory.system import BareHost
from tests.runner.provision.settings import IMAGE, settings
from tests.runner.provision.test_kill_points import body, run
from tests.runner.verbs.view import CALLER, MemoryView, deployed, record_of

OTHERS = [
    "failed to start daemon: Error initializing network controller: list bridge addresses failed: no available network",
    "cannot create network 1b2c (docker0): conflicts with network 9f8e (docker0): networks have overlapping IPv4",
    'failed to start containerd: timeout waiting for containerd to start; network "lp-alice" has the same bridge name',
]


def cut() -> MemoryView:
    """A host with alice and bob after a power cut that hit Docker's record of networks."""
    host = MemoryView()
    for slot, tenant in enumerate(("alice", "bob"), start=7):
        deployed(tenant=tenant, slot=slot, host=host)
    booting.begin_with(host)
    host.reboot()
    host.contradict_itself()
    return host


def test_a_boot_sets_the_record_aside_and_everybody_is_served_in_a_network_of_their_own() -> None:
    host = cut()
    assert boot(host) == DONE
    served = {name: host.request(f"{name}.example.com") for name in ("alice", "bob")}
    assert served == {name: record_of(host, name)["release"] for name in served}
    assert set(host.networks) == {"lp-alice", "lp-bob"}
    assert host.read(SET_ASIDE) == b"contradicts itself", "kept for whoever wants to know what was in it"
    (told,) = done_by_watch(host)
    assert told.who == "boot" and SET_ASIDE in told.message


@pytest.mark.parametrize("line", OTHERS)
def test_for_any_other_cause_nothing_is_touched(line: str) -> None:
    host = cut()
    host.last_words = (line,)
    calls = len(host.calls)
    assert not revive_docker(host, who="boot")
    assert len(host.calls) == calls
    assert boot(host) == TRY_AGAIN
    assert host.read(NETWORKS) == b"contradicts itself"


def test_a_docker_that_runs_is_not_asked_for_what_it_said_once() -> None:
    host = cut()
    host.docker_down = False
    assert not revive_docker(host, who="boot")
    assert host.read(NETWORKS) == b"contradicts itself"


def test_whoever_dies_meanwhile_leaves_a_host_that_the_next_one_revives() -> None:
    first = cut()
    points = moments(first, lambda: revive_docker(first, who="boot"))
    left = [point for point in points if not point.known]
    assert len(left) > 5
    for point in left:
        host = point.host()
        assert boot(host) == DONE, str(point)
        assert host.request("alice.example.com") == record_of(host)["release"], str(point)
        assert host.read(SET_ASIDE) == b"contradicts itself", str(point)
        assert done_by_watch(host), str(point)


def test_two_that_find_it_at_once_do_not_take_a_good_record_away() -> None:
    host = cut()
    with host.lock("docker", {"who": "watch"}):
        assert not revive_docker(host, who="boot")
    assert host.read(NETWORKS) == b"contradicts itself"
    assert revive_docker(host, who="watch") and not revive_docker(host, who="boot")
    assert host.read(NETWORKS) == b"{}"


def test_the_watch_revives_a_docker_that_ends_while_it_watches() -> None:
    class Ends(BaseException):
        pass

    class Host(MemoryView):
        def containers(self, tenant: str = "") -> list[Container]:
            found = super().containers(tenant)
            if self.read(SET_ASIDE) and self.networks and not booting.is_going_on(self):
                raise Ends
            return found

    host = Host()
    deployed(host=host)
    host.contradict_itself()
    for name in host.boxes:
        host.boxes[name] = host.boxes[name].but(state="exited", address="")
    with pytest.raises(Ends):
        watch(host, ())
    assert next(item.who for item in done_by_watch(host)) == "watch"
    assert "lp-alice" in host.networks


def test_the_watch_makes_a_network_again_that_a_hand_removed() -> None:
    host = deployed()
    for name in host.boxes:
        host.dies(name)
    host.networks.clear()
    Watcher(host).look()
    host.wait(5)
    assert host.request("alice.example.com") == record_of(host)["release"]
    assert "lp-alice" in host.networks


def test_a_network_whose_bridge_is_gone_is_made_anew_by_the_watch_and_told() -> None:
    """The containers run, and nobody reaches them: Docker knows nothing of it."""
    host = deployed()
    host.lose_bridge("alice")
    host.wait(5)
    assert host.request("alice.example.com") == "held"
    Watcher(host).look()
    host.wait(5)
    assert host.request("alice.example.com") == record_of(host)["release"]
    assert any("network" in item.message for item in done_by_watch(host))


@pytest.mark.parametrize("how", ["boot", "restart", "deploy"])
def test_half_a_network_is_made_whole_by_a_boot_a_restart_and_a_deploy(how: str) -> None:
    host = deployed()
    booting.begin_with(host)
    if how == "boot":
        host.reboot()
    host.lose_bridge("alice")
    made = release(app="beacon:2", domains=("alice.example.com",))
    host.registry |= {service.image for service in made[0].services}
    if how == "boot":
        assert boot(host) == DONE
    else:
        body = deploy_body("operation-2", made)
        if how == "restart":
            body = {"id": "operation-2", "operation": {"kind": "restart", "tenant": "alice"}, "follow": False}
        list(submit(host, body, CALLER))
        engine.carry_out(host, "operation-2")
    host.wait(5)
    assert host.request("alice.example.com") == record_of(host)["release"]
    assert host.bridgeless == set()


def half_known(host: MemoryView | None = None) -> MemoryView:
    """A host with alice and bob after a power cut in the middle of the making of bob's network."""
    host = host or MemoryView()
    for slot, tenant in enumerate(("alice", "bob"), start=7):
        deployed(tenant=tenant, slot=slot, host=host)
    booting.begin_with(host)
    host.reboot()
    host.files[NETWORKS] = File(b"has half of lp-bob")
    host.taken.add(host.networks.pop("lp-bob")[0])
    return host


def test_a_boot_sets_the_record_aside_that_has_half_of_a_tenant_s_network() -> None:
    host = half_known()
    assert boot(host) == TRY_AGAIN
    assert boot(host) == DONE
    Watcher(host).look()  # alice was started before bob, in a network that is gone
    host.wait(5)
    for name in ("alice", "bob"):
        assert host.request(f"{name}.example.com") == record_of(host, name)["release"]
    assert host.read(SET_ASIDE) == b"has half of lp-bob"
    assert [item.who for item in done_by_watch(host) if item.subject == "docker"] == ["boot"]


def test_nothing_runs_while_docker_is_restarted_without_its_record() -> None:
    """Beside a container that runs, Docker makes none of its own networks again, and Caddy starts in one of them."""
    running: list[set[str]] = []

    class Host(MemoryView):
        def start_docker(self, *, anew: bool = False) -> None:
            running.append({box.state for box in self.boxes.values()})
            super().start_docker(anew=anew)

    host = half_known(Host())
    boot(host)
    assert running == [{"exited"}]


def test_it_is_tried_once_in_a_boot_and_the_watch_names_the_reboot() -> None:
    host = half_known()
    (bridge,) = host.taken
    assert boot(host) == TRY_AGAIN
    host.taken.add(bridge)  # it has another cause
    assert boot(host) == DONE, "a boot that has started whom it can is over"
    calls = host.calls.count("start_docker")
    watcher = Watcher(host)
    watcher.look()
    (found,) = watcher.findings()
    assert found.tenant == "bob" and "systemctl reboot" in found.hint
    assert host.calls.count("start_docker") == calls
    host.wait(5)
    assert host.request("alice.example.com") == record_of(host)["release"]


def test_a_provision_revives_docker_and_does_not_for_any_other_cause() -> None:
    host = BareHost(registry={IMAGE})
    assert run(host, body(settings())) == "done"
    host.contradict_itself()
    host.system.active.discard("docker.service")
    other = "failed to start daemon: no space left on device"
    host.last_words, contradiction = (other,), host.last_words
    assert run(host, body(settings(), "operation-000002")) == "undone"
    assert host.read(NETWORKS) == b"contradicts itself"
    host.last_words = contradiction
    assert run(host, body(settings(), "operation-000003")) == "done"
    assert "docker.service" in host.system.active
    assert [item.who for item in done_by_watch(host)] == ["provision"]


def test_a_docker_that_does_not_start_even_so_is_tried_again() -> None:
    class Stubborn(MemoryView):
        def start_docker(self, *, anew: bool = False) -> None:
            raise Failed("docker.service does not start")

    host = Stubborn()
    host.contradict_itself()
    assert boot(host) == TRY_AGAIN
