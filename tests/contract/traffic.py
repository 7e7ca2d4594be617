"""Traffic."""

from __future__ import annotations

from launchpad.runner import paths
from launchpad.runner.host import Host
from tests.contract.world import PORT, World, bring_up, eventually, failure, make_network


def site(world: World) -> str:
    """A site as small as can be."""
    return (
        f"{world.tenant}.example.com {{\n\treverse_proxy {world.address('a')}:{PORT} {world.address('b')}:{PORT}\n}}\n"
    )


def contract_an_address_is_closed_until_it_is_opened(host: Host, world: World) -> None:
    here = world.address()
    assert here not in host.open_addresses()
    host.open_traffic([here, world.address("b")])
    host.open_traffic([here])
    assert {here, world.address("b")} <= host.open_addresses()
    host.close_traffic([here])
    host.close_traffic([here])
    assert here not in host.open_addresses()
    assert world.address("b") in host.open_addresses(), "closing one address closed another"


def contract_opening_and_closing_nothing_is_fine(host: Host, world: World) -> None:
    host.open_traffic([world.address()])
    host.open_traffic([])
    host.close_traffic([])
    assert world.address() in host.open_addresses()


def contract_nobody_is_muted_until_it_is_asked(host: Host, world: World) -> None:
    one, other = world.address("a"), world.address("b")
    assert {one, other}.isdisjoint(host.muted_addresses())
    host.mute([one, other])
    host.mute([one])
    assert {one, other} <= host.muted_addresses()
    host.unmute([one])
    host.unmute([one])
    assert one not in host.muted_addresses()
    assert other in host.muted_addresses(), "unmuting one address unmuted another"
    host.unmute([other])
    host.unmute([])


def contract_muting_and_the_gate_leave_one_another_alone(host: Host, world: World) -> None:
    host.open_traffic([world.address("a")])
    host.mute([world.address("b")])
    host.close_traffic([])
    assert world.address("a") in host.open_addresses()
    assert world.address("b") not in host.open_addresses()
    assert world.address("a") not in host.muted_addresses()
    assert world.address("b") in host.muted_addresses()
    host.unmute([world.address("b")])


def contract_an_address_reaches_the_ports_of_mail_that_it_was_given(host: Host, world: World) -> None:
    one, other = world.address("a"), world.address("b")
    host.let_out([one, other], [465, 587])
    host.let_out([one], [587])
    host.let_out([other], [])
    host.let_out([], [465])
    host.open_traffic([one])
    assert reached(host) & {one, other} == {one}
    host.let_out([one], [])
    assert not reached(host) & {one, other}


def reached(host: Host) -> set[object]:
    """The addresses that have a port of mail."""
    return {address for address, _ in host.filter.gate().mail}  # type: ignore[attr-defined]


def contract_a_probe_passes_a_closed_gate(host: Host, world: World) -> None:
    bring_up(host, world, world.good)
    assert world.address() not in host.open_addresses()
    eventually(host, lambda: host.get(world.address(), PORT, "/startupz", seconds=2) == 200, "the probe is answered")


def contract_a_probe_of_nobody_is_no_answer(host: Host, world: World) -> None:
    host.close_traffic([])
    assert host.get(world.address(), PORT, "/startupz", seconds=1) == 0
    make_network(host, world)
    assert host.get(world.address(), PORT, "/startupz", seconds=1) == 0


def contract_nobody_has_no_connections(host: Host, world: World) -> None:
    assert host.connections([world.address()]) == []
    assert host.connections([]) == []


def contract_caddy_understands_a_site(host: Host, world: World) -> None:
    adapted = host.adapt(site(world))
    assert f"{world.tenant}.example.com" in repr(adapted)
    assert f"{world.address()}:{PORT}" in repr(adapted)


def contract_caddy_refuses_what_is_no_site(host: Host, world: World) -> None:
    failure(lambda: host.adapt(site(world).replace("reverse_proxy", "broken {")))


def contract_a_site_is_loaded_and_one_that_caddy_refuses_is_set_aside(host: Host, world: World) -> None:
    host.write(paths.site(world.tenant), site(world).encode())
    host.load_sites()
    host.load_sites(again=True)
    host.write(paths.site("damaged"), b"damaged.example.com {\n\tbroken\n}\n")
    host.load_sites()
    assert host.read(paths.site("damaged")) is None
    assert host.read(paths.site(world.tenant)) == site(world).encode(), "a good site was set aside with it"
    host.remove(f"{paths.site('damaged')}.refused")
    host.remove(paths.site(world.tenant))
    host.load_sites()
