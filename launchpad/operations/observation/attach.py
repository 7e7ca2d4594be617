"""attach: follow a running operation, or read the outcome of a finished one."""

from __future__ import annotations

from launchpad.errors import LaunchpadError, PartialError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.host import Host
from launchpad.operations.requests.following import follow
from launchpad.operations.requests.history import read_journal
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.tenants.written_version import with_its_version
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import failures, fanout, successes
from launchpad.workspace import Workspace


def attach(workspace: Workspace, identifier: str, *, host: str = "", on_event: OnEvent = ignore) -> Outcome:
    """Follow the operation from its first event to its end. Without a host, every host is asked whether it has the
    operation. When the operation was started from this checkout and changed a version, write the version into the
    inventory. StateError when no host has the operation; other errors as of `following.submit`."""
    where = whose(workspace, identifier, host=host)
    begun = next((item for item in workspace.begun.all() if item.id == identifier), None) if workspace.begun else None
    outcome = follow(workspace, where, identifier, on_event=on_event)
    if begun is None or begun.kind not in ("upgrade", "rollback"):
        return outcome
    return with_its_version(workspace, outcome)


def whose(workspace: Workspace, identifier: str, *, host: str = "", command: str = "attach") -> Host:
    """Find the host that has the operation; a named host is not asked. `command` is the command to type in a hint."""
    fleet = workspace.fleet.load()
    if host:
        return fleet.host(host)

    def has(name: str) -> bool:
        return bool(read_journal(workspace, fleet.host(name), identifier=identifier, limit=1))

    results = fanout([str(name) for name in fleet.hosts], has, threads=workspace.settings.parallel)
    for name, found in successes(results).items():
        if found:
            return fleet.host(name)
    silent: dict[str, LaunchpadError] = failures(results)
    if silent:
        raise PartialError(
            f"no host that answered has operation {identifier}, and {', '.join(silent)} did not answer",
            code="operation-not-found-yet",
            hint=Next(command, identifier, "--host", next(iter(silent))),
            failures=silent,
        )
    raise StateError(f"no host has operation {identifier}", code="no-host-has-operation", hint=Next("history"))
