"""Changes that lock everybody out are undone by the host itself, whatever happens to its runner or its power."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import HostError
from launchpad.workspace import Workspace
from tests.lab.disasters import SETTLE_SECONDS
from tests.lab.settings import connection, open_workspace, submit, wanted
from tests.lab.stranger import strange_address
from tests.lab.world import World

__all__ = ["strange_address"]  # a fixture, used by its name

LIMIT_SECONDS = 60
LOCKED = 5
"""Exit code."""
NOBODYS_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk1tBlbQ5TFxqQ0D3cpuTwV2Z5vNcu2lBxCJZfWNCSc"

CHANGES: Mapping[str, Mapping[str, Any]] = {
    "port 22 closes": {"ssh": {"port": 2222, "root_login": False}},
    "no operator's key is left": {"operators": [{"name": "alice", "keys": [NOBODYS_KEY]}]},
}


class Gone(Exception):
    """The operator who made the change is not there any more."""


def get_in(workspace: Workspace) -> bool:
    """Whether an operator reaches the runner over a new connection."""
    try:
        with connection(workspace) as reached:
            reached.ask("hello", {}, seconds=10)
    except HostError:
        return False
    return True


def seconds_until_somebody_gets_in(workspace: Workspace) -> float:
    begun = time.monotonic()
    while time.monotonic() - begun < 2 * LIMIT_SECONDS:
        if get_in(workspace):
            return time.monotonic() - begun
        time.sleep(0.5)
    raise AssertionError(f"locked out for {2 * LIMIT_SECONDS} s")


def leave_it(_world: World, _operation: str) -> None:
    """Nobody confirms, and that is all."""


def kill_the_runner(world: World, operation: str) -> None:
    world.host.exec(["systemctl", "kill", "--signal=KILL", f"launchpad-operation@{operation}.service"])


def kill_it_for_good(world: World, operation: str) -> None:
    """Neither the operation nor anything that systemd would start in its place goes on."""
    unit = f"launchpad-operation@{operation}.service"
    world.host.exec(["systemctl", "mask", "--runtime", "--quiet", unit])
    world.host.exec(["systemctl", "kill", "--signal=KILL", unit], check=False)


def hang_the_watch(world: World, _operation: str) -> None:
    """The firewall's table belongs to a process that does not move any more."""
    world.host.exec(["systemctl", "kill", "--signal=STOP", "--kill-whom=main", "launchpad-watch.service"])


def pull_the_plug(world: World, _operation: str) -> None:
    world.host.power_off_hard()
    world.host.start()


def provision_again(world: World) -> str:
    """The outcome, once the operation that was struck has let go of the host."""
    end = time.monotonic() + SETTLE_SECONDS
    while (done := world.launchpad("--json", "provision", "web-1", check=False)).code == LOCKED:
        assert time.monotonic() < end, done
    assert done.code == 0, done
    return str(done.json["outcome"])


DISASTERS = [leave_it, kill_the_runner, kill_it_for_good, pull_the_plug, hang_the_watch]


def cells() -> list[tuple[str, Callable[[World, str], None]]]:
    """Every disaster for every change when evidence is taken; else every disaster once, and the changes in turn."""
    changes = list(CHANGES)
    if os.environ.get("LAUNCHPAD_EVIDENCE"):
        return [(change, disaster) for change in changes for disaster in DISASTERS]
    return [(changes[index % len(changes)], disaster) for index, disaster in enumerate(DISASTERS)]


@pytest.mark.parametrize(("change", "disaster"), cells(), ids=lambda item: getattr(item, "__name__", item))
def test_a_change_that_locks_out_is_undone(
    world: World, change: str, disaster: Callable[[World, str], None], measured: Callable[..., None]
) -> None:
    workspace = open_workspace(world)
    before = world.host.read("/etc/launchpad/authorized_keys"), world.host.read("/etc/launchpad/firewall.nft")
    shut_at: list[float] = []

    def hear(line: Mapping[str, Any]) -> None:
        if line["event"] == "confirm-needed" and not shut_at:
            shut_at.append(time.monotonic())
            assert not get_in(workspace), "the change locked nobody out, so this test shows nothing"
            disaster(world, line["operation"])
            raise Gone

    with contextlib.suppress(Gone):
        submit(workspace, wanted(workspace, **CHANGES[change]), hear)
    assert shut_at
    seconds_until_somebody_gets_in(workspace)
    seconds = time.monotonic() - shut_at[0]
    measured("lockout-seconds", round(seconds, 1), n=1, detail=f"{change}, {disaster.__name__}")
    assert seconds < LIMIT_SECONDS
    after = world.host.read("/etc/launchpad/authorized_keys"), world.host.read("/etc/launchpad/firewall.nft")
    assert after == before
    world.host.exec(["sh", "-c", "rm -f /run/systemd/system/launchpad-operation@*.service; systemctl daemon-reload"])
    assert provision_again(world) in ("done", "unchanged")


def test_a_configuration_that_sshd_refuses_is_never_in_force(world: World, tmp_path: Path) -> None:
    """Somebody's own file breaks sshd's configuration: the change is not made, and the running sshd goes on."""
    workspace = open_workspace(world)
    world.host.write("/etc/ssh/sshd_config.d/90-mine.conf", "ThisIsNoKeyword yes\n")
    try:
        reply = submit(workspace, wanted(workspace, ssh={"port": 22, "root_login": True}), lambda line: None)
        assert reply["outcome"] == "undone"
        assert "sshd" in reply["message"]
        assert get_in(workspace)
        assert "PermitRootLogin no" in world.host.read("/etc/ssh/sshd_config.d/00-launchpad.conf")
    finally:
        world.host.exec(["rm", "/etc/ssh/sshd_config.d/90-mine.conf"])


def test_fifty_logins_in_a_row_pass(world: World) -> None:
    """Neither the firewall's limit nor sshd's penalties get in the way of Launchpad's own bursts."""
    workspace = open_workspace(world)
    assert all(get_in(workspace) for _ in range(50))


def test_a_flood_of_connections_is_slowed(world: World, strange_address: str) -> None:
    def connects() -> bool:
        try:
            source = (strange_address, 0)
            socket.create_connection((world.host.address, 22), timeout=0.2, source_address=source).close()
        except OSError:
            return False
        return True

    assert not all(connects() for _ in range(300))
    assert get_in(open_workspace(world)), "the operator was slowed too"
