"""What only a real kernel can answer: who passes the gate, who holds a lock, what outlives the runner."""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from launchpad.runner.host import Busy
from launchpad.runner.machine import Machine, command, traffic
from launchpad.runner.machine.caddy import CADDYFILE
from tests.contract.traffic import site
from tests.contract.world import PORT, World, bring_up, eventually, failure

OTHERWISE = (
    ("forward", "{ type filter hook forward priority 0; policy accept; }"),
    ("forward", "{ type filter hook forward priority -10; policy drop; }"),
    ("output", "{ type route hook output priority 0; policy accept; }"),
    ("output", "{ type filter hook input priority 0; policy accept; }"),
    ("output", ""),
)
"""A chain of the gate, and how it may have been declared."""
CHECKOUT = str(Path(__file__).resolve().parents[2])


def knock(world: World) -> str:
    """What a visitor of the host's own, such as Caddy, gets: `open` or `reset`."""
    try:
        socket.create_connection((str(world.address()), PORT), timeout=3).close()
    except ConnectionRefusedError:
        return "reset"
    return "open"


def running(host: Machine, world: World) -> None:
    bring_up(host, world, world.good)
    eventually(host, lambda: host.get(world.address(), PORT, "/", seconds=2) == 200, "the app answers")


def machine_a_closed_gate_resets_at_once_and_an_open_one_passes(host: Machine, world: World) -> None:
    host.close_traffic([])
    running(host, world)
    begun = time.monotonic()
    assert knock(world) == "reset"
    assert time.monotonic() - begun < 0.5, "a visitor waits, and Caddy with it"
    host.open_traffic([world.address()])
    assert knock(world) == "open"
    host.close_traffic([world.address()])
    assert knock(world) == "reset"


def machine_closing_the_gate_cuts_no_connection(host: Machine, world: World) -> None:
    running(host, world)
    host.open_traffic([world.address()])
    with socket.create_connection((str(world.address()), PORT), timeout=3) as visitor:
        (one,) = host.connections([world.address()])
        own = visitor.getsockname()
        assert (one.end, one.sent, one.received) == (f"{own[0]}:{own[1]}", 0, 0)
        assert host.connections([world.address("b")]) == []
        host.close_traffic([world.address()])
        visitor.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert visitor.recv(64).startswith(b"HTTP/1.0 200"), "the connection was cut"
    eventually(host, lambda: host.connections([world.address()]) == [], "the connection is gone")


OUTSIDE, NEAR = "11.11.11.2", "11.11.11.1"
"""An address beyond the host, and the host's own towards it."""


TAKES = f"""
import socket
server = socket.create_server(("", {PORT}))
print("listening", flush=True)
while True: server.accept()[0].close()
"""


@contextmanager
def somebody_outside() -> Iterator[None]:
    """Somebody in the world, who takes connections."""
    commands = (
        "ip netns add outside",
        "ip link add outside-near type veth peer name outside-far netns outside",
        f"ip addr add {NEAR}/30 dev outside-near",
        "ip link set outside-near up",
        f"ip -n outside addr add {OUTSIDE}/30 dev outside-far",
        "ip -n outside link set outside-far up",
        f"ip -n outside route add default via {NEAR}",
    )
    try:
        for command in commands:
            subprocess.run(command.split(), check=True, capture_output=True)
        words = ["ip", "netns", "exec", "outside", sys.executable, "-c", TAKES]
        with subprocess.Popen(words, stdout=subprocess.PIPE) as server:
            assert server.stdout is not None and server.stdout.readline()
            try:
                yield
            finally:
                server.kill()
    finally:
        subprocess.run(["ip", "netns", "delete", "outside"], check=False, capture_output=True)


def machine_a_muted_container_reaches_nobody_outside_and_is_told_at_once(host: Machine, world: World) -> None:
    running(host, world)
    bring_up(host, world, world.good, side="b")

    def reached(address: object) -> int:
        return host.get(world.address(), PORT, f"/reach/{address}", seconds=9)

    with somebody_outside():
        assert reached(OUTSIDE) == 200, "nobody outside can be reached at all"
        host.mute([world.address()])
        assert reached(OUTSIDE) == 502, "it reached somebody, or had to wait for the refusal"
        eventually(host, lambda: reached(world.address("b")) == 200, "it reaches its own tenant's containers")
        host.unmute([world.address()])
        assert reached(OUTSIDE) == 200


def machine_no_packet_to_an_address_without_its_bridge_leaves_the_host(host: Machine, world: World) -> None:
    host.open_traffic([world.address()])
    assert not host.has_network(world.network)
    begun = time.monotonic()
    try:
        socket.create_connection((str(world.address()), PORT), timeout=3).close()
        raise AssertionError("somebody outside of the host answered")
    except OSError as error:
        assert error.errno == errno.EHOSTUNREACH, error
    assert time.monotonic() - begun < 0.5


def machine_rebuilding_the_gate_keeps_what_is_open(host: Machine, world: World) -> None:
    host.open_traffic([world.address()])
    subprocess.run(["nft", "flush", "chain", "inet", traffic.TABLE, "output"], check=True)
    assert host.gate()[0] is False, "a gate without its rule passes for whole"
    host.close_traffic([world.address("b")])
    whole, passing = host.gate()
    assert whole and world.address() in passing


def machine_a_gate_that_an_older_runner_declared_otherwise_is_built_anew(host: Machine, world: World) -> None:
    host.open_traffic([world.address()])
    for chain, declared in OTHERWISE:
        there = f"inet {traffic.TABLE} {chain}"
        text = f"flush chain {there}; delete chain {there}; add chain {there} {declared}"
        subprocess.run(["nft", text], check=True)
        assert host.gate()[0] is False, f"{chain} {declared} passes for whole"
        host.close_traffic([world.address("b")])
        whole, passing = host.gate()
        assert whole and world.address() in passing, f"{chain} {declared}: {whole}"


def machine_a_gate_that_is_changed_is_open_at_no_instant(host: Machine, world: World) -> None:
    host.close_traffic([world.address()])
    running(host, world)
    knocks: list[str] = []
    over = threading.Event()

    def visit() -> None:
        while not over.is_set():
            knocks.append(knock(world))

    visitor = threading.Thread(target=visit)
    visitor.start()
    try:
        for _ in range(50):
            host.close_traffic([world.address("b")])
    finally:
        over.set()
        visitor.join()
    assert len(knocks) > 100 and set(knocks) == {"reset"}, (len(knocks), set(knocks))


def machine_a_gate_that_is_gone_has_nothing_open(host: Machine, world: World) -> None:
    host.open_traffic([world.address()])
    subprocess.run(["nft", "delete", "table", "inet", traffic.TABLE], check=True)
    assert host.gate() == (False, frozenset())
    host.close_traffic([])
    assert host.gate() == (True, frozenset())


def machine_a_probe_that_is_answered_by_drops_ends_in_time(host: Machine, world: World) -> None:
    running(host, world)
    begun = time.monotonic()
    assert host.get(world.address(), PORT, "/drip", seconds=2) == 0
    assert time.monotonic() - begun < 3


def machine_a_lock_goes_with_the_process_that_was_killed(host: Machine, world: World) -> None:
    code = (
        "import sys, time; from launchpad.runner.machine import Machine\n"
        f"with Machine().lock({world.tenant!r}, {{'who': 'victim'}}):\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    victim = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE)
    assert victim.stdout is not None and victim.stdout.readline() == b"held\n"
    try:
        with host.lock(world.tenant, {"who": "next"}, seconds=0.2):
            raise AssertionError("two hold the lock")
    except Busy as busy:
        assert busy.owner == {"who": "victim"}
    assert host.lock_owner(world.tenant) == {"who": "victim"}
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    with host.lock(world.tenant, {"who": "next"}):
        assert host.lock_owner(world.tenant) == {"who": "next"}
    assert host.lock_owner(world.tenant) is None
    assert host.lock_owner(f"{world.tenant}-never") is None


def machine_a_lock_is_waited_for(host: Machine, world: World) -> None:
    code = (
        "import sys, time; from launchpad.runner.machine import Machine\n"
        f"with Machine().lock({world.tenant!r}, {{'who': 'first'}}):\n"
        "    print('held', flush=True); sys.stdin.readline()\n"
    )
    first = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert first.stdout is not None and first.stdout.readline() == b"held\n"
    first.communicate(b"\n")
    with host.lock(world.tenant, {"who": "second"}, seconds=10):
        pass


def machine_a_program_dies_with_its_runner(host: Machine, world: World) -> None:
    code = "from launchpad.runner.machine import command; command.run(['sleep', '3217'])"
    runner = subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT)
    eventually(host, lambda: bool(sleepers()), "the program runs")
    runner.send_signal(signal.SIGKILL)
    runner.wait()
    eventually(host, lambda: not sleepers(), "the program is gone", seconds=5)


def sleepers() -> list[str]:
    said = subprocess.run(["pgrep", "-f", "^sleep 3217$"], check=False, capture_output=True, text=True)
    return said.stdout.split()


def machine_a_program_sees_nothing_of_the_callers_environment(host: Machine, world: World) -> None:
    os.environ["LAUNCHPAD_CANARY"] = "leaked"
    try:
        said = command.run(["env"], environment={"GIVEN": "yes"})
    finally:
        del os.environ["LAUNCHPAD_CANARY"]
    names = {line.split("=")[0] for line in said.out.decode().splitlines()}
    assert names == {"PATH", "LC_ALL", "HOME", "GIVEN"}


def machine_a_program_that_hangs_or_is_missing_is_a_failure(host: Machine, world: World) -> None:
    assert "0.2 s" in failure(lambda: command.run(["sleep", "60"], seconds=0.2))
    assert "no-such-program" in failure(lambda: command.succeed(["no-such-program"]))


def machine_caddy_is_loaded_only_when_something_changed(host: Machine, world: World) -> None:
    host.load_sites()
    before = host.reload_count()
    host.load_sites()
    assert host.reload_count() == before, "nothing changed, and Caddy was made to reload"
    host.write(f"/srv/launchpad/caddy/sites/{world.tenant}.caddy", site(world).encode())
    host.load_sites()
    host.load_sites()
    assert host.reload_count() == before + 1
    host.load_sites(again=True)
    assert host.reload_count() == before + 2, "it was asked to load all the same"
    assert world.tenant in repr(host.running_sites())


def machine_caddy_goes_on_with_the_old_sites_when_a_new_one_is_refused(host: Machine, world: World) -> None:
    host.load_sites()
    before, count = host.running_sites(), host.reload_count()
    path = f"/srv/launchpad/caddy/sites/{world.tenant}.caddy"
    host.write(path, b"x.example.com {\n\tbroken\n}\n")
    host.load_sites()
    assert (host.running_sites(), host.reload_count()) == (before, count)
    assert (host.read(path), host.read(f"{path}.refused") is None) == (None, False)
    host.remove(f"{path}.refused")


def machine_a_missing_caddyfile_is_a_failure_that_says_what_to_do(host: Machine, world: World) -> None:
    text = host.read(CADDYFILE)
    assert text is not None
    host.remove(CADDYFILE)
    try:
        assert "provision" in failure(host.load_sites)
    finally:
        host.write(CADDYFILE, text)
