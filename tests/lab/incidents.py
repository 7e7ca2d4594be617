"""What can go wrong on a host, how people make it good, and the one layer that is to show it.

Not here, because a lab host shares its disk's inodes, its memory, its CPUs and its clock with this machine: inodes, the
host's memory, a slow disk, a late update. Not here, because nothing but a failed command shows them, which names them
itself: a full target, a target of another key, a login at the registry. A wrong trusted proxy and a refused origin need
an app that has such settings: tests/runner/diagnosing.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from tests.lab.world import World

KEY_AND_BOT = {
    "provider": {"layer": "provider", "name": "anthropic", "secret": "ANTHROPIC_API_KEY", "state": "works"},
    "channel": {"layer": "channel", "name": "telegram", "secret": "TELEGRAM_BOT_TOKEN", "state": "works"},
}
TARGET = "/srv/disk"
NOWHERE = "bob.nowhere.lab.test"
FAR_OFF = "7F7F0101,,8,0.0,12.5,0,0,0,0,0,0,0,64,Normal"
"""What chronyc says of a clock that is wrong by 12.5 s: no host of the lab has a clock of its own."""
WEB = "$(docker inspect -f '{{{{.State.Pid}}}}' lp-{}-a-web-1)"
DATA = "/srv/launchpad/tenants/{}/data/marker"
DOCKER = "docker.socket docker.service"
SSHD, KEYS = "/etc/ssh/sshd_config", "/etc/launchpad/authorized_keys"
KEY_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl stranger"


@dataclass(frozen=True)
class Incident:
    """What goes wrong, how people make it good, and the one layer that is to show it."""

    name: str
    does: str | Callable[[World], object]
    undoes: str | Callable[[World], object]
    tenant: str
    layer: str
    repaired: bool = False
    """Whether the host makes it good by itself."""
    brief: bool = False
    """Whether that is done before anybody looks: it is only in the history."""
    says: str = ""
    """What the history has of it."""
    beside: frozenset[tuple[str, str]] = frozenset()
    """What the repair itself shows for a moment."""


def app_says(tenant: str, layer: str, state: str, line: str) -> Callable[[World], object]:
    """What the app's own check prints from now on, and what the app writes because of it."""

    def says(world: World) -> None:
        checks = [item | ({"state": state} if name == layer else {}) for name, item in KEY_AND_BOT.items()]
        world.host.write(f"{DATA.format(tenant)}/check.json", json.dumps({"checks": checks}))
        world.get(tenant, f"/{line}")  # beacon writes down what it was asked for

    return says


def deploy_bob(*more: str) -> Callable[[World], object]:
    """Bob with more names."""

    def deploys(world: World) -> None:
        world.set_tenant("bob", domains=[world.domain("bob"), *more])
        world.deploy("bob")

    return deploys


def no_image(world: World) -> None:
    """Somebody cleared up, and the registry is away from which the watch would pull the image again."""
    image, out = world.images["beacon:1.1.0"], "inet away out"
    world.host.exec(["nft", f"add table inet away; add chain {out} {{ type filter hook output priority 0; }}"])
    world.host.exec(["nft", f"add rule {out} tcp dport 5000 reject"])
    world.host.exec(["sh", "-c", f"docker rmi -f {image}; docker rm -f lp-dora-a-web-1 lp-dora-a-store-1"])


WARNINGS = (
    Incident("chrony stopped", "systemctl stop chrony", "systemctl start chrony", "", "clock"),
    Incident("a failed unit", "systemd-run -q --unit=broken false", "systemctl reset-failed broken", "", "units"),
    Incident(
        "a pending reboot",
        "touch /run/reboot-required; echo linux-image-amd64 > /run/reboot-required.pkgs",
        "rm /run/reboot-required /run/reboot-required.pkgs",
        "",
        "reboot",
    ),
    Incident("a target that is gone", f"mv {TARGET} {TARGET}.away", f"mv {TARGET}.away {TARGET}", "", "targets"),
    Incident(
        "a key that is refused (401)",
        app_says("carol", "provider", "refused", "v1/messages?status=401"),
        app_says("carol", "provider", "works", "v1/messages?status=401"),
        "carol",
        "provider",
    ),
    Incident(
        "a bot that another program uses (409)",
        app_says("dora", "channel", "taken", "getUpdates?error=409:Conflict"),
        app_says("dora", "channel", "works", "getUpdates?error=409:Conflict"),
        "dora",
        "channel",
    ),
)
TENANTS = (
    Incident(
        "a full quota",
        f"head -c 4G /dev/zero > {DATA.format('alice')}/fill; sync -f {DATA.format('alice')}; true",
        f"rm {DATA.format('alice')}/fill; sync -f {DATA.format('alice')}",
        "alice",
        "data",
    ),
    Incident(
        "memory that ran out",
        f"echo 1000 > /proc/{WEB.format('bob')}/oom_score_adj; "
        "docker exec lp-bob-a-web-1 python3 -c 'x = bytearray(b\"x\") * (1 << 30)'; true",
        "true",
        "bob",
        "process",
        repaired=True,
        brief=True,
        says="because memory ran out",
    ),
    Incident(
        "an app that hangs",
        "docker top lp-bob-a-web-1 -eo pid | tail -n +2 | xargs kill -STOP",
        "true",
        "bob",
        "ready",
        repaired=True,
    ),
    Incident(
        "a container without a process",
        f"web={WEB.format('bob')}; kill -KILL $(systemctl show -P MainPID containerd) $web",
        "true",
        "bob",
        "process",
        repaired=True,
        brief=True,
        beside=frozenset({("", "docker")}),  # which the watch may start again, so that it sees the end
    ),
    Incident(
        "exits with status 78",
        f"f={DATA.format('carol')}/new.plugin; echo 9.0.0 > $f; chmod 644 $f; docker kill lp-carol-a-web-1",
        f"rm {DATA.format('carol')}/new.plugin && launchpad start carol",
        "carol",
        "process",
    ),
    Incident("an image that is gone", no_image, "nft delete table inet away", "dora", "process"),
    Incident("a certificate that is refused", deploy_bob(NOWHERE), deploy_bob(), "bob", "edge"),
    Incident(
        "a crash loop",
        "until [ -e /srv/launchpad/tenants/alice/breaker.json ]; do docker kill lp-alice-a-web-1; sleep 0.5; done",
        "true && launchpad start alice",
        "alice",
        "process",
    ),
)
HOST = (
    Incident("a foreign key", f"echo '{KEY_LINE}' >> {KEYS}", f"sed -i '/ stranger$/d' {KEYS}", "", "settings"),
    Incident(
        "the packet filter flushed",
        "nft flush ruleset",
        "true",
        "",
        "firewall",
        repaired=True,
        brief=True,
        beside=frozenset({("", "docker")}),  # which the watch starts again for its rules
    ),
    Incident("Caddy stopped", "docker stop launchpad-caddy", "true", "", "caddy", repaired=True, brief=True),
    Incident(
        "no name server",
        "cp /etc/resolv.conf /root/; echo nameserver 10.77.0.250 > /etc/resolv.conf",
        "cat /root/resolv.conf > /etc/resolv.conf",
        "",
        "resolver",
    ),
    Incident(
        "Docker stopped",
        f"systemctl mask --runtime --quiet docker.service; systemctl stop {DOCKER}",
        f"systemctl unmask --runtime --quiet docker.service; systemctl start {DOCKER}",
        "",
        "docker",
    ),
    Incident(
        "a wrong clock",
        "mv /usr/bin/chronyc /root/; "
        f"printf '#!/bin/sh\\necho {FAR_OFF}\\n' > /usr/bin/chronyc; chmod 755 /usr/bin/chronyc",
        "mv /root/chronyc /usr/bin/chronyc",
        "",
        "clock",
    ),
    Incident(
        "a full disk",
        "set -- $(df --block-size=1 --output=avail,size /srv/launchpad | tail -n 1); "
        "fallocate -l $(($1 - $2 / 50)) /srv/launchpad/fill; sync -f /srv/launchpad",
        "rm /srv/launchpad/fill; sync -f /srv/launchpad",
        "",
        "disk",
    ),
    Incident(
        "root may log in",
        f"cp {SSHD} /root/; sed -i '1i PermitRootLogin yes' {SSHD}; systemctl reload ssh",
        f"cat /root/sshd_config > {SSHD}; systemctl reload ssh",
        "",
        "settings",  # again: the foreign key has to be over
    ),
)


def carry_out(world: World, what: str | Callable[[World], object]) -> None:
    """Shell on the host, and after ` && launchpad ` one of the operator's commands; or a function."""
    if not isinstance(what, str):
        what(world)
        return
    script, is_operators, words = what.partition(" && launchpad ")
    world.host.exec(["sh", "-c", script])
    if is_operators:
        world.launchpad(*words.split())
