"""The alert rules and the dashboard: each alert fires once for its cause and never in calm, each query names metrics
that exist. A real Prometheus evaluates the rules (promtool)."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from launchpad.cli.registry import entries
from launchpad.operations.observation.metrics import UP
from launchpad.runner.metering.metric_list import METRICS
from tests.runner.metering.metered import prometheus

PROJECT = Path(__file__).resolve().parents[3]
RULES = PROJECT / "docs/monitoring/launchpad.rules.yml"
DASHBOARD = PROJECT / "docs/monitoring/dashboard.json"
NAMES = {UP, *(item.name for item in METRICS)}
HOST, TENANT = {"host": "web-1"}, {"host": "web-1", "tenant": "alice"}
MINUTES = 600
DAY = 86400
CALM: dict[str, tuple[dict[str, str], str]] = {
    "launchpad_up": (HOST, "1"),
    "launchpad_watch_timestamp_seconds": (HOST, "0+60"),
    "launchpad_host_health": (HOST | {"layer": "disk"}, "0"),
    "launchpad_tenant_health": (TENANT | {"layer": "ready"}, "0"),
    "launchpad_host_disk_free_bytes": (HOST, "40e9"),
    "launchpad_host_disk_size_bytes": (HOST, "100e9"),
    "launchpad_tenant_disk_used_bytes": (TENANT, "3e9"),
    "launchpad_tenant_disk_quota_bytes": (TENANT, "4e9"),
    "launchpad_tenant_backup_timestamp_seconds": (TENANT, "-3600+60"),
    "launchpad_tenant_running": (TENANT, "1"),
    "launchpad_tenant_restarts_total": (TENANT, "7"),
    "launchpad_tenant_memory_bytes": (TENANT, "5e8"),
    "launchpad_tenant_memory_limit_bytes": (TENANT, "10e8"),
}
"""Metric → labels, and what it is each minute."""
CAUSES: dict[str, tuple[str, str]] = {
    "LaunchpadHostSilent": ("launchpad_up", "0"),
    "LaunchpadWatchSilent": ("launchpad_watch_timestamp_seconds", f"{MINUTES * 60 - 400}"),
    "LaunchpadMetricsMissing": ("launchpad_watch_timestamp_seconds", ""),
    "LaunchpadHostCritical": ("launchpad_host_health", "2"),
    "LaunchpadHostWarning": ("launchpad_host_health", "3"),
    "LaunchpadTenantCritical": ("launchpad_tenant_health", "2"),
    "LaunchpadTenantWarning": ("launchpad_tenant_health", "1"),
    "LaunchpadDiskFills": ("launchpad_host_disk_free_bytes", "48e9-30e6"),
    "LaunchpadQuotaFills": ("launchpad_tenant_disk_used_bytes", "3e9+1e6"),
    "LaunchpadBackupOld": ("launchpad_tenant_backup_timestamp_seconds", f"{-3 * DAY}"),
    "LaunchpadRestartsOften": ("launchpad_tenant_restarts_total", "0+0.2"),
    "LaunchpadMemoryNearLimit": ("launchpad_tenant_memory_bytes", "9.6e8"),
}
"""Alert → what of the calm is otherwise, and how."""


def rules() -> dict[str, dict[str, Any]]:
    return {item["alert"]: item for item in yaml.safe_load(RULES.read_text())["groups"][0]["rules"]}


def queries() -> list[str]:
    board = json.loads(DASHBOARD.read_text())
    asked = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    return asked + [item["query"]["query"] for item in board["templating"]["list"] if item["type"] == "query"]


def test_rules_and_dashboard_ask_for_metrics_that_exist() -> None:
    asked = queries()
    assert len(asked) > 20
    for text in (*asked, *(item["expr"] for item in rules().values())):
        named = set(re.findall(r"launchpad_\w+", text))
        assert named and named <= NAMES, text
    drawn = set(re.findall(r"launchpad_\w+", " ".join(asked)))
    rest = ("host_inodes", "host_inodes_free", "host_clock_offset_seconds", "tenant_running", "tenant_containers")
    assert NAMES - drawn == {f"launchpad_{name}" for name in rest}


def test_each_alert_names_a_command_and_its_runbook() -> None:
    assert rules().keys() == CAUSES.keys()
    for item in rules().values():
        program, command, *_ = item["annotations"]["next"].split()
        assert program == "launchpad" and command in entries()
        page = re.sub(r"\{\{.*?\}\}", "*", item["annotations"]["runbook"])
        prefix, _, name = page.rpartition(" ")
        assert prefix == "launchpad runbook" and list(PROJECT.glob(f"docs/runbooks/{name}.md")), page


def fired(name: str) -> dict[str, Any]:
    """The alert as Prometheus has it."""
    rule, (metric, _) = rules()[name], CAUSES[name]
    labels = {} if "absent" in rule["expr"] else CALM[metric][0]
    texts = {
        key: re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], text)
        for key, text in rule["annotations"].items()
    }
    return {"exp_labels": labels | rule["labels"], "exp_annotations": texts}


def case(cause: str) -> dict[str, Any]:
    """The rules over ten hours; the cause's alert alone fires at their end, and none without a cause."""
    found = dict(CALM)
    if cause:
        metric, values = CAUSES[cause]
        found[metric] = found[metric][0], values
    series = [
        {
            "series": name + "{" + ",".join(f'{key}="{value}"' for key, value in labels.items()) + "}",
            "values": values if "+" in values[1:] or "-" in values[1:] else f"{values}+0",
        }
        for name, (labels, values) in found.items()
        if values
    ]
    for item in series:
        item["values"] += f"x{MINUTES}"
    tests = [
        {"eval_time": f"{MINUTES}m", "alertname": name, "exp_alerts": [fired(name)] if name == cause else []}
        for name in CAUSES
    ]
    return {"name": cause or "calm", "interval": "1m", "input_series": series, "alert_rule_test": tests}


@pytest.mark.programs
def test_each_alert_fires_once_for_its_cause_and_none_in_calm(tmp_path: Path, measured: Callable[..., None]) -> None:
    file = tmp_path / "tests.yml"
    cases = [case(cause) for cause in ("", *CAUSES)]
    file.write_text(yaml.safe_dump({"rule_files": [str(RULES)], "evaluation_interval": "1m", "tests": cases}))
    done = subprocess.run([prometheus("promtool"), "test", "rules", str(file)], capture_output=True, text=True)
    measured("ops-rules-wrong", done.returncode, n=len(cases) * len(CAUSES))
    assert done.returncode == 0, done.stdout + done.stderr
    checked = subprocess.run([prometheus("promtool"), "check", "rules", str(RULES)], capture_output=True, text=True)
    assert checked.returncode == 0, checked.stdout + checked.stderr
