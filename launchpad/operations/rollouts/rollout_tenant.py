"""One tenant of a rollout: upgrade it or take it back. Each operation starts once, is found again by its id, and is
followed for a limited time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from launchpad.errors import HostError, LaunchpadError, LockedError, StateError, StepFailed
from launchpad.events import OnEvent
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.generations.generations import generations
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.confirmation import Confirmation
from launchpad.operations.requests.following import Patience, follow
from launchpad.operations.requests.outcome import OperationFailed, Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.rollouts.rollouts import intent_of, operations_of
from launchpad.operations.tenants.written_version import written_at_commit
from launchpad.operations.versions.rollback import Back, plan_rollback, rollback
from launchpad.operations.versions.upgrade import UpgradeRequest, plan_upgrade, upgrade
from launchpad.plan.rollout_waves import (
    BACK,
    FORTH,
    WENT_WELL,
    MemberState,
    Operation,
    attempt_of,
    operation_id,
    way_of,
)
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Intent, Member, Rollout
from launchpad.runner.wire.operation_bodies import Cancel
from launchpad.runner.wire.rollout_bodies import Rollouts, RolloutsReply
from launchpad.workspace import Workspace

ROOM_POLL_SECONDS = 2
UNDO_SECONDS = 600
"""How long to wait for the end of a cancelled operation."""


@dataclass(frozen=True)
class Wards:
    """What the change of a tenant needs: workspace, rollout, events."""

    workspace: Workspace
    rollout: Rollout
    on_event: OnEvent
    serial: int = 0
    """The serial number of this operator's intent; earlier intents on a host no longer count."""

    @property
    def patience(self) -> Patience:
        return Patience(silent=self.rollout.patience, within=self.rollout.timeout)


class Halted(Exception):
    """Another operator has changed the rollout's intent; nothing was started."""

    def __init__(self, intent: Intent) -> None:
        super().__init__(intent.what)
        self.intent = intent


def forth(wards: Wards, member: Member, state: MemberState) -> MemberState:
    """Upgrade the tenant, or follow its earlier upgrade; return the tenant's state. Halted when an operator has halted
    the rollout."""
    return _told(state, lambda: _forth(wards, member, state))


def back(wards: Wards, member: Member, state: MemberState) -> MemberState:
    """Return the tenant to its earlier release and data, or follow an earlier such rollback; return the tenant's state.
    A running upgrade is cancelled first."""
    return _told(state, lambda: _back(wards, member, state))


def _told(state: MemberState, work: Callable[[], MemberState]) -> MemberState:
    """The tenant's state after the work. An error is an outcome: failed when the host rejected or undid the change,
    unknown when the host did not answer."""
    try:
        return work()
    except OperationFailed as error:
        seconds = error.outcome.seconds if error.outcome else None
        operation = error.outcome.id if error.outcome else ""
        return _with(state, "failed", _why(error), error.hint, seconds=seconds, operation=operation)
    except StepFailed as error:
        return _with(state, "failed", error.message, error.hint)
    except (HostError, LockedError) as error:
        silent = isinstance(error, HostError)
        return _with(state, "unknown", error.message.removeprefix(f"{state.host}: "), error.hint, silent=silent)
    except LaunchpadError as error:
        return _with(state, "failed", error.message, error.hint)


def _forth(wards: Wards, member: Member, state: MemberState) -> MemberState:
    clock, rollout = wards.workspace.clock, wards.rollout
    end = clock.monotonic() + rollout.timeout
    while (begun := _begun(wards, member, FORTH, unless="go")) is None:
        tenant = _tenant(wards, member)
        if tenant is None:
            return _with(state, "left", f"is no longer on {member.host} in the inventory", "")
        _wait_for_room(wards, member, end)
        target = UpgradeRequest(version=rollout.version, soak_seconds=rollout.tenant_soak, rehearse=rollout.rehearse)
        what = plan_upgrade(wards.workspace, member.tenant, target)
        if what.empty:
            return _with(state, "left", f"already runs {what.version}", "")
        sure = Confirmation(
            digest=what.digest, identifier=operation_id(rollout.id, member.tenant, FORTH), patience=wards.patience
        )
        try:
            done: Outcome = upgrade(wards.workspace, what, confirm=sure, on_event=wards.on_event)
        except (StateError, LockedError) as error:
            begun = _begun(wards, member, FORTH)  # another operator started it first
            if begun is not None:
                break
            if isinstance(error, StateError) or clock.monotonic() >= end:
                raise
            clock.sleep(ROOM_POLL_SECONDS)  # another operation holds the tenant, or the memory for clones
        else:
            return _settled(wards, member, state, done, "changed")
    return _settled(wards, member, state, _come_back(wards, member, begun, version=rollout.version), "changed")


def _back(wards: Wards, member: Member, state: MemberState) -> MemberState:
    upgraded = _begun(wards, member, FORTH)
    if upgraded is not None and not upgraded.outcome:
        state = _settled_by_cancel(wards, member, state, upgraded.id)
        if state.outcome != "changed":
            return state
    begun = _begun(wards, member, BACK)
    if begun is not None and begun.outcome and begun.outcome not in WENT_WELL:
        attempt = attempt_of(wards.rollout.id, begun.id) + 1
        begun = None
    else:
        attempt = 1
    if begun is not None:
        done = _come_back(wards, member, begun, version=member.version)
    else:
        back = Back(to=_release_before(wards, member, upgraded))
        what = plan_rollback(wards.workspace, member.tenant, back)
        identifier = operation_id(wards.rollout.id, member.tenant, BACK, attempt)
        sure = Confirmation(digest=what.digest, identifier=identifier, patience=wards.patience)
        done = rollback(wards.workspace, what, confirm=sure, on_event=wards.on_event)
    return _settled(wards, member, state, done, "undone")


def _begun(wards: Wards, member: Member, way: str, *, unless: str = "") -> Operation | None:
    """The newest operation of the tenant in that direction. Halted when the host has another intent than `unless`, this
    operator's intent."""
    told = _told_of(wards, member)
    intent = intent_of(told)
    if unless and intent is not None and intent.what != unless and intent.serial > wards.serial:
        raise Halted(intent)
    mine = [item for item in operations_of(told) if item.tenant == member.tenant]
    return next((item for item in reversed(mine) if way_of(wards.rollout.id, item.id) == way), None)


def _wait_for_room(wards: Wards, member: Member, end: float) -> None:
    """Wait until no other upgrade runs on the host, because each upgrade needs memory for the tenant and for a clone;
    at most until `end`."""
    clock = wards.workspace.clock
    while _told_of(wards, member).changing and clock.monotonic() < end:
        clock.sleep(ROOM_POLL_SECONDS)


def _told_of(wards: Wards, member: Member) -> RolloutsReply:
    fleet = wards.workspace.fleet.load()
    with hosts_of(wards.workspace).reach(fleet.host(member.host)) as runner:
        return ask(runner, Rollouts(id=wards.rollout.id))


def _come_back(wards: Wards, member: Member, begun: Operation, *, version: str) -> Outcome:
    """Follow the started operation, or read its outcome; the version is written into the inventory at the commit."""
    workspace = wards.workspace
    host = workspace.fleet.load().host(member.host)

    def carry_out(hear: OnEvent) -> Outcome:
        return follow(workspace, host, begun.id, on_event=hear, patience=wards.patience)

    tenant = _tenant(wards, member)
    if tenant is None:
        return carry_out(wards.on_event)
    return written_at_commit(workspace, tenant, version=version, carry_out=carry_out, on_event=wards.on_event)


def _settled(wards: Wards, member: Member, state: MemberState, done: Outcome, well: Any) -> MemberState:
    """The tenant's state after an outcome. An operation that exceeds its time is cancelled."""
    if done.outcome != "running":
        return replace(state, outcome=well, message=done.message, hint="", seconds=done.seconds, operation=done.id)
    return _settled_by_cancel(
        wards, member, state, done.id, why=f"did not end within {wards.rollout.timeout} s and was undone"
    )


def _settled_by_cancel(
    wards: Wards, member: Member, state: MemberState, identifier: str, *, why: str = "was cancelled and undone"
) -> MemberState:
    """Cancel the operation and wait for the undo; an operation that has committed continues to its end."""
    host = wards.workspace.fleet.load().host(member.host)
    with hosts_of(wards.workspace).reach(host) as runner:
        try:
            ask(runner, Cancel(id=identifier))
        except StateError:
            why = ""  # after its commit
    patience = Patience(silent=wards.rollout.patience, within=UNDO_SECONDS)
    try:
        done = follow(wards.workspace, host, identifier, on_event=wards.on_event, patience=patience)
    except OperationFailed as error:
        return _with(state, "failed", why or _why(error), error.hint, operation=identifier)
    if done.outcome == "running":
        return _with(state, "unknown", "is still running", Next("attach", identifier, "--host", host.name))
    return replace(state, outcome="changed", message=done.message, seconds=done.seconds, operation=identifier)


def _release_before(wards: Wards, member: Member, upgraded: Operation | None) -> str:
    """What the rollout's own upgrade replaced: the release if its data was kept, otherwise the version."""
    if upgraded is not None:
        for item in generations(wards.workspace, member.tenant).generations:
            if item.operation == upgraded.id and item.why == "upgrade":
                return item.release
    return member.version


def _tenant(wards: Wards, member: Member) -> Tenant | None:
    """The tenant's entry in the inventory; None when the tenant is on another host or no longer in the inventory."""
    found = wards.workspace.fleet.load().tenants
    tenant = next((item for name, item in found.items() if name == member.tenant), None)
    return tenant if tenant is not None and tenant.host == member.host else None


def _why(error: OperationFailed) -> str:
    return (error.outcome.message if error.outcome else "") or error.message


def _with(state: MemberState, outcome: Any, message: str, hint: str, **more: Any) -> MemberState:
    return replace(state, outcome=outcome, message=message, hint=hint, **more)
