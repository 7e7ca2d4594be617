"""Usage and metrics of a real host: counted right, kept over a crash and a reboot, scraped by a real Prometheus."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from measurement import record

from tests.lab.world import World
from tests.runner.metering.test_rules import DASHBOARD, RULES

EVIDENCE = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason="minutes: scripts/evidence asks it")
EXPORTER = "http://127.0.0.1:9100/metrics"
METER = "/var/lib/launchpad/usage/meter.json"
MANY = 12
COST_SECONDS = 180
LONG = 3_000
"""The bytes of a request."""
CONFIG = {
    "global": {"scrape_interval": "5s", "evaluation_interval": "5s"},
    "rule_files": ["/etc/prometheus/launchpad.rules.yml"],
    "scrape_configs": [{"job_name": "launchpad", "static_configs": [{"targets": ["127.0.0.1:9100"]}]}],
}


def until(true: Callable[[], bool], what: str, *, seconds: float) -> float:
    """Wait until it is true, and for how long it was not."""
    begun = time.monotonic()
    while not true():
        assert time.monotonic() - begun < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(1)
    return time.monotonic() - begun


def month(world: World) -> str:
    return world.host.exec(["date", "--utc", "+%Y-%m"]).stdout.strip()


def usage(world: World, tenant: str = "alice") -> dict[str, Any]:
    found = json.loads(world.launchpad("--json", "usage", tenant, "--month", month(world)).out)
    return dict(found[0]) if found else dict.fromkeys(("cpu_seconds", "received_bytes", "sent_bytes", "restarts"), 0)


def send(world: World, count: int) -> None:
    """Requests of so many bytes together."""
    for _ in range(count // LONG):
        assert world.get("alice", f"/?a={'x' * LONG}").status == 200


def scraped(world: World) -> str:
    return world.host.exec(["curl", "--silent", "--max-time", "10", EXPORTER], check=False).stdout


@pytest.fixture(scope="module", autouse=True)
def exported(world: World) -> None:
    """A host with the exporter and a tenant that worked: half a megabyte went each way."""
    hosts = world.root / "inventory/hosts.yaml"
    found = yaml.safe_load(hosts.read_text())
    found["web-1"]["exporter"] = True
    hosts.write_text(yaml.safe_dump(found))
    world.launchpad("provision", "web-1", timeout=600)
    world.add_tenant("alice")
    world.deploy("alice")
    world.wait_for("alice")


def test_a_host_counts_what_its_tenant_uses_and_gives_it_to_the_exporter(world: World) -> None:
    send(world, 100 * LONG)
    until(lambda: usage(world)["received_bytes"] > 100 * LONG, "the traffic is counted", seconds=100)
    found = usage(world)
    assert found["hosts"] == ["web-1"] and 100 * LONG < found["received_bytes"] < 1_500_000
    assert 0.01 < found["cpu_seconds"] < 60 and found["sent_bytes"] > 1000
    until(
        lambda: 'launchpad_tenant_received_bytes_total{host="web-1",tenant="alice"}' in scraped(world),
        "it is scraped",
        seconds=40,
    )
    mine = [line for line in scraped(world).splitlines() if "launchpad_" in line and not line.startswith("#")]
    printed = world.launchpad("metrics", "web-1").out
    names = {line.partition("{")[0] for line in mine if line.startswith("launchpad_")}
    missing = names - {line.partition("{")[0] for line in printed.splitlines()}
    assert not missing, f"{missing} of {printed}"
    token = world.host.exec(["sh", "-c", "cat /run/launchpad/alice/*/BEACON_TOKEN"]).stdout.strip()
    assert len(token) > 20 and token not in printed
    listens = world.host.exec(["ss", "--tcp", "--listening", "--numeric", "--no-header", "sport", "=", ":9100"]).stdout
    assert [line.split()[3] for line in listens.splitlines()] == ["127.0.0.1:9100"]
    assert world.launchpad("status", "web-1").code == 0


@EVIDENCE
def test_a_crash_of_the_watch_and_a_reboot_lose_nothing(world: World) -> None:
    before = usage(world)
    world.host.exec(["systemctl", "kill", "--signal=KILL", "launchpad-watch"])
    send(world, 50 * LONG)
    until(
        lambda: usage(world)["received_bytes"] > before["received_bytes"] + 50 * LONG,
        "counted by the next watch",
        seconds=100,
    )
    after = usage(world)
    assert after["received_bytes"] < before["received_bytes"] + 1_500_000, "counted once"
    world.host.reboot()
    world.wait_for("alice", seconds=120)
    until(lambda: usage(world)["restarts"] > after["restarts"], "the boot's start is counted", seconds=100)
    rebooted = usage(world)
    assert after["received_bytes"] <= rebooted["received_bytes"] < after["received_bytes"] + 300_000
    assert after["cpu_seconds"] <= rebooted["cpu_seconds"] < after["cpu_seconds"] + 60


def ask(world: World, query: str) -> list[dict[str, Any]]:
    """What Prometheus answers; nothing while it starts."""
    target = f"http://127.0.0.1:9090/api/v1/query?query={quote(query)}"
    said = world.host.exec(["curl", "--silent", "--fail", "--max-time", "10", target], check=False)
    if said.status:
        return []
    found = json.loads(said.stdout)
    assert found["status"] == "success", (query, found)
    return list(found["data"]["result"])


@pytest.fixture(scope="module")
def prometheus(world: World) -> World:
    """Debian's Prometheus beside the exporter, with the shipped rules. What an operator's side adds is added."""
    world.host.exec(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "prometheus"], timeout=300)
    world.host.write("/etc/prometheus/launchpad.rules.yml", RULES.read_text())
    world.host.write("/etc/prometheus/prometheus.yml", yaml.safe_dump(CONFIG))
    world.host.write("/var/lib/prometheus/node-exporter/up.prom", 'launchpad_up{host="web-1"} 1\n')
    world.host.exec(["systemctl", "restart", "prometheus"])
    until(lambda: bool(ask(world, "launchpad_tenant_info")), "Prometheus has scraped", seconds=90)
    return world


@EVIDENCE
def test_every_query_of_the_dashboard_gives_a_series(prometheus: World, say: Callable[[str], None]) -> None:
    world = prometheus
    for kind in ("backup", "proof"):  # as a backup and a drill leave it
        at, folder = time.time() - 60, "/srv/launchpad/tenants/alice/backup"
        path, kept = {
            "backup": (f"{folder}/targets/offsite.json", {"sent": {"at": at}}),
            "proof": (f"{folder}/proven.json", {"proven": at}),
        }[kind]
        world.host.write(path, json.dumps(kept))
    board = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    queries = [query.replace("$host", ".*").replace("$tenant", ".*") for query in asked]
    begun = time.monotonic()
    while (empty := [query for query in queries if not ask(world, query)]) and time.monotonic() - begun < 400:
        time.sleep(5)
    say(f"{len(queries)} queries of the dashboard against a real Prometheus, without a series: {empty}")
    record("ops-queries-empty", len(empty), n=len(queries))
    assert empty == []
    checked = world.host.exec(
        ["sh", "-c", "promtool check metrics < /var/lib/prometheus/node-exporter/launchpad.prom"], check=False
    )
    assert (checked.status, checked.stdout, checked.stderr) == (0, "", "")


@dataclass(frozen=True)
class Fault:
    """What is done to a host, how it is made good, and the alert that is to fire: name, layer, tenant."""

    does: str
    undoes: str
    alert: tuple[str, str, str]
    ends: bool = True
    """Whether the alert ends soon after; restarts are counted over an hour."""


FILL = "/srv/launchpad/tenants/alice/data/marker/fill"
BACKUP = "/srv/launchpad/tenants/alice/backup/targets/offsite.json"
OLD = """mkdir -p "$(dirname {0})"; echo '{{"sent": {{"at": 1000000000}}}}' > {0}"""
FAULTS = {
    "docker": (
        Fault("systemctl stop docker.socket docker", "systemctl start docker", ("LaunchpadHostCritical", "docker", "")),
    ),
    "quota": (
        Fault(f"head -c 4G /dev/zero > {FILL}; sync -f {FILL}; true", f"rm {FILL}; sync -f /srv/launchpad",
              ("LaunchpadTenantCritical", "data", "alice")),
    ),
    "restarts": (
        Fault("for i in 1 2 3 4; do docker restart lp-alice-a-web-1 lp-alice-a-store-1; sleep 65; done", "true",
              ("LaunchpadRestartsOften", "", "alice"), ends=False),
    ),
    "watch and backup": (
        Fault(OLD.format(BACKUP), f"rm {BACKUP}", ("LaunchpadBackupOld", "", "alice")),
        Fault("sleep 100; systemctl stop launchpad-watch", "systemctl start launchpad-watch",
              ("LaunchpadWatchSilent", "", "")),
    ),
    "exporter": (
        Fault("systemctl stop prometheus-node-exporter", "systemctl start prometheus-node-exporter",
              ("LaunchpadMetricsMissing", "", "")),
    ),
}  # fmt: skip
"""What is done at the same time; each has to last for some minutes."""


@EVIDENCE
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("faults", FAULTS.values(), ids=FAULTS.keys())
def test_an_alert_fires_for_a_real_fault_and_ends(
    prometheus: World, say: Callable[[str], None], faults: tuple[Fault, ...]
) -> None:
    world, missed = prometheus, 0

    def firing() -> set[tuple[str, ...]]:
        found = ask(world, 'ALERTS{alertstate="firing"}')
        keys = ("alertname", "layer", "tenant")
        return {tuple(item["metric"].get(key, "") for key in keys) for item in found}

    quiet = firing()
    for fault in faults:
        world.host.exec(["sh", "-c", fault.does], timeout=400)
    for fault in faults:
        try:
            seconds = until(lambda alert=fault.alert: alert in firing(), f"{fault.alert} fires", seconds=900)  # type: ignore[misc]
        except AssertionError:
            missed += 1
            seconds = -1.0
        say(f"{fault.alert}: fires {seconds:.0f} s after `{fault.does}`")
    for fault in faults:
        world.host.exec(["sh", "-c", fault.undoes])
    remains = quiet | {fault.alert for fault in faults if not fault.ends}
    until(lambda: firing() <= remains, "all is quiet again", seconds=400)
    record("ops-rules-missed", missed, n=len(faults))
    assert missed == 0


@EVIDENCE
def test_what_watch_exporter_and_usage_cost(world: World, say: Callable[[str], None]) -> None:
    """The CPU time of both, and what they hold, with many tenants, while the exporter is scraped every 15 s."""
    world.host.exec(["systemctl", "disable", "--now", "prometheus"], check=False)
    for number in range(1, MANY):
        world.add_tenant(f"t{number}")
        world.deploy(f"t{number}")
    units = ("launchpad-watch", "prometheus-node-exporter")
    pids = {unit: world.host.exec(["systemctl", "show", "-P", "MainPID", unit]).stdout.strip() for unit in units}

    def ticks(pid: str) -> float:
        words = world.host.read(f"/proc/{pid}/stat").rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / 100

    time.sleep(60)
    begun, before = time.monotonic(), {unit: ticks(pid) for unit, pid in pids.items()}
    while time.monotonic() - begun < COST_SECONDS:
        assert "launchpad_tenant_info" in scraped(world)
        time.sleep(15)
    seconds = time.monotonic() - begun
    share = {unit: 100 * (ticks(pid) - before[unit]) / seconds for unit, pid in pids.items()}
    status = {unit: world.host.read(f"/proc/{pid}/status") for unit, pid in pids.items()}
    held = {unit: int(text.partition("VmRSS:")[2].split()[0]) / 1024 for unit, text in status.items()}
    load = Path("/proc/loadavg").read_text().split()[0]
    for unit in units:
        say(
            f"{unit} with {MANY} tenants over {seconds:.0f} s: {share[unit]:.2f} % of a core, "
            f"{held[unit]:.0f} MiB; load {load}"
        )
    record("ops-cost-cpu", sum(share.values()), detail=f"{MANY} tenants, load {load}")
    record("ops-cost-memory", sum(held.values()), detail=f"{MANY} tenants")
