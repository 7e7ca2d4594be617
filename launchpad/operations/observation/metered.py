"""usage --month: what tenants used in a month, summed over the hosts on which they ran."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.operations.requests.asking import listen
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.scope import scope_of
from launchpad.runner.wire.streams import ReadMetered, UsedIn, UsedLine
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class MeteredUse:
    """What one tenant used in one month or hour, in UTC. The names say the units."""

    period: str
    """`2026-11`, or with hours `2026-11-30T19:00Z`."""
    tenant: str
    hosts: tuple[str, ...]
    cpu_seconds: float = 0.0
    memory_gib_hours: float = 0.0
    disk_gib_hours: float = 0.0
    received_bytes: int = 0
    """To the tenant, through its bridge."""
    sent_bytes: int = 0
    restarts: int = 0
    observed_hours: float = 0.0
    """For how long the hosts' watches measured memory and disk."""

    def as_json(self) -> dict[str, Any]:
        return vars(self) | {"hosts": list(self.hosts)}


COLUMNS = tuple(item.name for item in fields(MeteredUse))
AMOUNTS = COLUMNS[3:]


@dataclass(frozen=True, kw_only=True)
class Metered:
    """The usage, by tenant and period, and the hosts that did not answer: their share is missing."""

    uses: tuple[MeteredUse, ...]
    unreachable: Mapping[str, LaunchpadError]
    answered: bool
    """Whether a host answered."""


def metered(workspace: Workspace, month: str, names: Sequence[str] = (), *, hourly: bool = False) -> Metered:
    """The month's usage of the named tenants, or of all on the named hosts, or of all. Every host is asked when no host
    is named, because a tenant may have been anywhere in the month. InventoryError for a name without usage that is not
    in the inventory."""
    fleet = workspace.fleet.load()
    hosts = {str(name): host for name, host in fleet.hosts.items() if name in names} or {
        str(name): host for name, host in fleet.hosts.items()
    }
    tenants = [name for name in names if name not in hosts]
    asked = ReadMetered(month=month, tenants=tuple(tenants) or None, hourly=hourly)

    def read(name: str) -> list[UsedIn]:
        with hosts_of(workspace).reach(hosts[name]) as runner:
            lines = listen(runner, asked, UsedLine, seconds=SECONDS)
            return [item for line in lines if isinstance(line, UsedLine) for item in line.used]

    said = fanout(hosts, read, threads=workspace.settings.parallel)
    uses = _summed({name: used for name, used in said.items() if not isinstance(used, LaunchpadError)})
    unreachable = {name: item for name, item in said.items() if isinstance(item, LaunchpadError)}
    if not unreachable:
        scope_of(fleet, [name for name in tenants if name not in {item.tenant for item in uses}] or list(hosts))
    return Metered(uses=uses, unreachable=unreachable, answered=len(unreachable) < len(hosts))


def _summed(said: Mapping[str, Sequence[UsedIn]]) -> tuple[MeteredUse, ...]:
    """One entry for each period and tenant."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    hosts: dict[tuple[str, str], list[str]] = {}
    for host, used in sorted(said.items()):
        for item in used:
            key = item.period, item.tenant
            own = found.setdefault(key, dict.fromkeys(AMOUNTS, 0))
            hosts.setdefault(key, []).append(host)
            for name in AMOUNTS:
                amounts = item.amounts
                hours = amounts.observed_seconds / 3600
                own[name] += hours if name == "observed_hours" else getattr(amounts, name)
    return tuple(
        MeteredUse(
            period=period,
            tenant=tenant,
            hosts=tuple(hosts[period, tenant]),
            **{name: round(value, 6) for name, value in found[period, tenant].items()},
        )
        for period, tenant in sorted(found)
    )
