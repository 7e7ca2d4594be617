"""Two hosts look at one another from outside: a tenant's name through the other's Caddy, and a host that dies."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.lab.pair import Pair
from tests.lab.test_alerts import ALERTS, URL, mailbox, mails
from tests.lab.test_health import until
from tests.lab.world import write

pytestmark = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
SEEN_SECONDS = 180


@pytest.fixture(scope="module", autouse=True)
def tenants(pair: Pair) -> Iterator[None]:
    world = pair.world
    for name in ("alice", "bob"):
        world.add_tenant(name, tier="small")
        world.deploy(name)
        world.wait_for(name)
    yield


def seen_from_outside(pair: Pair, whose: str = "alice") -> list[dict[str, Any]]:
    """What web-2 has in its account about a tenant of web-1; about web-1 itself for the empty name."""
    account = json.loads(pair.new.exec(["cat", "/run/launchpad/watch.json"]).stdout)
    return [fact for fact in account["health"] if fact.get("host") == "web-1" and fact.get("tenant", "") == whose]


def look_again(pair: Pair) -> None:
    """As a provision asks the watch to, at its end."""
    pair.new.exec(["sh", "-c", "cut -d' ' -f1 /proc/uptime > /run/launchpad/look-again"])


def facts_of(pair: Pair, name: str) -> list[dict[str, Any]]:
    found = pair.world.launchpad("--json", "health", "--all", check=False).json_document
    (mine,) = [item for item in (*found["tenants"], *found["hosts"]) if name in (item["tenant"] or item["host"],)]
    return list(mine["facts"])


def test_the_other_host_asks_each_name_with_its_certificate_and_health_says_so(pair: Pair) -> None:
    pair.world.launchpad("health", "--all", check=False)  # which sends the names

    def asked() -> bool:
        look_again(pair)
        return bool(seen_from_outside(pair) and seen_from_outside(pair, "bob"))

    until(asked, "web-2 asks for both names", seconds=60)
    (fact,) = seen_from_outside(pair)
    assert fact["grade"] == "ok", fact
    assert fact["message"] == f"{pair.world.domain('alice')} answers web-2 from outside"
    (whole,) = seen_from_outside(pair, "")
    assert (whole["layer"], whole["grade"]) == ("peer", "ok")
    assert fact["message"] in [item["message"] for item in facts_of(pair, "alice")]
    assert "answers web-2 on port 443" in [item["message"] for item in facts_of(pair, "web-1")]


def mails_of_web_1(pair: Pair) -> list[tuple[str, str]]:
    """What web-2 tells of web-1 and of its tenants; web-2 has trouble of its own, such as no time server."""
    return [(subject, text) for subject, text in mails(pair.new) if "web-1" in text or "tenant " in text]


def test_a_dead_host_is_one_mail_from_the_other_and_so_is_its_end(pair: Pair, measured: Callable[..., None]) -> None:
    world = pair.world
    mailbox(pair.new)
    write(world.root / "launchpad.yaml", alerts=ALERTS[:1])
    world.launchpad("alerts", "credential", "team", stdin=URL.replace("web-1", "web-2"))
    world.launchpad("provision", "web-2", timeout=600)
    until(lambda: bool(seen_from_outside(pair, "")), "web-2 looks at web-1", seconds=90)
    before = len(mails_of_web_1(pair))
    world.host.power_off_hard()
    begun = time.monotonic()
    try:
        until(lambda: len(mails_of_web_1(pair)) > before, "a mail", seconds=SEEN_SECONDS)
        took = time.monotonic() - begun
        health = world.launchpad("health", "web-1", "web-2", check=False)
        assert health.code == 2 and "web-1 does not answer on port 443" in health.out, health
        time.sleep(60)  # nothing else tells that no second one comes
        told = mails_of_web_1(pair)[before:]
        assert [subject for subject, _ in told] == ["[critical] web-2: host web-1, peer"]
        assert "launchpad smoke web-1 --outside-only" in told[0][1] and "launchpad runbook host-peer" in told[0][1]
    finally:
        world.host.start()
    measured("ops-dead-host-seconds", round(took, 1), detail="a host without power, told by another")
    world.wait_for("alice", seconds=180)
    until(lambda: len(mails_of_web_1(pair)) > before + 1, "the end", seconds=400)
    assert [subject for subject, _ in mails_of_web_1(pair)[before + 1 :]] == ["[recovered] web-2: host web-1, peer"]
