"""tenant remove: whether a tenant may be taken out of the inventory; a host that serves it would go on with it."""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.errors import LaunchpadError, StateError
from launchpad.operations.requests.observing import OBSERVE_SECONDS
from launchpad.operations.requests.reaching import hosts_of
from launchpad.plan.observed import TenantSeen, host_from_reply
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace


def judge_removal(workspace: Workspace, name: str) -> Iterator[str]:
    """What is to be said before it; every host is asked. StateError while one has the tenant, running or stopped."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)

    def ask(host: str) -> TenantSeen | None:
        with hosts_of(workspace).reach(fleet.host(host)) as runner:
            body = {"tenants": [name], "probes": False}
            return host_from_reply(runner.ask("observe", body, seconds=OBSERVE_SECONDS), host=host).tenants.get(name)

    for host, has in fanout([str(host) for host in fleet.hosts], ask, threads=workspace.settings.parallel).items():
        retire = f"launchpad retire {name} --host {host}"
        if isinstance(has, LaunchpadError):
            if host == tenant.host:
                yield f"{has.message}; if {name} is deployed there, {retire}, once {host} answers, ends it"
        elif has is not None and not has.retired and not has.gone:
            raise StateError(
                f"{name} is deployed on {host}, and would go on there without being in the inventory",
                hint=f"{retire}, then: launchpad tenant remove {name}",
            )
        elif has is not None:
            yield f"its data is still on {host}: {retire} --purge removes it"
