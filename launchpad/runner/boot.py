"""After a boot: settle what was open, put secrets in place, start the tenants, let their traffic in."""

from __future__ import annotations

from launchpad.runner import apply, engine, paths, plan, slots
from launchpad.runner.host import Failed, Host
from launchpad.runner.steps import StartSide


def boot(host: Host) -> int:
    """0 when every tenant that is to run runs; one that cannot never holds up another."""
    left = engine.settle_all(host)
    for tenant in host.names(paths.TENANTS):
        record = plan.read_record(host, tenant)
        if record is None or not record["running"] or record["retired"]:
            continue
        try:
            slot, side = record["slot"], record["side"]
            apply.start(host, StartSide(tenant=tenant, slot=slot, release=record["started"], side=side))
            host.open_traffic([slots.address(slot, i, side) for i in range(slots.MOST_SERVICES)])
        except Failed:
            left.append(tenant)
    return 1 if left else 0
