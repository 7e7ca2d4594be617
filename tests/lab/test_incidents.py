"""One incident after the other on a host, with nobody at a terminal: each is seen within a minute by its own layer and
by no other, told once, repaired where that is safe, and its end is told."""

from __future__ import annotations

import os
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import yaml
from measurement import record

from tests.lab.test_alerts import mails, told
from tests.lab.test_health import WORKS, account, done_by_watch
from tests.lab.test_watching import until
from tests.lab.world import World, write

__all__ = ["told"]

pytestmark = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="an hour: scripts/evidence asks it")
SEEN_SECONDS, TOLD_SECONDS, REPAIRED_SECONDS, OVER_SECONDS = 60, 180, 180, 400
WARNING_SECONDS = 480
"""A warning has to last five minutes before it is told."""
DATA = "/srv/launchpad/tenants/{}/data/marker"
DOCKER = "docker.socket docker.service"
SSHD, KEYS = "/etc/ssh/sshd_config", "/etc/launchpad/authorized_keys"
KEY_LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl stranger"


@dataclass(frozen=True)
class Incident:
    """What goes wrong, how people make it good, and the one layer that is to show it."""

    name: str
    does: str
    undoes: str
    tenant: str
    layer: str
    repaired: bool = False
    """Whether the host makes it good by itself."""
    brief: bool = False
    """Whether that is done before anybody looks: it is only in the history."""
    beside: frozenset[tuple[str, str]] = frozenset()
    """What the repair itself shows for a moment."""


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
)
CRITICAL = (
    Incident(
        "a full quota",
        f"head -c 4G /dev/zero > {DATA.format('alice')}/fill; sync -f {DATA.format('alice')}; true",
        f"rm {DATA.format('alice')}/fill; sync -f {DATA.format('alice')}",
        "alice",
        "data",
    ),
    Incident("a foreign key", f"echo '{KEY_LINE}' >> {KEYS}", f"sed -i '/ stranger$/d' {KEYS}", "", "settings"),
    Incident(
        "an app that hangs",
        "docker top lp-bob-a-web-1 -eo pid | tail -n +2 | xargs kill -STOP",
        "true",
        "bob",
        "ready",
        repaired=True,
    ),
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
        "root may log in",
        f"cp {SSHD} /root/; sed -i '1i PermitRootLogin yes' {SSHD}; systemctl reload ssh",
        f"cat /root/sshd_config > {SSHD}; systemctl reload ssh",
        "",
        "settings",
    ),
    Incident(
        "a crash loop",
        "until [ -e /srv/launchpad/tenants/alice/breaker.json ]; do docker kill lp-alice-a-web-1; sleep 0.5; done",
        "launchpad start alice",
        "alice",
        "process",
    ),
    Incident(
        "Docker stopped",
        f"systemctl mask --runtime --quiet docker.service; systemctl stop {DOCKER}",
        f"systemctl unmask --runtime --quiet docker.service; systemctl start {DOCKER}",
        "",
        "docker",
    ),
    Incident(
        "a full disk",
        "set -- $(df --block-size=1 --output=avail,size /srv/launchpad | tail -n 1); "
        "fallocate -l $(($1 - $2 / 50)) /srv/launchpad/fill; sync -f /srv/launchpad",
        "rm /srv/launchpad/fill; sync -f /srv/launchpad",
        "",
        "disk",
    ),
)


def worst(world: World) -> list[dict[str, Any]]:
    """The facts that are not ok, as the host itself has them; the load is this machine's, which others use too."""
    return [fact for fact in account(world) if fact["grade"] in ("warning", "critical") and fact["layer"] != "load"]


def bad(world: World) -> set[tuple[str, str]]:
    """The tenant and the layer of each."""
    return {(fact.get("tenant", ""), fact["layer"]) for fact in worst(world)}


def wait_until_bad_is(world: World, wanted: set[tuple[str, str]], when: str) -> None:
    end = time.monotonic() + REPAIRED_SECONDS
    while bad(world) != wanted:
        assert time.monotonic() < end, f"{when}: {worst(world)}"
        time.sleep(0.5)


def whom(incident: Incident) -> str:
    return f"{f'tenant {incident.tenant}' if incident.tenant else 'host'}, {incident.layer}"


def told_of(world: World, *, since: int = 0) -> Counter[str]:
    """Whom and which layer the mails name, `over: ` before what has recovered; several problems may be in one mail."""
    found = Counter[str]()
    for _, text in mails(world.host)[since:]:
        for paragraph in text.split("\n\n"):
            name, _, what = paragraph.partition(": ")
            if re.fullmatch(r"(host|tenant [a-z]+), [a-z]+", name) and not name.endswith(", load"):
                found[f"over: {name}" if what.startswith("has recovered") else name] += 1
    return found


def make_good(world: World, incident: Incident) -> None:
    if incident.undoes.startswith("launchpad "):
        world.launchpad(*incident.undoes.split()[1:])
    else:
        world.host.exec(["sh", "-c", incident.undoes])


@pytest.mark.timeout(5400)
def test_each_incident_is_seen_by_its_layer_told_once_and_its_end_too(world: World, say: Callable[[str], None]) -> None:
    with_checks(world)
    world.host.write("/etc/chrony/conf.d/lab.conf", "local stratum 8\n")  # the lab has no time server
    world.host.exec(["systemctl", "restart", "chrony"])
    wait_until_bad_is(world, set(), "before")
    start, wrong, expected = len(mails(world.host)), Counter[str](), Counter[str]()
    for incident in WARNINGS:
        _happens(world, incident, say, expected, wrong)
    begun = time.monotonic()
    for incident in CRITICAL:
        _happens(world, incident, say, expected, wrong)
        if not incident.brief:
            make_good(world, incident)
        wait_until_bad_is(world, STANDING, f"after {incident.name}")
    wait = max(0.0, WARNING_SECONDS - (time.monotonic() - begun))
    for incident in WARNINGS:
        name = whom(incident)
        until(lambda told=name: told in told_of(world, since=start), name, seconds=wait + 60)  # type: ignore[misc]
    for incident in WARNINGS:
        make_good(world, incident)
    until(lambda: told_of(world, since=start) >= expected, f"all of {expected}", seconds=OVER_SECONDS)
    time.sleep(60)  # nothing else tells that no further mail comes
    said = told_of(world, since=start)
    more = said - expected
    say(f"mails: {dict(said)}; not expected: {dict(more)}; missing: {dict(expected - said)}")
    record("ops-incidents-wrong-layer", sum(wrong.values()), n=len(WARNINGS) + len(CRITICAL))
    record("ops-incidents-not-told-once", sum(more.values()) + sum((expected - said).values()), n=len(CRITICAL))
    assert not wrong and not more and not expected - said


STANDING = {("", incident.layer) for incident in WARNINGS}


def _happens(
    world: World, incident: Incident, say: Callable[[str], None], expected: Counter[str], wrong: Counter[str]
) -> None:
    own, before = (incident.tenant, incident.layer), bad(world)
    history, mailed = len(done_by_watch(world, incident.tenant)), len(mails(world.host))
    world.host.exec(["sh", "-c", incident.does])
    begun = time.monotonic()
    if incident.brief:
        until(
            lambda: len(done_by_watch(world, incident.tenant)) > history,
            f"{incident.name} is in the history",
            seconds=SEEN_SECONDS,
        )
        seen = time.monotonic() - begun
    else:
        seen = until(lambda: own in bad(world), f"{incident.name}: {own}", seconds=SEEN_SECONDS)
        record("ops-incident-seen", round(seen, 1), detail=incident.name)
    others: set[tuple[str, str]] = set()

    def ended() -> bool:
        others.update(bad(world) - before - {own} - incident.beside)
        if incident.brief:
            return time.monotonic() - begun > 20
        if incident.repaired:
            return own not in bad(world)
        return incident in WARNINGS or whom(incident) in told_of(world, since=mailed)

    told_at = time.monotonic() + TOLD_SECONDS
    while not ended():
        found = world.host.exec(["cat", "/var/lib/launchpad/alerts.json"], check=False).stdout
        assert time.monotonic() < told_at, f"{incident.name}: {mails(world.host)[mailed:]} {found}"
        time.sleep(0.5)
    took = time.monotonic() - begun
    wrong.update(f"{incident.name}: {layer}" for layer in others)
    if not incident.repaired or whom(incident) in told_of(world, since=mailed):  # a repair may take as long as a mail
        expected.update([whom(incident), f"over: {whom(incident)}"])
    say(f"{incident.name}: seen after {seen:.1f} s by {own}, others {others or 'none'}, then {took:.0f} s")


def with_checks(world: World) -> None:
    app = world.root / "inventory/apps/beacon.yaml"
    actions = [item for item in yaml.safe_load(app.read_text())["actions"] if item["name"] != "check"]
    write(app, actions=[*actions, {"name": "check", "service": "web", "argv": ["cat", "/data/check.json"]}])
    for name in ("alice", "bob"):
        world.deploy(name)
        world.host.write(f"{DATA.format(name)}/check.json", WORKS)
        world.wait_for(name)
