"""rewrap: wrap the key of a tenant's backups for the present recipients in launchpad.yaml."""

from __future__ import annotations

from dataclasses import dataclass

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import kit_recipients
from launchpad.fleet.sealing.age import digest_of_recipients
from launchpad.operations.backups.backup_keys import as_sent, targets_of
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import ReadBackups, TargetState
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Rewrapped:
    """The key is rewrapped on the host, and beside every repository except those of the targets in `behind`."""

    outcome: Outcome
    behind: tuple[str, ...]
    """Targets that get the rewrapped key with the next backup."""


class NoKey(StateError):
    """There is no backup yet, so there is no key to rewrap."""

    code = "no-key-of-tenant-yet"


def rewrap(workspace: Workspace, name: str, *, identifier: str = "", on_event: OnEvent = ignore) -> Rewrapped:
    """Rewrap the key for the recipients and the recovery identity in launchpad.yaml: on the host, and as the newest
    wrap beside each repository. The host's settings must have these recipients already. Earlier wraps stay at
    append-only targets. NoKey when the host has no key, StateError when the host has other recipients."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets, host = targets_of(fleet, tenant), fleet.host(tenant.host)
    with hosts_of(workspace).reach(host) as runner:
        if not ask(runner, ReadBackups(tenant=str(tenant.name))).key:
            raise NoKey(f"{name}: its backups have no key on {host.name} yet", hint=Next("backup", name))
    submission = Submission(
        identifier=identifier,
        operation={
            "kind": "rewrap",
            "tenant": str(tenant.name),
            "targets": as_sent(targets),
            "recipients": digest_of_recipients(kit_recipients(fleet.defaults)),
        },
    )
    wish = Wish(kind="rewrap", tenant=str(tenant.name))
    outcome = submit_once(workspace, host, wish, submission, on_event=on_event)
    with hosts_of(workspace).reach(host) as runner:
        states = ask(runner, ReadBackups(tenant=str(tenant.name))).targets
    behind = tuple(str(item.name) for item in targets if not states.get(str(item.name), TargetState()).wrapped)
    return Rewrapped(outcome=outcome, behind=behind)
