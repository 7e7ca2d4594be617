"""rewrap: have the key of a tenant's backups wrapped for those whom launchpad.yaml names now."""

from __future__ import annotations

from dataclasses import dataclass

from launchpad.errors import StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import kit_recipients
from launchpad.fleet.sealing.age import digest_of_recipients
from launchpad.operations.backups.backup_keys import as_sent, targets_of
from launchpad.operations.requests.again import Wish, submit_once
from launchpad.operations.requests.following import Submission
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Rewrapped:
    """The key is wrapped anew on the host, and beside the repositories but for those that did not take it."""

    outcome: Outcome
    behind: tuple[str, ...]
    """Targets that get it with the next backup."""


class NoKey(StateError):
    """There was no backup yet, so that there is nothing to wrap."""


def rewrap(workspace: Workspace, name: str, *, on_event: OnEvent = ignore) -> Rewrapped:
    """Have the host wrap the key anew for the recipients and the recovery identity of launchpad.yaml, as its settings
    must name already: on the host, and as the newest wrap beside each repository; earlier ones stay where nobody may
    delete. NoKey when the host has none, StateError when it has other recipients."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    targets, host = targets_of(fleet, tenant), fleet.host(tenant.host)
    with hosts_of(workspace).reach(host) as runner:
        if not runner.ask("backups", {"tenant": str(tenant.name)})["key"]:
            raise NoKey(f"{name}: its backups have no key on {host.name} yet", hint=f"launchpad backup {name}")
    submission = Submission(
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
        states = runner.ask("backups", {"tenant": str(tenant.name)})["targets"]
    behind = tuple(str(item.name) for item in targets if not states.get(str(item.name), {}).get("wrapped"))
    return Rewrapped(outcome=outcome, behind=behind)
