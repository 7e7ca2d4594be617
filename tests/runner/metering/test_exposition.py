"""The metrics are what the watch's account and the meter have: nothing else, and nothing secret."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from launchpad.runner import paths
from launchpad.runner.account import WATCH, Account, Finding
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.metering.exposition import OF_HOST, OF_TENANT, metrics_text
from launchpad.runner.metering.metric_list import METRICS
from launchpad.runner.verbs.metrics import metrics
from launchpad.runner.watching.room_check import RoomCheck
from tests.memory.data import File
from tests.runner.metering.metered import CPU_STAT, V2, prometheus
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed

PROJECT = Path(__file__).resolve().parents[3]
PAGE = PROJECT / "docs/metrics.md"
MB = float(1 << 20)
FACTS = (
    Fact(Layer.disk, Grade.ok, "room", subject="data", value=400 * MB, unit="B", limit=1000 * MB),
    Fact(Layer.disk, Grade.warning, "short", subject="images", value=7.0, unit="B"),
    Fact(Layer.memory, Grade.ok, "room", subject="memory", value=300 * MB, unit="B", limit=900 * MB),
    Fact(Layer.inodes, Grade.ok, "room", subject="/", value=5.0, limit=10.0),
    Fact(Layer.load, Grade.ok, "low", subject="load", value=0.25),
    Fact(Layer.clock, Grade.ok, "right", subject="chrony", value=0.002, unit="s"),
    Fact(Layer.units, Grade.ok, "none", subject="failed", value=0.0),
    Fact(Layer.updates, Grade.ok, "3 wait", subject="updates", value=3.0),
    Fact(Layer.process, Grade.ok, "2 run", tenant="alice", subject="process", value=2.0),
    Fact(Layer.ready, Grade.critical, "does not answer", tenant="alice", subject="ready"),
    Fact(Layer.ready, Grade.ok, "answers", tenant="bob", subject="ready", value=0.25, unit="s"),
    Fact(Layer.edge, Grade.ok, "answers", tenant="alice", subject='a"b\\.example.com', value=0.5, unit="s"),
    Fact(Layer.data, Grade.ok, "room", tenant="alice", subject="disk", value=9 * MB, unit="B", limit=64 * MB),
    Fact(Layer.data, Grade.ok, "was backed up", tenant="alice", subject="backup", value=60.0, unit="s"),
    Fact(Layer.data, Grade.ok, "proven", tenant="alice", subject="proof", value=90.0, unit="s"),
    Fact(Layer.channel, Grade.unknown, "who knows", tenant="alice", subject="telegram"),
)


@pytest.fixture
def host() -> MemoryView:
    """A watched host whose tenant alice has been metered twice."""
    made = deployed()
    made.watched = False
    made.used = {"lp-alice-a-web-1": (3 << 20, 64 << 20)}
    made.quotas[paths.data("alice")] = 9 << 20, 64 << 20
    for name, box in made.boxes.items():
        made.boxes[name] = box.but(process=99)
    made.files["/proc/99/cgroup"] = File(V2.format("a11ce").encode())
    account = Account(made, ("machine", "room"))
    account.see("machine", [], {}, FACTS)
    check = RoomCheck(made, account)
    for used in (1_000_000, 3_500_000):
        made.files["/sys/fs/cgroup/system.slice/docker-a11ce.scope/cpu.stat"] = File(CPU_STAT.format(used).encode())
        made.clock += 60
        list(check.look())
    return made


def samples(text: str) -> dict[str, float]:
    """Each sample by its name and labels but the host's."""
    found = [line.rpartition(" ") for line in text.splitlines() if not line.startswith("#")]
    assert all('{host="web-1"' in name for name, _, _ in found)
    return {re.sub(r'host="web-1",?', "", name).removesuffix("{}"): float(value) for name, _, value in found}


def test_each_fact_and_each_count_is_a_sample(host: MemoryView) -> None:
    found = samples("\n".join(answer(metrics(host, {}, CALLER))["lines"]))
    assert found["launchpad_host_disk_free_bytes"] == 400 * MB and found["launchpad_host_disk_size_bytes"] == 1000 * MB
    assert found['launchpad_host_inodes{path="/"}'] == 10
    assert found["launchpad_host_clock_offset_seconds"] == 0.002
    assert found['launchpad_tenant_edge_seconds{tenant="alice",name="a\\"b\\\\.example.com"}'] == 0.5
    assert found['launchpad_tenant_memory_bytes{tenant="alice"}'] == 3 << 20
    assert found['launchpad_tenant_cpu_seconds_total{tenant="alice"}'] == 5.0, "two containers in one group here"
    assert found['launchpad_tenant_running{tenant="alice"}'] == 1
    at = host.now() - 120
    assert found['launchpad_tenant_backup_timestamp_seconds{tenant="alice"}'] == pytest.approx(at - 60, abs=1)
    info = next(name for name in found if "tenant_info" in name)
    assert re.fullmatch(
        r'launchpad_tenant_info\{tenant="alice",app="beacon",version="1",release="[0-9a-f]{12}"\}', info
    )


def test_the_health_of_a_layer_is_its_worst_fact_as_a_plugin_s_exit_code(host: MemoryView) -> None:
    found = samples(metrics_text(host))
    assert found['launchpad_host_health{layer="disk"}'] == 1, "the images' disk is short"
    assert found['launchpad_host_health{layer="memory"}'] == 0
    assert found['launchpad_tenant_health{tenant="alice",layer="ready"}'] == 2
    assert found['launchpad_tenant_health{tenant="alice",layer="channel"}'] == 3
    assert found['launchpad_tenant_health{tenant="bob",layer="ready"}'] == 0


def test_a_watch_that_stopped_is_critical(host: MemoryView) -> None:
    host.clock += 1000
    assert samples(metrics_text(host))['launchpad_host_health{layer="watch"}'] == 2
    Account(host, ("room",)).see("room", [Finding(WATCH, "machine cannot be checked")], {})
    assert samples(metrics_text(host))['launchpad_host_health{layer="watch"}'] == 2
    host.files.pop(paths.ACCOUNT)
    assert samples(metrics_text(host))['launchpad_host_health{layer="watch"}'] == 2


def test_every_metric_is_made_and_in_the_list_and_on_the_page(host: MemoryView) -> None:
    made = {line.partition("{")[0] for line in metrics_text(host).splitlines() if not line.startswith("#")}
    assert {item.name for item in METRICS} == made | BY_TRAFFIC
    rows = re.findall(r"^\| `(launchpad_\w+)` \| (\w+) \| (.+) \|$", PAGE.read_text(), re.MULTILINE)
    assert rows[1:] == [(item.name, item.kind, item.help) for item in METRICS]
    mapped = {name for pair in (*OF_HOST.values(), *OF_TENANT.values()) for name in pair if name}
    assert {f"launchpad_{name}" for name in mapped} <= made


BY_TRAFFIC: set[str] = set()
"""Metrics that only some hosts have."""


def test_the_exporter_gets_the_same_text_where_it_is_installed(host: MemoryView) -> None:
    check = RoomCheck(host, Account(host, ()))
    host.clock += 60
    list(check.look())
    assert paths.EXPORTED not in host.files, "nobody reads it here"
    host.folder(f"{paths.EXPORTER}/node-exporter")
    host.clock += 60
    list(check.look())
    assert host.files[paths.EXPORTED].mode == 0o644
    assert host.files[paths.EXPORTED].data.decode().startswith("# HELP launchpad_runner_info ")


def test_the_exporter_is_told_that_docker_is_down(host: MemoryView) -> None:
    host.folder(f"{paths.EXPORTER}/node-exporter")
    account = Account(host, ("apps", "room"))
    host.docker_down = True
    account.see("apps", [], {}, [Fact(Layer.docker, Grade.critical, "Docker does not answer", subject="engine")])
    host.clock += 60
    list(RoomCheck(host, account).look())
    assert samples(host.files[paths.EXPORTED].data.decode())['launchpad_host_health{layer="docker"}'] == 2


def test_a_damaged_record_or_account_hides_no_other_metric(host: MemoryView) -> None:
    host.files[paths.record("aaron")] = File(b"{torn")
    account = json.loads(host.files[paths.ACCOUNT].data)
    account["health"].append({"layer": "quantum", "grade": "ok", "message": ""})
    host.files[paths.ACCOUNT].data = json.dumps(account).encode()
    host.files[paths.METER].data = b"{torn"
    found = samples(metrics_text(host))
    assert found['launchpad_tenant_running{tenant="alice"}'] == 1
    assert found["launchpad_host_load15"] == 0.25


@pytest.mark.programs
def test_promtool_has_nothing_against_the_names_and_the_form(host: MemoryView) -> None:
    done = subprocess.run(
        [prometheus("promtool"), "check", "metrics"], input=metrics_text(host), capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
