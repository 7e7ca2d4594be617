"""A site is added next door, which reloads Caddy: nobody who comes at that moment is sent away.

Each visitor makes a connection of his own and is 50 ms away, twice: after TCP's handshake, and after TLS's.
"""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from launchpad.runner import paths
from tests.lab.world import World

VISITORS = 24
AWAY_SECONDS = 0.05
RELOADS = 3
LONGEST_SECONDS = 5.0
"""As `launchpad.runner.machine.newcomers` promises it."""
DIES_IN_IT = (
    "import os, sys; sys.path.insert(0, sys.argv[1])\n"
    "from launchpad.runner.machine.newcomers import newcomers_wait\n"
    "with newcomers_wait(): os._exit(9)"
)


def test_who_comes_during_a_reload_waits(
    world: World, measured: Callable[..., None], say: Callable[[str], None]
) -> None:
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")
    before = world.reloads()
    with coming(world, "alice") as (got, waits):
        for number in range(RELOADS):
            world.add_tenant(f"next-{number}")
            world.deploy(f"next-{number}")
    reloads = world.reloads() - before
    lost = sum(count for words, count in got.items() if words != "answered")
    measured("reload-requests-lost", lost, n=got.total(), detail=f"{reloads} reloads")
    say(f"{reloads} reloads: {dict(got)}, at most {max(waits):.1f} s")
    assert reloads == RELOADS
    assert got["answered"] > RELOADS * VISITORS
    assert set(got) == {"answered"}
    assert max(waits) < LONGEST_SECONDS


def test_a_runner_that_dies_meanwhile_keeps_nobody_out(world: World) -> None:
    runner = Path(world.host.exec(["readlink", "-f", paths.RUNNER]).stdout.strip()).parent
    died = world.host.exec(["python3", "-c", DIES_IN_IT, str(runner)], check=False)
    assert died.status == 9, died.stderr
    begun = time.monotonic()
    assert world.get("alice", "/startupz").status == 200
    assert 0.5 < time.monotonic() - begun < LONGEST_SECONDS + 3, "TCP knocks again after 1, 2 and 4 s"


@contextmanager
def coming(world: World, name: str) -> Iterator[tuple[Counter[str], list[float]]]:
    """Visitors of the tenant until the block ends; what they got, and how long each waited for it, in seconds."""
    got: Counter[str] = Counter()
    waits: list[float] = []
    over, one = threading.Event(), threading.Lock()

    def come() -> None:
        while not over.is_set():
            begun = time.monotonic()
            words = ask(world, name)
            with one:
                got[words] += 1
                waits.append(time.monotonic() - begun)

    threads = [threading.Thread(target=come) for _ in range(VISITORS)]
    for thread in threads:
        thread.start()
    try:
        yield got, waits
    finally:
        over.set()
        for thread in threads:
            thread.join()


def ask(world: World, name: str) -> str:
    """`answered`, or what went wrong and when."""
    domain, stage = world.domain(name), "TCP"
    request = f"GET /startupz HTTP/1.1\r\nHost: {domain}\r\nConnection: close\r\n\r\n"
    try:
        with socket.create_connection((world.host.address, 443), timeout=15) as plain:
            time.sleep(AWAY_SECONDS)
            stage = "TLS"
            with world.trust.wrap_socket(plain, server_hostname=domain) as stream:
                time.sleep(AWAY_SECONDS)
                stage = "HTTP"
                stream.sendall(request.encode())
                said = stream.recv(64)
    except (OSError, ssl.SSLError) as error:
        return f"{stage}: {error!r}"
    return "answered" if said.startswith(b"HTTP/1.1 200 ") else f"{stage}: {said!r}"
