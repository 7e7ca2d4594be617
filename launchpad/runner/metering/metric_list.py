"""Every metric of a host: name, type and help, as Prometheus wants them. docs/metrics.md has the same list."""

from __future__ import annotations

from typing import Literal

from launchpad.runner.record import Record


class Metric(Record):
    name: str
    kind: Literal["gauge", "counter"]
    help: str


HEALTH = "0 ok, 1 warning, 2 critical, 3 unknown"
METRICS = (
    Metric("launchpad_runner_info", "gauge", "The version of the runner on the host; always 1."),
    Metric("launchpad_watch_timestamp_seconds", "gauge", "When the host's watch wrote its facts last."),
    Metric("launchpad_host_health", "gauge", f"The worst fact of the host in a layer: {HEALTH}."),
    Metric("launchpad_host_disk_free_bytes", "gauge", "Free space for tenants' data."),
    Metric("launchpad_host_disk_size_bytes", "gauge", "Size of the storage of tenants' data."),
    Metric("launchpad_host_memory_available_bytes", "gauge", "Memory that is available without swapping."),
    Metric("launchpad_host_memory_size_bytes", "gauge", "Memory of the host."),
    Metric("launchpad_host_inodes_free", "gauge", "Free inodes of a file system."),
    Metric("launchpad_host_inodes", "gauge", "Inodes of a file system."),
    Metric("launchpad_host_load15", "gauge", "Programs that want a CPU, over a quarter of an hour."),
    Metric("launchpad_host_clock_offset_seconds", "gauge", "How wrong the host's clock is, as far as chrony knows."),
    Metric("launchpad_host_failed_units", "gauge", "Units of systemd that failed."),
    Metric("launchpad_host_waiting_updates", "gauge", "Debian packages that have an update."),
    Metric("launchpad_tenant_info", "gauge", "App, version and release of the tenant; always 1."),
    Metric("launchpad_tenant_running", "gauge", "Whether the tenant should run on this host: 1 or 0."),
    Metric("launchpad_tenant_health", "gauge", f"The worst fact of the tenant in a layer: {HEALTH}."),
    Metric("launchpad_tenant_containers", "gauge", "Containers of the tenant that run."),
    Metric("launchpad_tenant_ready_seconds", "gauge", "How long the app took to answer its ready probes."),
    Metric("launchpad_tenant_edge_seconds", "gauge", "How long a name took to answer through Caddy."),
    Metric("launchpad_tenant_disk_used_bytes", "gauge", "What counts against the quota of the tenant's data."),
    Metric("launchpad_tenant_disk_quota_bytes", "gauge", "The quota of the tenant's data."),
    Metric("launchpad_tenant_backup_timestamp_seconds", "gauge", "When the newest backup was taken."),
    Metric("launchpad_tenant_proof_timestamp_seconds", "gauge", "When a backup was restored and booted last."),
    Metric("launchpad_tenant_memory_bytes", "gauge", "Memory of the tenant's containers, without reclaimable cache."),
    Metric("launchpad_tenant_memory_limit_bytes", "gauge", "The memory limit of the tenant's containers."),
    Metric("launchpad_tenant_cpu_seconds_total", "counter", "CPU time of the tenant's containers."),
    Metric("launchpad_tenant_received_bytes_total", "counter", "Bytes that crossed the tenant's bridge to the tenant."),
    Metric("launchpad_tenant_sent_bytes_total", "counter", "Bytes that crossed the tenant's bridge from the tenant."),
    Metric("launchpad_tenant_restarts_total", "counter", "Starts of containers that had run before."),
)
