"""The changes that bring hosts to the inventory's state, and notes about what an operator has to decide.

A plan never retires a tenant, never lowers a version, never removes data, never starts a second copy of a tenant that
runs on another host, and never changes a tenant that an operation holds. Each of these becomes a note.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Literal

from launchpad.errors import LaunchpadError
from launchpad.plan.observed import HostSeen, TenantSeen
from launchpad.plan.wanted import Wanted
from launchpad.runner.hint import Next
from launchpad.runner.protocol import canonical, digest_of, shown_revision

Seen = Mapping[str, HostSeen | LaunchpadError]
"""Host → its state, or the error of a host that did not answer."""


@dataclass(frozen=True, kw_only=True)
class PlannedOperation:
    """One operation that the plan carries out."""

    kind: Literal["deploy", "start", "stop"]
    host: str
    tenant: str
    release: str
    """The release to deploy, start or stop."""
    replaces: str | None
    """The release that the host has now; None for none. The host refuses the change if that is no longer true."""
    reasons: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"reasons": list(self.reasons)}


@dataclass(frozen=True, kw_only=True)
class Note:
    """A difference that the plan does not change. `tenant` is empty for a note about the host."""

    host: str
    tenant: str
    text: str
    hint: str = ""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class FleetPlan:
    """The changes, by host and tenant. Two plans with the same digest have the same changes."""

    changes: tuple[PlannedOperation, ...]
    notes: tuple[Note, ...]
    unreachable: Mapping[str, LaunchpadError]
    """Hosts that did not answer; nothing is planned for them."""
    answered: int = 0
    """How many hosts answered."""
    diffs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Tenant → path → the file's diff, if requested; not part of the digest."""

    @property
    def digest(self) -> str:
        """12 hex digits of the changes' digest, which a confirmation names."""
        return digest_of(canonical([change.as_json() for change in self.changes])).removeprefix("sha256:")[:12]

    def as_json(self) -> dict[str, Any]:
        return {
            "digest": self.digest,
            "changes": [change.as_json() for change in self.changes],
            "notes": [note.as_json() for note in self.notes],
            "unreachable": {host: error.as_dict() for host, error in self.unreachable.items()},
            "diffs": {tenant: dict(files) for tenant, files in self.diffs.items()},
        }


def plan_changes(wanted: Sequence[Wanted], seen: Seen, *, inventory: frozenset[str]) -> FleetPlan:
    """The plan for these tenants on the observed hosts. `inventory` has the names of all the fleet's tenants, so that
    other tenants on a host are noticed."""
    found = list(_each(wanted, seen))
    found += _unsettled(seen)
    found += _strangers(seen, inventory)
    return FleetPlan(
        changes=tuple(item for item in found if isinstance(item, PlannedOperation)),
        notes=tuple(item for item in found if isinstance(item, Note)),
        unreachable={host: said for host, said in seen.items() if isinstance(said, LaunchpadError)},
        answered=sum(isinstance(said, HostSeen) for said in seen.values()),
    )


def without(made: FleetPlan, seen: Seen, tenants: Set[str]) -> FleetPlan:
    """The plan without the changes of these tenants, which run a revision that this inventory does not descend from: a
    change could revert another operator's newer work."""
    notes = [*made.notes]
    for change in made.changes:
        if change.tenant in tenants:
            said = seen[change.host]
            assert isinstance(said, HostSeen)
            notes.append(_note_of_unknown(change, said.tenants[change.tenant]))
    changes = tuple(change for change in made.changes if change.tenant not in tenants)
    return dataclasses.replace(made, changes=changes, notes=tuple(notes))


def _note_of_unknown(change: PlannedOperation, has: TenantSeen) -> Note:
    runs = shown_revision(has.revision)
    text = f"{unknown(has)}; not carried out: {change.kind}, {'; '.join(change.reasons)}"
    hint = "git pull; if the revision is lost: " + Next("deploy", has.tenant, "--after", runs)
    return Note(host=change.host, tenant=change.tenant, text=text, hint=hint)


def unknown(has: TenantSeen) -> str:
    """The text about a tenant whose running revision this inventory does not descend from."""
    runs = shown_revision(has.revision)
    return f"{has.by} deployed the running release from revision {runs}, which this inventory does not descend from"


def _each(wanted: Sequence[Wanted], seen: Seen) -> Iterator[PlannedOperation | Note]:
    homes = _homes(seen)
    for want in sorted(wanted, key=lambda item: (item.host, item.tenant)):
        host = seen.get(want.host)
        if not isinstance(host, HostSeen):
            continue
        elsewhere = [name for name in homes.get(want.tenant, ()) if name != want.host]
        if elsewhere:
            yield Note(
                host=want.host,
                tenant=want.tenant,
                text=f"runs on {', '.join(elsewhere)}; a plan does not move tenants",
                hint=f"write host: {elsewhere[0]}, or " + Next("retire", want.tenant, "--host", elsewhere[0]),
            )
        else:
            yield from _one(want, host.tenants.get(want.tenant))


def _one(want: Wanted, has: TenantSeen | None) -> Iterator[PlannedOperation | Note]:
    obstacle = _obstacle(want, has)
    if obstacle is not None:
        yield obstacle
    elif has is None:
        if want.running:
            yield _change("deploy", want, None, "is not on the host yet")
    elif not want.running:
        if has.running:
            yield _change("stop", want, has, "the inventory says running: false")
    elif has.release != want.release:
        yield _change("deploy", want, has, *differences(want, has))
    elif not has.running:
        yield _change("start", want, has, "is stopped")
    elif has.drift:
        yield _change("deploy", want, has, *has.drift)


def _obstacle(want: Wanted, has: TenantSeen | None) -> Note | None:
    """The note about what an operator has to decide first; None without an obstacle."""
    tenant = want.tenant
    if want.problem is not None:
        return _note(want, want.problem.message, want.problem.hint)
    if has is None:
        return None
    if has.retired:
        return _note(want, "was retired here; its data is kept", Next("deploy", tenant) + " starts it again")
    if has.operation:
        return _note(want, "an operation is running", Next("attach", has.operation))
    if has.app != want.app:
        return _note(want, f"runs {has.app}, but the inventory names {want.app}", Next("retire", tenant) + " first")
    if want.is_older_than(has.version):
        text = f"is ahead of the inventory: {has.version} runs, the inventory names {want.version}"
        return _note(want, text, Next("adopt", tenant))
    if has.was_rolled_back_from(want.version):
        hint = Next("adopt", tenant) + ", or " + Next("upgrade", tenant, "--to", want.version)
        return _note(want, f"was rolled back from {want.version}, which the inventory still names", hint)
    if want.follows and has.version not in (want.version, *want.follows):
        return _note(want, f"{want.version} cannot follow {has.version} in one step", Next("versions", want.app))
    if has.breaker and want.running and has.release == want.release:
        return _note(want, f"keeps dying: {has.breaker}", Next("logs", tenant) + ", then " + Next("restart", tenant))
    return None


def differences(want: Wanted, has: TenantSeen) -> list[str]:
    """The differences between a tenant's wanted release and the host's, for people."""
    found = []
    if want.version != has.version:
        found.append(f"version {has.version} → {want.version}")
    if set(want.domains) != set(has.domains):
        found.append(f"domains {', '.join(has.domains) or 'none'} → {', '.join(want.domains) or 'none'}")
    changed = sorted(name for name in {*want.secrets, *has.secrets} if want.secrets.get(name) != has.secrets.get(name))
    if changed:
        found.append(f"secrets changed: {', '.join(changed)}")
    return found or [f"release {has.release} → {want.release}"]


def _unsettled(seen: Seen) -> Iterator[Note]:
    """Notes about hosts that differ from the inventory. A plan for many hosts never provisions, because an operator has
    to confirm a change of access or of the firewall."""
    for host, said in seen.items():
        if isinstance(said, HostSeen) and said.unsettled:
            text = f"the host itself differs from the inventory: {', '.join(said.unsettled)}"
            yield Note(host=host, tenant="", text=text, hint=Next("provision", host, "--plan"))


def _strangers(seen: Seen, inventory: frozenset[str]) -> Iterator[Note]:
    for host, said in seen.items():
        if not isinstance(said, HostSeen):
            continue
        for name, tenant in sorted(said.tenants.items()):
            if name not in inventory and not tenant.retired:
                yield Note(
                    host=host,
                    tenant=name,
                    text="is on the host and not in the inventory",
                    hint="git pull, or " + Next("retire", name, "--host", host),
                )


def _homes(seen: Seen) -> dict[str, list[str]]:
    homes: dict[str, list[str]] = {}
    for host, said in seen.items():
        if isinstance(said, HostSeen):
            for name, tenant in said.tenants.items():
                if not tenant.retired:
                    homes.setdefault(name, []).append(host)
    return homes


def _change(
    kind: Literal["deploy", "start", "stop"], want: Wanted, has: TenantSeen | None, *reasons: str
) -> PlannedOperation:
    replaces = None if has is None else has.release
    release = has.release if has is not None and kind != "deploy" else want.release
    return PlannedOperation(
        kind=kind, host=want.host, tenant=want.tenant, release=release, replaces=replaces, reasons=tuple(reasons)
    )


def _note(want: Wanted, text: str, hint: str) -> Note:
    return Note(host=want.host, tenant=want.tenant, text=text, hint=hint)
