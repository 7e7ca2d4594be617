"""tenant remove: check that no host has the tenant, because a host would continue to serve it."""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.errors import LaunchpadError, StateError
from launchpad.operations.requests.observing import OBSERVE_SECONDS
from launchpad.operations.requests.reaching import hosts_of
from launchpad.plan.observed import TenantSeen, host_from_reply
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace


def judge_removal(workspace: Workspace, name: str, *, host_gone: bool = False) -> Iterator[str]:
    """Ask every host and return warnings. StateError while a host has the tenant, running or stopped, and when the
    tenant's host does not answer, unless `host_gone`."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)

    def ask(host: str) -> TenantSeen | None:
        with hosts_of(workspace).reach(fleet.host(host)) as runner:
            body = {"tenants": [name], "probes": False}
            return host_from_reply(runner.ask("observe", body, seconds=OBSERVE_SECONDS), host=host).tenants.get(name)

    for host, has in fanout([str(host) for host in fleet.hosts], ask, threads=workspace.settings.parallel).items():
        retire = Next("retire", name, "--host", host)
        if isinstance(has, LaunchpadError):
            if host == tenant.host and not host_gone:
                raise StateError(
                    f"{has.message}; {name} may be deployed on {host}, and would continue to run there",
                    code="still-deployed",
                    hint=f"once {host} answers: "
                    + Next("tenant remove", name)
                    + f"; only if {name} was never deployed, or {host} no longer exists: "
                    + Next("tenant remove", name, "--host-gone"),
                )
        elif has is not None and not has.retired and not has.gone:
            raise StateError(
                f"{name} is deployed on {host} and would continue to run there",
                code="still-deployed-on-host",
                hint=retire + ", then: " + Next("tenant remove", name),
            )
        elif has is not None:
            yield f"{name}'s data is still on {host}; to remove the data: {retire} --purge"
