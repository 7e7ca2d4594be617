"""No alerts about a host and its tenants during the host's maintenance."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from launchpad.errors import LaunchpadError
from launchpad.fleet.model.peers import others_after
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.wire.alert_bodies import Alerts, Silenced
from launchpad.workspace import Workspace

SILENCE_SECONDS = 2 * 3600
"""How long a host's alerts stay silent when the command is killed."""
SILENCED = "maintenance"


@contextmanager
def silent(workspace: Workspace, name: str) -> Iterator[None]:
    """No alerts about the host and its tenants during the block. A silence that an operator set stays. When the command
    is killed, the silence ends by itself."""
    with hosts_of(workspace).reach(workspace.fleet.load().host(name)) as runner:
        silences = ask(runner, Alerts()).silences
    whole = (item for item in silences if not item.tenant and not item.host)
    own = all(item.why.startswith(SILENCED) for item in whole)
    try:
        if own:
            _set(workspace, name, SILENCE_SECONDS)
        yield
    except LaunchpadError:
        with suppress(LaunchpadError):  # the first error counts
            _set(workspace, name, 0) if own else None
        raise
    if own:
        _set(workspace, name, 0)


def _set(workspace: Workspace, name: str, seconds: int) -> None:
    asked = Silenced(seconds=seconds, why=SILENCED)
    fleet = workspace.fleet.load()
    with hosts_of(workspace).reach(fleet.host(name)) as runner:
        ask(runner, asked)
    for other in others_after(fleet.hosts, name)[-1:]:  # the host that looks at this host from outside
        with suppress(LaunchpadError), hosts_of(workspace).reach(fleet.host(other)) as runner:
            ask(runner, asked.but(host=name))
