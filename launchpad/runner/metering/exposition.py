"""The host's metrics in Prometheus' text format, from the watch's account and the meter. No value is measured here.

`launchpad metrics` prints the text. The watch writes it for prometheus-node-exporter, where that is installed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

import launchpad
from launchpad.runner import paths
from launchpad.runner.account import WATCH, read_account, written_at
from launchpad.runner.facts import WORSE, Fact, Grade, Layer, fact_from_json, fact_of
from launchpad.runner.host import Failed
from launchpad.runner.metering.meter import read_state
from launchpad.runner.metering.metric_list import METRICS
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import read_tenant

if TYPE_CHECKING:
    from launchpad.runner.view import View

CODES = {Grade.ok: 0, Grade.warning: 1, Grade.critical: 2, Grade.unknown: 3}
"""As the exit codes of monitoring plugins."""
Sample = tuple[str, dict[str, str], float]
"""The metric's name without `launchpad_`, its labels except the host, and its value."""

OF_HOST: Mapping[Layer, tuple[str, str]] = {
    Layer.disk: ("host_disk_free_bytes", "host_disk_size_bytes"),
    Layer.memory: ("host_memory_available_bytes", "host_memory_size_bytes"),
    Layer.inodes: ("host_inodes_free", "host_inodes"),
    Layer.load: ("host_load15", ""),
    Layer.clock: ("host_clock_offset_seconds", ""),
    Layer.units: ("host_failed_units", ""),
    Layer.updates: ("host_waiting_updates", ""),
}
"""Layer → the metrics of the fact's value and of its limit."""
OF_TENANT: Mapping[tuple[Layer, str], tuple[str, str]] = {
    (Layer.process, "process"): ("tenant_containers", ""),
    (Layer.ready, "ready"): ("tenant_ready_seconds", ""),
    (Layer.data, "disk"): ("tenant_disk_used_bytes", "tenant_disk_quota_bytes"),
}
AGES = {"backup": "tenant_backup_timestamp_seconds", "proof": "tenant_proof_timestamp_seconds"}


def export(host: View) -> None:
    """Write the metrics for prometheus-node-exporter, where it is installed. Its reader sees by the watch's time stamp
    that nothing could be written."""
    with suppress(Failed):
        if "node-exporter" in host.names(paths.EXPORTER):
            host.write(paths.EXPORTED, metrics_text(host).encode())


def metrics_text(host: View) -> str:
    """Each metric that the host knows now, with HELP and TYPE."""
    settings = stored_settings(host).settings
    name = settings.identity.host if settings else host.name()
    found: dict[str, list[str]] = {}
    for metric, labels, value in (*_of_host(host), *_of_tenants(host), *_of_meter(host)):
        found.setdefault(f"launchpad_{metric}", []).append(f"{_labels({'host': name, **labels})} {_number(value)}")
    lines = []
    for item in METRICS:
        if samples := found.pop(item.name, None):
            lines += [f"# HELP {item.name} {item.help}", f"# TYPE {item.name} {item.kind}"]
            lines += [f"{item.name}{sample}" for sample in dict.fromkeys(samples)]
    return "\n".join((*lines, ""))


def _of_host(host: View) -> Iterator[Sample]:
    yield "runner_info", {"version": launchpad.__version__}, 1
    if at := written_at(host):
        yield "watch_timestamp_seconds", {}, at
    facts = list(_facts(host))
    for (tenant, layer), grade in _worst(facts).items():
        labels = {"tenant": tenant} if tenant else {}
        yield ("tenant_health" if tenant else "host_health"), {**labels, "layer": layer}, CODES[grade]
    for fact in facts:
        if fact.value is not None:
            yield from _of_fact(fact, fact.value)


def _facts(host: View) -> Iterator[Fact]:
    findings, _, health = read_account(host)
    for item in (one for one in health if "host" not in one):  # what it sees of another host is not its own
        with suppress(TypeError, ValueError):  # another runner's words
            yield fact_from_json(item)
    for finding in findings:
        if finding.subject == WATCH:
            yield fact_of(finding, tenant=finding.tenant, at=host.now())


def _worst(facts: list[Fact]) -> dict[tuple[str, Layer], Grade]:
    found: dict[tuple[str, Layer], Grade] = {}
    for fact in facts:
        key = fact.tenant, fact.layer
        found[key] = max(found.get(key, Grade.ok), fact.grade, key=WORSE.index)
    return found


def _of_fact(fact: Fact, value: float) -> Iterator[Sample]:
    if not fact.tenant:
        if fact.layer is Layer.disk and fact.subject != "data":
            return
        names = OF_HOST.get(fact.layer, ("", ""))
        labels = {"path": fact.subject} if fact.layer is Layer.inodes else {}
    elif fact.layer is Layer.data and fact.subject in AGES:
        yield AGES[fact.subject], {"tenant": fact.tenant}, fact.at - value
        return
    else:
        edge = fact.layer is Layer.edge
        names = ("tenant_edge_seconds", "") if edge else OF_TENANT.get((fact.layer, fact.subject), ("", ""))
        labels = {"tenant": fact.tenant, **({"name": fact.subject} if edge else {})}
    for name, number in zip(names, (value, fact.limit), strict=True):
        if name and number is not None:
            yield name, labels, number


def _of_tenants(host: View) -> Iterator[Sample]:
    for tenant in filter(is_tenant_name, host.names(paths.TENANTS)):
        with suppress(Failed, ValueError, KeyError, TypeError):  # a damaged record, which the watch reports
            record = read_tenant(host, tenant)
            if record is None or record.retired:
                continue
            yield "tenant_running", {"tenant": tenant}, int(record.running)
            about = {"app": record.app, "version": record.version, "release": record.started}
            yield "tenant_info", {"tenant": tenant, **about}, 1


def _of_meter(host: View) -> Iterator[Sample]:
    state = read_state(host)
    for tenant, used in sorted(state.totals.items()):
        for name in ("cpu_seconds", "received_bytes", "sent_bytes", "restarts"):
            yield f"tenant_{name}_total", {"tenant": tenant}, getattr(used, name)
    for tenant, room in sorted(state.rooms.items()):
        yield "tenant_memory_bytes", {"tenant": tenant}, room.memory
        if room.memory_limit:
            yield "tenant_memory_limit_bytes", {"tenant": tenant}, room.memory_limit


def _labels(labels: Mapping[str, str]) -> str:
    pairs = (
        (name, value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")) for name, value in labels.items()
    )
    return "{" + ",".join(f'{name}="{value}"' for name, value in pairs) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))
