"""A repeated command is the same operation, until the operation's outcome has been reported.

A command whose effect depends on the running release (rollback, snapshot, restart) would change the tenant a second
time if it were repeated after its client was killed. So the command first looks for an earlier operation: in this
checkout's record of unreported operations (`journal/begun`), and in the host's journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from launchpad.errors import StateError
from launchpad.events import CameBack, HeardEvent, OnEvent, ignore
from launchpad.fleet.model.host import Host
from launchpad.fleet.words.names import HostName
from launchpad.journal.begun import Begun
from launchpad.journal.entries import Entry
from launchpad.operations.requests.following import Submission, follow, submit
from launchpad.operations.requests.history import read_journal
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.outcome import GOOD, Outcome
from launchpad.runner.hint import Next
from launchpad.runner.protocol import BESIDE, FOR_ANOTHER_HOST
from launchpad.runner.same_operation import differences as told_differences
from launchpad.workspace import Workspace

REPEATABLE = frozenset({"deploy", "start", "stop", "retire", "rewrap", "provision", "prune", "update", "reboot"})
"""Kinds that change nothing when they are repeated: an earlier operation is followed while it runs; otherwise a new one
starts."""
OF_THE_DATA = frozenset({"rollback", "upgrade", "restore", "import"})
"""Kinds that would change the tenant's data or version again: an unreported earlier operation counts, however old it
is."""
RECENT_SECONDS = 3600.0
"""For other kinds an earlier operation counts for this long; after that the repeated command starts a new one."""
CHANGES_NO_RELEASE = BESIDE | FOR_ANOTHER_HOST | {"snapshot", "drop"}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a command asks for; two commands with the same wish are the same command."""

    kind: str
    tenant: str
    """Empty for an operation on a host."""
    words: Mapping[str, Any] = field(default_factory=dict)
    host: str = ""
    """The host; empty: the tenant's host."""


@dataclass(frozen=True, kw_only=True)
class EarlierOperation:
    """The operation that an earlier, identical command started, as its host reports it."""

    host: Host
    entry: Entry


def find(
    workspace: Workspace, wish: Wish, *, identifier: str = "", on_event: OnEvent = ignore
) -> EarlierOperation | None:
    """The wish's earlier operation that is still running, or whose outcome was not reported; with an id, the operation
    with that id, if the host has it. None when the command must start a new operation; an earlier operation that was
    undone is reported. StateError when the id belongs to another operation."""
    fleet = workspace.fleet.load()
    host = fleet.host(wish.host or fleet.tenant(wish.tenant).host)
    begun = workspace.begun.all() if workspace.begun else []
    if identifier:
        return None if wish.kind in REPEATABLE else _named(workspace, wish, host, identifier, begun)
    mine = [item for item in begun if (item.kind, item.tenant, item.words) == (wish.kind, wish.tenant, wish.words)]
    mine = [item for item in mine if wish.tenant or item.host == host.name]
    for item in mine:  # a client that was killed before it reached its host has left a record too
        where = fleet.hosts.get(HostName(item.host), host)
        entries = read_journal(workspace, where, tenants=[wish.tenant] if wish.tenant else ())
        entry = next((one for one in entries if one.id == item.id), None)
        if entry is None:
            continue
        if not entry.outcome or _counts(workspace, item, entries):
            return EarlierOperation(host=where, entry=entry)
        if entry.outcome not in GOOD:
            _tell(EarlierOperation(host=where, entry=entry), on_event)
        break
    for item in mine:
        _forget(workspace, item.id)
    return None


def come_back(workspace: Workspace, found: EarlierOperation, *, on_event: OnEvent) -> Outcome:
    """Report that the earlier operation is followed, and follow it from its first event to its end; errors as of
    `following.submit`."""
    _tell(found, on_event)
    return follow(workspace, found.host, found.entry.id, on_event=on_event)


def submit_once(workspace: Workspace, host: Host, wish: Wish, submission: Submission, *, on_event: OnEvent) -> Outcome:
    """Follow the wish's earlier operation, or submit this one; errors as of `following.submit`."""
    found = find(workspace, wish, identifier=submission.identifier, on_event=on_event)
    if found is not None and submission.follow:
        return come_back(workspace, found, on_event=on_event)
    if found is not None:
        entry = found.entry
        return Outcome(host=str(host.name), tenant=entry.tenant, id=entry.id, kind=entry.kind, outcome="running")
    asked = replace(
        submission, identifier=submission.identifier or new_identifier(workspace.clock.now()), wish=wish.words
    )
    return submit(workspace, host, asked, on_event=on_event)


def submit_for_tenant(
    workspace: Workspace,
    name: str,
    *,
    kind: str,
    identifier: str = "",
    on_event: OnEvent,
) -> Outcome:
    """Submit an operation that needs only the tenant's name, on the tenant's host; without an id with a new id, unless
    an earlier identical operation was not reported."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    submission = Submission(identifier=identifier, operation={"kind": kind, "tenant": str(tenant.name)})
    wish = Wish(kind=kind, tenant=str(tenant.name))
    return submit_once(workspace, fleet.host(tenant.host), wish, submission, on_event=on_event)


def reported(workspace: Workspace, identifier: str) -> None:
    """Record that the outcome was reported: the same command starts a new operation from now on."""
    _forget(workspace, identifier)


def _named(
    workspace: Workspace, wish: Wish, host: Host, identifier: str, begun: Sequence[Begun]
) -> EarlierOperation | None:
    for entry in read_journal(workspace, host, identifier=identifier, limit=1):
        hint = "to follow it: " + Next("attach", identifier) + "; for another operation use another id"
        if (entry.kind, entry.tenant) != (wish.kind, wish.tenant):
            what = f"{entry.kind} of {entry.tenant}" if entry.tenant else entry.kind
            raise StateError(
                f"operation {identifier} is a different operation: {what}",
                code="operation-different-operation",
                hint=hint,
            )
        words = next((item.words for item in begun if item.id == identifier), entry.words or wish.words)
        if words != wish.words:
            differs = ", ".join(told_differences(words, wish.words))
            raise StateError(
                f"operation {identifier} was asked for with other options: {differs}",
                code="operation-asked-other-options",
                hint=hint,
            )
        return EarlierOperation(host=host, entry=entry)
    return None


def _counts(workspace: Workspace, begun: Begun, entries: Sequence[Entry]) -> bool:
    """Whether a finished operation still counts as the command's operation; `entries` are newest first."""
    place = next(index for index, one in enumerate(entries) if one.id == begun.id)
    if begun.kind in REPEATABLE or entries[place].outcome not in GOOD:
        return False  # an undone operation has changed nothing: the command starts a new one
    if begun.kind not in OF_THE_DATA and workspace.clock.now() - begun.at > RECENT_SECONDS:
        return False
    return begun.kind in CHANGES_NO_RELEASE or all(one.kind in CHANGES_NO_RELEASE for one in entries[:place])


def _tell(found: EarlierOperation, on_event: OnEvent) -> None:
    entry = found.entry
    event = CameBack(kind=entry.kind, since=entry.at, outcome=entry.outcome)
    on_event(HeardEvent(host=str(found.host.name), operation=entry.id, tenant=entry.tenant, event=event))


def _forget(workspace: Workspace, identifier: str) -> None:
    if workspace.begun:
        workspace.begun.forget(identifier)
