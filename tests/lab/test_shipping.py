"""Tenants' lines reach the collector: tagged, without secrets, and all of them after its restart.

web-2 is the collector and sends its own tenants' lines too. What is judged is what journalctl shows on web-2.
"""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from labkit import Host
from measurement import record

from tests.lab.pair import Pair
from tests.lab.test_health import until
from tests.lab.test_logs import COUNT
from tests.lab.test_watch_cost import MOST_MEGABYTES, SECONDS, SETTLED_SECONDS, resident, ticks

pytestmark = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
TENANTS, SHIPPER = 20, "launchpad-ship"
REMOTE = "/var/log/journal/remote"
SAY = "import sys; open('/proc/1/fd/1', 'w').write(sys.argv[1] + '\\n')"


@pytest.fixture(scope="module")
def collected(pair: Pair) -> Pair:
    world = pair.world
    path = world.root / "inventory/hosts.yaml"
    hosts = yaml.safe_load(path.read_text())
    path.write_text(yaml.safe_dump(hosts | {"web-2": hosts["web-2"] | {"collector": True}}))
    world.launchpad("key", "collector")
    plan = world.launchpad("provision", "web-2", "--plan").out
    assert "launchpad-collect.service" in plan and "systemd-journal-remote" in plan, plan
    for host in ("web-2", "web-1"):
        world.launchpad("provision", host, timeout=600)
    for name in ("alice", "bob"):
        world.add_tenant(name, tier="small")
    world.set_tenant("bob", host="web-2")
    for name in ("alice", "bob"):
        world.deploy(name)
    until(lambda: all(map(pair.running_on, ("alice", "bob"))), "both run", seconds=60)
    return pair


def secret_of(host: Host, tenant: str) -> str:
    """One of the tenant's secrets, whole."""
    return host.exec(["sh", "-c", f"cat $(ls /run/launchpad/{tenant}/*/* | head -n 1)"]).stdout.strip()


def write_line(host: Host, tenant: str, *words: object, program: str = SAY) -> None:
    host.exec(["docker", "exec", f"lp-{tenant}-a-web-1", "python3", "-c", program, *map(str, words)])


def entries(pair: Pair, *matches: str) -> list[dict[str, Any]]:
    """What the collector has, in the order of journalctl."""
    said = pair.new.exec(["journalctl", "-q", "-D", REMOTE, "-o", "json", *matches], check=False).stdout
    return [json.loads(line) for line in said.splitlines()]


def texts(pair: Pair, tenant: str, word: str) -> list[str]:
    found = [str(item["MESSAGE"]) for item in entries(pair, f"LAUNCHPAD_TENANT={tenant}")]
    return [text for text in found if text.startswith(word)]


def test_lines_arrive_tagged_and_without_secrets(collected: Pair) -> None:
    secret = secret_of(collected.old, "alice")
    assert len(secret) >= 24
    write_line(collected.old, "alice", f"hello from {secret}")
    write_line(collected.new, "bob", "hello")
    until(
        lambda: bool(texts(collected, "alice", "hello")) and bool(texts(collected, "bob", "hello")), "lines", seconds=60
    )
    (line,) = [item for item in entries(collected, "LAUNCHPAD_TENANT=alice") if "hello" in str(item["MESSAGE"])]
    assert line["MESSAGE"] == "hello from [secret]"
    assert (line["_HOSTNAME"], line["LAUNCHPAD_SERVICE"], line["SYSLOG_IDENTIFIER"]) == ("web-1", "web", "alice/web")
    current = collected.old.exec(["readlink", "/srv/launchpad/tenants/alice/current"]).stdout.strip()
    assert line["LAUNCHPAD_RELEASE"] == current.rpartition("/")[2]
    for host in (collected.old, collected.new):
        found = host.exec(["grep", "-rlF", secret, "/var/log", "/var/lib/launchpad", "/tmp"], check=False)
        assert found.stdout == ""


def test_a_collector_that_was_down_and_one_that_restarts_lose_nothing(collected: Pair) -> None:
    collects, ships = "launchpad-collect.service", "launchpad-ship.service"
    write_line(collected.old, "alice", 1, 250, program=COUNT)  # five seconds
    collected.new.exec(["systemctl", "stop", collects])
    write_line(collected.old, "alice", 251, 250, program=COUNT)
    collected.old.exec(["systemctl", "restart", ships])
    collected.new.exec(["systemctl", "start", collects])
    write_line(collected.old, "alice", 501, 250, program=COUNT)
    for host, unit in ((collected.new, collects), (collected.old, ships)):
        host.exec(["systemctl", "kill", "--signal=KILL", unit])
    wanted = [f"count {number}" for number in range(1, 751)]
    until(lambda: texts(collected, "alice", "count")[-1:] == wanted[-1:], "the last line", seconds=90)
    assert texts(collected, "alice", "count") == wanted


def test_who_has_no_certificate_of_the_fleet_is_refused(collected: Pair) -> None:
    collector = f"{collected.new.address}:19532"
    said = collected.old.exec(["sh", "-c", f"openssl s_client -connect {collector} </dev/null 2>&1; true"]).stdout
    assert "certificate required" in said, said
    with pytest.raises(OSError):  # this machine is no host of the fleet: the firewall drops it
        socket.create_connection((collected.new.address, 19532), timeout=3)


def test_health_says_that_no_lines_arrive(collected: Pair) -> None:
    collected.new.exec(["systemctl", "stop", "launchpad-collect.service"])
    write_line(collected.old, "alice", "nobody hears this now")
    words = "tenants' logs do not reach the collector web-2: Connection refused"
    until(lambda: words in collected.world.launchpad("health", "web-1", check=False).out, "a warning", seconds=90)
    collected.new.exec(["systemctl", "start", "launchpad-collect.service"])
    until(lambda: bool(texts(collected, "alice", "nobody hears")), "the line", seconds=60)


@pytest.mark.timeout(1500)
def test_what_the_shipping_of_twenty_tenants_costs(collected: Pair, say: Callable[[str], None]) -> None:
    world = collected.world
    for number in range(TENANTS - 1):  # and alice
        world.add_tenant(f"t{number}", tier="small")
    world.launchpad("apply", "--yes", timeout=1200)
    time.sleep(SETTLED_SECONDS)
    before, begun = ticks(world, SHIPPER), time.monotonic()
    time.sleep(SECONDS)
    used = (ticks(world, SHIPPER) - before) / os.sysconf("SC_CLK_TCK")
    share, megabytes = 100 * used / (time.monotonic() - begun), resident(world, SHIPPER)
    load = os.getloadavg()[0]
    say(f"the shipping of {TENANTS} tenants: {share:.2f} % of a core, {megabytes:.0f} MB; load {load:.1f}")
    record("ops-ship-cpu", round(share, 3), detail=f"load {load:.1f}")
    record("ops-ship-memory", round(megabytes, 1))
    assert megabytes <= MOST_MEGABYTES
