"""What the kernel counts for tenants: CPU time of a container, and bytes of a bridge. Each counter begins at 0 with a
new container or bridge."""

from __future__ import annotations

from typing import TYPE_CHECKING

from launchpad.runner.host import Failed

if TYPE_CHECKING:
    from launchpad.runner.host import Host

CGROUPS = "/sys/fs/cgroup"
BRIDGES = "/sys/devices/virtual/net"


def cpu_seconds(host: Host, process: int) -> float | None:
    """The CPU time of the control group of a container's first process, from cgroup v2 or v1; None when the process is
    gone."""
    try:
        groups = (host.read(f"/proc/{process}/cgroup") or b"").decode()
        lines = [line.split(":", 2) for line in groups.splitlines()]
        for _, controllers, path in lines:
            if "cpuacct" in controllers.split(","):  # also on a host that has v2 beside v1
                return int(host.read(f"{CGROUPS}/{controllers}{path}/cpuacct.usage") or b"") / 1e9
        for _, controllers, path in lines:
            if not controllers:
                stat = (host.read(f"{CGROUPS}{path}/cpu.stat") or b"").decode()
                return int(dict(line.split() for line in stat.splitlines())["usage_usec"]) / 1e6
    except (Failed, ValueError, KeyError):
        pass
    return None


def bridge_bytes(host: Host, bridge: str) -> tuple[str, int, int] | None:
    """The number that the kernel gave the bridge, bytes to the tenant, and bytes from the tenant; None without the
    bridge. Traffic between the tenant's own containers does not pass the bridge's counters."""
    try:
        number, sent, received = (
            int(host.read(f"{BRIDGES}/{bridge}/{name}") or b"")
            for name in ("ifindex", "statistics/tx_bytes", "statistics/rx_bytes")
        )
    except (Failed, ValueError):
        return None
    return str(number), sent, received
