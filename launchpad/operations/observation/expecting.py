"""expecting: what the inventory expects of each host beyond its settings, sent where the host knows something else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.peers import others_after
from launchpad.operations.requests.reaching import hosts_of
from launchpad.plan.observed import HostSeen
from launchpad.runner.protocol import canonical, digest_of
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace


def send_expected(workspace: Workspace, fleet: Fleet, seen: Mapping[str, HostSeen | LaunchpadError]) -> None:
    """Send each host what is expected of it, where the host's watch knows something else. A host that cannot be reached
    now gets it the next time."""
    late = dict(_late(fleet, seen))

    def send(name: str) -> None:
        with hosts_of(workspace).reach(fleet.host(name)) as runner:
            runner.ask("expect", late[name])

    fanout(late, send, threads=workspace.settings.parallel)


def _late(fleet: Fleet, seen: Mapping[str, HostSeen | LaunchpadError]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name, said in seen.items():
        known = said.facts.get("peer") if isinstance(said, HostSeen) else None
        if (
            known
            and "expected" in known
            and known["expected"] != digest_of(canonical(made := expected_of(fleet, name)))
        ):
            yield name, made


def expected_of(fleet: Fleet, host: str) -> dict[str, Any]:
    """How often its tenants are to be backed up; the names of the running tenants of the host that it looks at."""
    running = [fleet.tenants[name] for name in sorted(fleet.tenants) if fleet.tenants[name].running]
    policies = {str(item.name): fleet.tiers[item.tier].backup for item in running if item.host == host}
    peer = next(iter(others_after(fleet.hosts, host)), "")
    return {
        "backups": {name: policy.every.seconds for name, policy in policies.items() if policy},
        "peer": peer,
        "names": {
            str(item.name): list(map(str, item.domains)) for item in running if item.host == peer and item.domains
        },
    }
