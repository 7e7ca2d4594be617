"""A5: a host that another hand changed, or that nobody watches. C2: one that is new. Judged by what status exits with
and names, and by the host's own programs afterwards."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from labkit import Lab

from tests.lab.world import PROJECT, World, a_world
from tests.tally import Tally, tallied

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFq0G1sJ0mTf3ZKX2m7ZJm1mH2yq2VZyZQW3y0Zb9b1s eve"


@pytest.fixture(scope="module")
def holds(request: pytest.FixtureRequest) -> Iterator[Tally]:
    with tallied("outside-a5", request) as tally:
        yield tally


@dataclass(frozen=True)
class Hand:
    """What a person does on the host as root, what status says of it, and what proves that a provision undid it."""

    does: str
    says: str
    undone: str = ""
    """Succeeds once it is undone; empty where no provision can undo it."""


HANDS = {
    "root may log in": Hand(
        "sed -i '1i PermitRootLogin yes' /etc/ssh/sshd_config",
        "sshd has `permitrootlogin yes` for root",
        "sshd -T -C user=root,host=localhost,addr=127.0.0.1 | grep -qx 'permitrootlogin no'",
    ),
    "a password lets one user in": Hand(
        "printf 'Match User eve\\n    PasswordAuthentication yes\\n    AuthenticationMethods any\\n'"
        " > /etc/ssh/sshd_config.d/99-eve.conf",
        "sshd has `passwordauthentication yes` for eve",
        "sshd -T -C user=eve,host=localhost,addr=127.0.0.1 | grep -qx 'passwordauthentication no'",
    ),
    "a user with NOPASSWD": Hand(
        "echo 'eve ALL=(ALL) NOPASSWD: ALL' > /etc/sudoers.d/eve && chmod 440 /etc/sudoers.d/eve",
        "lets eve become root",
        "! runuser -u eve -- sudo -n true",
    ),
    "a user who commands Docker": Hand(
        "usermod -aG docker mallory", "mallory may command Docker", "! id -nG mallory | grep -qw docker"
    ),
    "a foreign key of a user": Hand(
        f"install -d -o eve -m 700 /home/eve/.ssh && echo '{KEY}' > /home/eve/.ssh/authorized_keys",
        "keys let eve in: /home/eve/.ssh/authorized_keys",
        "! test -e /home/eve/.ssh/authorized_keys",
    ),
    "a foreign key among the operators'": Hand(
        f"echo '{KEY}' >> /etc/launchpad/authorized_keys",
        "/etc/launchpad/authorized_keys was changed",
        "! grep -q eve /etc/launchpad/authorized_keys",
    ),
    "fail2ban is stopped": Hand(
        "systemctl stop fail2ban", "fail2ban.service does not run", "systemctl is-active fail2ban"
    ),
    "chrony is masked": Hand(
        "systemctl mask --now chrony", "chrony.service does not run", "systemctl is-active chrony"
    ),
    "updates are stopped": Hand(
        "systemctl disable --now apt-daily-upgrade.timer",
        "apt-daily-upgrade.timer does not run",
        "systemctl is-active apt-daily-upgrade.timer && systemctl is-enabled apt-daily-upgrade.timer",
    ),
    "a kernel value": Hand(
        "sysctl -qw net.ipv4.conf.all.accept_redirects=1",
        "the kernel's net.ipv4.conf.all.accept_redirects is 1",
        "sysctl -n net.ipv4.conf.all.accept_redirects | grep -qx 0",
    ),
    "a reboot waits": Hand(
        "echo linux-image > /run/reboot-required.pkgs; touch /run/reboot-required", "needs a reboot"
    ),
    "another resolver, and it is dead": Hand(
        "cp /etc/resolv.conf /root/resolv && echo 'nameserver 192.0.2.53' > /etc/resolv.conf",
        "no name server answers (192.0.2.53)",
    ),
}


def findings(world: World) -> list[str]:
    told = json.loads(world.launchpad("--json", "status", check=False).out)["hosts"]["web-1"]
    return [*told["problems"], *(item["message"] for item in told["findings"])]


def check(world: World) -> int:
    return world.launchpad("status", "--check", check=False).code


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
def test_every_hand_is_told_within_a_minute_and_undone_by_a_provision(world: World, holds: Tally) -> None:
    world.host.exec(["sh", "-c", "useradd -m -s /bin/bash eve; useradd -m -s /bin/bash mallory; usermod -p x eve"])
    holds("the control: a host as provision leaves it is healthy", check(world) == 0, str(findings(world)))
    for hand in HANDS.values():
        world.host.exec(["sh", "-c", hand.does])
    begun, told = time.monotonic(), findings(world)
    while not all(any(hand.says in line for line in told) for hand in HANDS.values()):
        if time.monotonic() - begun > 75:
            break
        time.sleep(1)
        told = findings(world)
    print(f"\n{len(HANDS)} hands told {time.monotonic() - begun:.0f} s later:", *told, sep="\n  ")
    for name, hand in HANDS.items():
        holds(f"{name}: told", any(hand.says in line for line in told), str(told))
    holds("status --check exits 4", check(world) == 4)
    said = world.launchpad("status", check=False).err
    holds("the hint is to provision", "launchpad provision web-1" in said, said)
    world.host.exec(["sh", "-c", "cp /root/resolv /etc/resolv.conf; rm -f /run/reboot-required*"])
    world.launchpad("provision", "web-1", timeout=300)
    code = check(world)
    for name, hand in HANDS.items():
        if hand.undone:
            done = world.host.exec(["sh", "-c", hand.undone], check=False)
            holds(f"{name}: undone", done.status == 0, done.stdout + done.stderr)
    left = findings(world)
    holds("provision && status --check exits 0", code == 0, str(left))


def test_a_host_that_nobody_watches_says_so(world: World, holds: Tally) -> None:
    account = "/run/launchpad/watch.json"
    world.host.exec(["systemctl", "stop", "launchpad-watch"])
    holds("the control: an account of just now is believed", check(world) == 0)
    old = json.loads(world.host.read(account))
    world.host.write(account, json.dumps(old | {"elapsed": old["elapsed"] - 100, "at": old["at"] - 100}))
    told = world.launchpad("status", "--check", check=False)
    holds("an old account: status names since when", "web-1: not watched (since " in told.err, told.err)
    holds("an old account: --check exits 4", told.code == 4)
    world.host.write(account, json.dumps(old | {"boot_id": "another"}))
    holds("an account of another boot is none", check(world) == 4)
    world.host.exec(["rm", account])
    holds("no account: --check exits 4", check(world) == 4)
    world.launchpad("provision", "web-1", timeout=300)
    active = world.host.exec(["systemctl", "is-active", "launchpad-watch"], check=False).stdout.strip()
    holds("provision starts the watch", active == "active", active)
    holds("and then the host is healthy", check(world) == 0, str(findings(world)))


def test_the_hint_of_a_docker_that_is_down_brings_it_back(world: World, holds: Tally) -> None:
    world.host.exec(["sh", "-c", "systemctl stop docker.socket docker.service"])
    told = world.launchpad("status", "--check", check=False)
    holds("Docker down: --check exits 4", told.code == 4)
    holds("Docker down: the hint is to provision", "launchpad provision web-1" in told.err, told.err)
    world.launchpad("provision", "web-1", timeout=300)
    holds("Docker runs again", world.host.exec(["docker", "ps"], check=False).status == 0)
    holds("Docker down, provisioned: healthy", check(world) == 0, str(findings(world)))


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
def test_a_host_that_was_never_provisioned_is_told_as_such(
    lab: Lab, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    with tallied("outside-c2", request) as holds:
        host = lab.up(f"t{os.getpid() % 1000}-new", fresh=True)
        try:
            host.settle()
            new = a_world(lab, host, tmp_path / "workspace", fresh=True)
            for number in range(4):  # sshd's own penalties come after some
                done = new.launchpad("status", "web-1", check=False)
                said = done.out + done.err
                holds(f"try {number}: it exits 6", done.code == 6, said)
                holds(f"try {number}: it says what to do", "launchpad provision web-1" in said, said)
                holds(f"try {number}: nobody thinks it is no SSH server", "is no SSH server" not in said, said)
            host.power_off_hard()
            down = new.launchpad("status", "web-1", check=False)
            hint = next(line for line in (down.out + down.err).splitlines() if "ssh " in line)
            holds("a host that is off: the hint names the key", " -i " in hint, hint)
            host.start()
            new.launchpad("provision", "web-1", "--root-key", str(host.key_path), timeout=900)
            checked = new.launchpad("status", "--check", check=False)
            holds("provision NEW && status --check exits 0", checked.code == 0, checked.out + checked.err)
            words = hint[hint.index("ssh ") :].replace("</dev/null", "").split()
            tried = subprocess.run(
                ["ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", *words[1:]],
                stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False,
            )  # fmt: skip
            holds("the hint works", "not a line of JSON" in tried.stdout, tried.stdout + tried.stderr)
        finally:
            lab.down(host.name)


HEALTH = """    healthcheck:
      test: [CMD, python3, -c, "import os, sys; sys.exit(os.path.exists('/data/ill'))"]
      interval: 1s
      retries: 1
"""


@pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
def test_what_docker_calls_unhealthy_is_told_and_nothing_is_restarted_for_it(world: World) -> None:
    template = world.root / "templates/compose/beacon/compose.yaml.j2"
    template.parent.mkdir(parents=True, exist_ok=True)
    shipped = (PROJECT / "templates/compose/beacon/compose.yaml.j2").read_text()
    template.write_text(shipped.replace("    command: [beacon, web]\n", f"    command: [beacon, web]\n{HEALTH}"))
    world.add_tenant("alice")
    world.deploy("alice")
    before = world.containers("alice")
    assert check(world) == 0, findings(world)
    ill = "/srv/launchpad/tenants/alice/data/marker/ill"
    world.host.exec(["touch", ill])
    wait(lambda: check(world) == 4, "status --check exits 4", seconds=60)
    told = world.launchpad("status", check=False).err
    assert "alice: web is unhealthy according to its image's health check since " in told, told
    assert world.get("alice", "/startupz").status == 200 and world.containers("alice") == before
    world.host.exec(["rm", ill])
    wait(lambda: check(world) == 0, "status --check exits 0 again", seconds=60)
    assert world.containers("alice") == before


def wait(true: Callable[[], bool], what: str, *, seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(1)
