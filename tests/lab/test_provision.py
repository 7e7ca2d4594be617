"""From a bare Debian 13 to a host, and again: what an operator sees, and what somebody without a key sees."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from labkit import Host, Lab

from tests.lab.stranger import strange_address
from tests.lab.world import World, a_world

__all__ = ["strange_address"]  # a fixture, used by its name

LIMIT_SECONDS = 90
AGAIN_SECONDS = 4


@pytest.fixture(scope="module")
def bare(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A bare host, with a workspace that knows its address and its fingerprint, and nothing else of it."""
    host = lab.up(f"t{os.getpid() % 1000}-bare", fresh=True)
    yield a_world(lab, host, tmp_path_factory.mktemp("bare") / "workspace")
    lab.down(host.name)


def footprint(host: Host) -> str:
    """Every file that a provision could touch, with its content's digest."""
    places = "/etc /usr/local /srv /var/lib/launchpad"
    return host.exec(
        ["sh", "-c", f"find {places} -xdev -type f -size -2M -exec sha256sum {{}} + 2>/dev/null | sort"]
    ).stdout


def provision(world: World, *words: str) -> tuple[str, float]:
    begun = time.monotonic()
    done = world.launchpad("--json", "provision", "web-1", "--root-key", str(world.host.key_path), *words)
    return done.json["outcome"], time.monotonic() - begun


@pytest.fixture(scope="module")
def ready(bare: World) -> World:
    """The same, provisioned, also where a test of those below runs alone."""
    provision(bare)
    return bare


def test_from_bare_to_provisioned(bare: World) -> None:
    before = footprint(bare.host)
    planned = bare.launchpad("provision", "web-1", "--root-key", str(bare.host.key_path), "--plan").out
    assert "+PermitRootLogin no" in planned
    assert footprint(bare.host) == before, "a plan changed the host"

    outcome, seconds = provision(bare)
    assert outcome == "done"
    assert seconds < LIMIT_SECONDS
    state = bare.host.exec(["systemctl", "is-system-running", "--wait"], check=False).stdout.strip()
    assert state == "running", bare.host.exec(["systemctl", "--failed"]).stdout

    before = footprint(bare.host)
    outcome, seconds = provision(bare)
    assert outcome == "unchanged"
    assert seconds < AGAIN_SECONDS
    assert footprint(bare.host) == before, "a second provision changed the host"


def test_what_was_changed_by_hand_comes_back(ready: World) -> None:
    host = ready.host
    host.exec(["sysctl", "-q", "-w", "net.ipv4.conf.all.log_martians=0"])
    host.write("/etc/docker/daemon.json", "{}\n")
    host.exec(["systemctl", "disable", "--quiet", "--now", "fail2ban"])
    # Beside the watch nobody can take the table away, and Caddy comes back by itself.
    assert host.exec(["nft", "delete", "table", "inet", "launchpad"], check=False).status != 0
    host.exec(["systemctl", "stop", "launchpad-watch"])
    host.exec(["nft", "delete", "table", "inet", "launchpad"])
    host.exec(["docker", "rm", "-f", "launchpad-caddy"])
    plan = json.loads(ready.launchpad("--json", "provision", "web-1", "--plan").out)
    steps = {step["step"] for step in plan["steps"]}
    assert steps == {"set-kernel", "put-files", "enable-units", "change-access", "run-caddy", "look-again"}
    assert provision(ready)[0] == "done"
    assert host.exec(["sysctl", "-n", "net.ipv4.conf.all.log_martians"]).stdout.strip() == "1"
    assert "userns" in host.exec(["docker", "info"]).stdout
    assert host.exec(["nft", "list", "table", "inet", "launchpad"]).status == 0
    assert provision(ready)[0] == "unchanged"


def test_nobody_but_the_operators_gets_in_and_they_only_to_the_runner(ready: World) -> None:
    host = ready.host
    assert host.ssh("true").status == 255, "root can still log in"
    key = str(ready.root / ".config/launchpad/ssh_ed25519")
    options = ["-F", "none", "-o", f"UserKnownHostsFile={host.known_hosts}", "-o", "IdentitiesOnly=yes", "-i", key]

    def ssh(*words: str) -> subprocess.CompletedProcess[str]:
        argv = ["ssh", *options, *words]
        return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, stdin=subprocess.DEVNULL)

    said = ssh(f"launchpad@{host.address}", "id; cat /etc/shadow")
    assert "uid=" not in said.stdout
    assert '"type":"error"' in said.stdout
    assert "PTY allocation request failed" in ssh("-tt", f"launchpad@{host.address}", "id").stderr
    forwarded = ssh("-N", "-o", "ExitOnForwardFailure=yes", "-R", "8022:127.0.0.1:22", f"launchpad@{host.address}")
    assert forwarded.returncode == 255
    assert "docker" not in host.exec(["id", "-nG", "launchpad"]).stdout.split()


def test_ssh_audit_finds_nothing(ready: World) -> None:
    host = ready.host
    host.exec(["apt-get", "install", "-qqy", "--no-install-recommends", "ssh-audit"], timeout=300)
    audit = host.exec(["ssh-audit", "--no-colors", "--level", "warn", "127.0.0.1"], check=False)
    assert (audit.status, audit.stdout.strip()) == (0, "")


def test_who_tries_users_again_and_again_is_banned(ready: World, strange_address: str, tmp_path: Path) -> None:
    host = ready.host
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    options = ["-F", "none", "-b", strange_address, "-i", str(key)]
    options += ["-o", "IdentitiesOnly=yes", "-o", "ConnectTimeout=3"]
    options += ["-o", f"UserKnownHostsFile={host.known_hosts}", "-o", "BatchMode=yes"]
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(subprocess.TimeoutExpired):  # a ban in the middle of a login: nothing answers it any more
            argv = ["ssh", *options, f"admin@{host.address}", "true"]
            subprocess.run(argv, capture_output=True, timeout=10, check=False)
        if strange_address in host.exec(["fail2ban-client", "status", "sshd"]).stdout:
            break
    else:
        raise AssertionError("nobody was banned")
    assert provision(ready)[0] == "unchanged", "the operator was banned too"


def test_storage_grows_and_never_shrinks(ready: World) -> None:
    hosts = ready.root / "inventory/hosts.yaml"
    text = hosts.read_text()
    hosts.write_text(text.replace("disk: 6GiB", "disk: 7GiB"))
    assert provision(ready)[0] == "done"
    assert int(ready.host.exec(["stat", "-c", "%s", "/var/lib/launchpad/storage.btrfs"]).stdout) == 7 << 30
    size = ready.host.exec(["df", "--block-size=1G", "--output=size", "/srv/launchpad"]).stdout.split()[-1]
    assert int(size) == 7


def test_a_power_cut_in_the_middle_of_the_first_provision(lab: Lab, tmp_path: Path) -> None:
    """The host itself goes on at its next boot; nobody is there to confirm, so root still gets in; then it is done."""
    host = lab.up(f"t{os.getpid() % 1000}-cut", fresh=True)
    try:
        world = a_world(lab, host, tmp_path / "workspace")
        running = world.start("provision", "web-1", "--root-key", str(host.key_path))
        wait_for(host, "cat /var/lib/launchpad/operations/*/journal.jsonl | grep -q 'packages and their dependencies'")
        wait_for(host, "test -e /var/lib/dpkg/info/docker.io.list")  # in the middle of unpacking
        host.power_off_hard()
        running.kill()
        running.communicate()
        host.start()
        wait_for(host, "ls /var/lib/launchpad/operations/*/outcome.json")
        assert host.ssh("true").status == 0, "root is locked out of a host that is not provisioned"
        assert provision(world)[0] == "done"
        assert provision(world)[0] == "unchanged"
    finally:
        lab.down(host.name)


def wait_for(host: Host, script: str, *, seconds: float = 240) -> None:
    end = time.monotonic() + seconds
    while host.exec(["sh", "-c", script], check=False).status != 0:
        assert time.monotonic() < end, f"not within {seconds} s: {script}"
        time.sleep(0.2)
