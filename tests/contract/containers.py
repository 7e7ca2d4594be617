"""Containers."""

from __future__ import annotations

from ipaddress import IPv4Address

from launchpad.runner import slots
from launchpad.runner.host import Container, Host
from tests.contract.world import SERVICE, World, bring_up, eventually, failure, make_network


def only(host: Host, world: World) -> Container:
    """The tenant's one container."""
    found = host.containers(world.tenant)
    assert len(found) == 1, f"{len(found)} containers: {found}"
    return found[0]


def contract_a_pulled_image_is_there_and_pulling_it_again_is_fine(host: Host, world: World) -> None:
    host.pull(world.good.image, lambda _: None)
    assert host.has_image(world.good.image)
    host.pull(world.good.image, lambda _: None)


def contract_an_image_that_no_registry_has_is_a_failure(host: Host, world: World) -> None:
    assert not host.has_image(world.missing_image)
    assert world.missing_image in failure(lambda: host.pull(world.missing_image, lambda _: None))
    assert not host.has_image(world.missing_image)


def contract_a_registry_tells_of_an_image_before_it_is_pulled(host: Host, world: World) -> None:
    said = host.announced(world.good.image)
    assert said is not None and said.fits and said.size > 0
    assert host.announced(world.missing_image) is None


def contract_an_image_is_listed_by_its_digest_until_it_is_removed(host: Host, world: World) -> None:
    host.pull(world.good.image, lambda _: None)
    (name,) = (item for item in host.images() if item.endswith(world.good.image.partition("@")[2]))
    assert host.images()[name] > 0
    host.remove_image(name)
    assert name not in host.images()
    assert not host.has_image(name)
    host.remove_image(name)
    host.pull(world.good.image, lambda _: None)
    assert name in host.images()


def contract_an_image_that_a_container_has_is_not_removed(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    host.stop(world.project(), 1)
    assert not host.remove_image(world.good.image)
    assert host.has_image(world.good.image)


def contract_a_network_is_made_once_and_removed_once(host: Host, world: World) -> None:
    assert not host.has_network(world.network)
    make_network(host, world)
    make_network(host, world)
    assert host.has_network(world.network)
    host.remove_network(world.network)
    host.remove_network(world.network)
    assert not host.has_network(world.network)


def contract_a_network_that_is_otherwise_is_refused_not_changed(host: Host, world: World) -> None:
    make_network(host, world)
    subnet, gateway = slots.subnet(world.slot), slots.gateway(world.slot)

    def otherwise(
        *, bridge: str = slots.bridge(world.slot), gateway: IPv4Address = gateway, internal: bool = False
    ) -> str:
        return failure(
            lambda: host.make_network(world.network, bridge=bridge, subnet=subnet, gateway=gateway, internal=internal)
        )

    for message in (otherwise(bridge="lp-other"), otherwise(gateway=gateway + 1), otherwise(internal=True)):
        assert world.network in message
    make_network(host, world)


def contract_a_subnet_that_is_taken_is_a_failure(host: Host, world: World) -> None:
    make_network(host, world)
    subnet, gateway = slots.subnet(world.slot), slots.gateway(world.slot)
    failure(lambda: host.make_network(f"{world.network}-2", bridge="lp-other", subnet=subnet, gateway=gateway))
    assert not host.has_network(f"{world.network}-2")


def contract_compose_resolves_the_environment_and_paths(host: Host, world: World) -> None:
    mount = {"type": "bind", "source": "./entrypoint.sh", "target": "/entrypoint.sh", "read_only": True}
    host.write(f"{world.folder()}/compose.yaml", world.compose(world.good, volumes=[mount]), mode=0o755)
    host.write(f"{world.folder()}/entrypoint.sh", b"", mode=0o755)
    resolved = host.resolve(world.folder(), world.project(), world.environment())
    service = resolved["services"][SERVICE]
    assert resolved["name"] == world.project()
    assert service["image"] == world.good.image
    assert service["labels"]["launchpad.release"] == "r1"
    assert service["networks"]["default"]["ipv4_address"] == str(world.address())
    assert service["volumes"][0]["source"] == f"{world.folder()}/entrypoint.sh"


def contract_up_starts_a_container_as_its_labels_say(host: Host, world: World) -> None:
    bring_up(host, world, world.good, side="b")
    found = only(host, world)
    facts = (found.tenant, found.service, found.side, found.release, found.image, found.state, found.address)
    assert facts == (world.tenant, SERVICE, "b", "r1", world.good.image, "running", str(world.address("b")))
    assert found.started_at and not found.oom_killed


def contract_an_anonymous_volume_goes_with_its_container(host: Host, world: World) -> None:
    before = set(host.loose_volumes())
    host.pull(world.good.image, lambda _: None)
    make_network(host, world)
    mount = {"type": "volume", "target": "/scratch"}
    host.write(f"{world.folder()}/compose.yaml", world.compose(world.good, volumes=[mount]), mode=0o755)
    host.up(world.folder(), world.project(), world.environment())
    host.stop(world.project(), 1)
    assert set(host.loose_volumes()) == before, "a stopped container has its volume"
    host.down(world.project(), 1)
    assert set(host.loose_volumes()) == before
    host.remove_volume("no-such-volume")


def contract_an_image_tells_its_volumes_once_it_is_here(host: Host, world: World) -> None:
    host.pull(world.good.image, lambda _: None)
    assert host.declared_volumes(world.good.image) == ()
    assert host.declared_volumes(world.missing_image) == ()


def contract_up_again_leaves_what_runs_running(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    before = only(host, world)
    host.wait(1)
    host.up(world.folder(), world.project(), world.environment())
    assert only(host, world) == before


def contract_up_without_its_network_is_a_failure(host: Host, world: World) -> None:
    host.pull(world.good.image, lambda _: None)
    host.write(f"{world.folder()}/compose.yaml", world.compose(world.good))
    failure(lambda: host.up(world.folder(), world.project(), world.environment()))


def contract_up_starts_what_stands_still_in_a_network_that_was_made_anew(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    before = only(host, world)
    host.stop(world.project(), 1)
    host.remove_network(world.network)
    make_network(host, world)
    host.up(world.folder(), world.project(), world.environment())
    found = only(host, world)
    assert (found.state, found.name, found.address) == ("running", before.name, before.address)


def contract_a_docker_that_runs_did_not_fail_and_is_started_already(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    before = only(host, world)
    assert not host.docker_failure()
    host.start_docker()
    assert only(host, world) == before


def contract_up_never_pulls(host: Host, world: World) -> None:
    make_network(host, world)
    text = world.compose(world.good).replace(world.good.image.encode(), world.missing_image.encode())
    host.write(f"{world.folder()}/compose.yaml", text)
    failure(lambda: host.up(world.folder(), world.project(), world.environment()))
    assert [item for item in host.containers(world.tenant) if item.state == "running"] == []


def contract_stop_keeps_the_container_and_start_starts_the_same_again(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    running = only(host, world)
    host.stop(world.project(), 10)
    host.stop(world.project(), 10)
    stopped = only(host, world)
    assert (stopped.state, stopped.address) == ("exited", "")
    host.wait(1)
    host.start(world.project())
    again = only(host, world)
    assert (again.state, again.name, again.address) == ("running", running.name, running.address)
    assert again.started_at != running.started_at, "a restart cannot be told"


def contract_starting_what_has_no_containers_is_a_failure(host: Host, world: World) -> None:
    failure(lambda: host.start(world.project()))


def contract_stopping_and_removing_what_has_no_containers_is_fine(host: Host, world: World) -> None:
    host.stop(world.project(), 1)
    host.down(world.project(), 1)


def contract_down_removes_the_side_and_leaves_the_other(host: Host, world: World) -> None:
    bring_up(host, world, world.good, side="a")
    bring_up(host, world, world.good, side="b")
    host.down(world.project("a"), 10)
    assert [item.side for item in host.containers(world.tenant)] == ["b"]
    host.down(world.project("b"), 10)
    assert host.containers(world.tenant) == []
    assert host.has_network(world.network), "the network is not the project's to remove"


def contract_a_crash_is_seen_with_its_exit_code(host: Host, world: World) -> None:
    bring_up(host, world, world.crash)
    eventually(host, lambda: only(host, world).state == "exited", "the container exits")
    assert only(host, world).exit_code == 1


def contract_containers_are_told_apart_by_tenant(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    assert host.containers(f"{world.tenant}-other") == []
    assert world.tenant in {item.tenant for item in host.containers()}


def contract_the_log_has_what_the_container_said(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    eventually(host, lambda: len(host.log_lines(world.project(), 10)) > 0, "it says something")
    assert len(host.log_lines(world.project(), 1)) == 1
    assert host.log_lines(f"{world.project()}-other", 10) == []
