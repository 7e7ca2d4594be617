"""One incident after the other on a host, with nobody at a terminal: each is seen within a minute by its own layer and
by no other, told once, repaired where that is safe, and its end is told. `-k warnings`, `-k tenants`, `-k host`: parts.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from measurement import record

from tests.lab.incidents import DATA, HOST, KEY_AND_BOT, TARGET, TENANTS, WARNINGS, Incident, carry_out
from tests.lab.test_alerts import mails, told
from tests.lab.test_health import account, done_by_watch, until
from tests.lab.world import World, write

__all__ = ["told"]

pytestmark = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="an hour: scripts/evidence asks it")
SEEN_SECONDS, TOLD_SECONDS, REPAIRED_SECONDS, OVER_SECONDS = 60, 180, 180, 400
WARNING_SECONDS = 480
"""A warning has to last five minutes before it is told."""


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


@pytest.fixture(scope="module", autouse=True)
def calm(world: World, told: None) -> None:
    """Four tenants whose apps check their keys, a target, and a clock that a time server sets: nothing is wrong."""
    app, tiers = world.root / "inventory/apps/beacon.yaml", world.root / "inventory/tiers.yaml"
    actions = [item for item in yaml.safe_load(app.read_text())["actions"] if item["name"] != "check"]
    write(app, actions=[*actions, {"name": "check", "service": "web", "argv": ["cat", "/data/check.json"]}])
    write(tiers, light=yaml.safe_load(tiers.read_text())["light"] | {"backup": {"targets": ["disk"]}})
    (world.root / "inventory/targets.yaml").write_text(yaml.safe_dump({"disk": {"kind": "local", "url": TARGET}}))
    world.host.exec(["mkdir", "-p", TARGET])
    world.host.write("/etc/chrony/conf.d/lab.conf", "local stratum 8\n")  # the lab has no time server
    world.host.exec(["systemctl", "restart", "chrony"])
    world.launchpad("provision", "web-1", timeout=600)
    for name, version in (("carol", "3.7.0"), ("dora", "1.1.0")):  # a check of keys needs more memory than light has
        world.add_tenant(name, version=version, tier="standard")
    for name in ("alice", "bob", "carol", "dora"):
        world.deploy(name)
        world.host.write(f"{DATA.format(name)}/check.json", json.dumps({"checks": [*KEY_AND_BOT.values()]}))
        world.wait_for(name)


@pytest.mark.timeout(2400)
@pytest.mark.parametrize("incidents", [WARNINGS, TENANTS, HOST], ids=["warnings", "tenants", "host"])
def test_each_incident_is_seen_by_its_layer_told_once_and_its_end_too(
    world: World, say: Callable[[str], None], incidents: tuple[Incident, ...]
) -> None:
    wait_until_bad_is(world, set(), "before")
    start, wrong, expected = len(mails(world.host)), Counter[str](), Counter[str]()
    for incident in incidents:
        _happens(world, incident, say, expected, wrong)
        if incidents is not WARNINGS:
            if not incident.brief:
                carry_out(world, incident.undoes)
            wait_until_bad_is(world, set(), f"after {incident.name}")
    if incidents is WARNINGS:  # all at once, for each has to last
        for incident in incidents:
            name = whom(incident)
            until(lambda told=name: told in told_of(world, since=start), name, seconds=WARNING_SECONDS)  # type: ignore[misc]
        own = {(incident.tenant, incident.layer) for incident in incidents}
        wrong.update(f"a warning: {layer}" for layer in bad(world) - own)
        for incident in incidents:
            carry_out(world, incident.undoes)
    until(lambda: told_of(world, since=start) >= expected, f"all of {expected}", seconds=OVER_SECONDS)
    time.sleep(30)  # nothing else tells that no further mail comes
    said = told_of(world, since=start)
    more = said - expected
    say(f"mails: {dict(said)}; not expected: {dict(more)}; missing: {dict(expected - said)}")
    record("ops-incidents-wrong-layer", sum(wrong.values()), n=len(incidents))
    shown = [incident for incident in incidents if not incident.brief]
    record("ops-incidents-not-told-once", sum(more.values()) + sum((expected - said).values()), n=len(shown))
    assert not wrong and not more and not expected - said


def test_a_tenant_that_nobody_wrote_down_is_seen_by_health(world: World) -> None:
    """Only the inventory knows that it is nobody's: its host tells nobody, and what cron asks does."""
    path = world.root / "inventory/tenants/dora.yaml"
    kept = path.read_text()
    path.unlink()
    try:
        found = world.launchpad("--json", "health", "--all", check=False).json_document["tenants"]
        wrong = [(item["tenant"], fact) for item in found for fact in item["facts"] if fact["grade"] != "ok"]
        assert [(tenant, fact["layer"], fact["grade"]) for tenant, fact in wrong] == [("dora", "process", "warning")]
        assert wrong[0][1]["hint"] == "launchpad retire dora --host web-1"
    finally:
        path.write_text(kept)


def _happens(
    world: World, incident: Incident, say: Callable[[str], None], expected: Counter[str], wrong: Counter[str]
) -> None:
    own, before = (incident.tenant, incident.layer), bad(world)
    history, mailed = len(done_by_watch(world, incident.tenant)), len(mails(world.host))
    carry_out(world, incident.does)
    begun = time.monotonic()
    if incident.brief:
        until(
            lambda: any(incident.says in line for line in done_by_watch(world, incident.tenant)[history:]),
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
