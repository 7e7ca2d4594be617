"""Rehearse an upgrade on the tenant's own host, or on its drill host when its own host has no memory for a clone.

The drill host gets a copy of the data, and the release with only the secrets that the data needs. The data is encrypted
until it reaches this machine. The drill host's operation starts first: it waits for the copy, tries the release on the
copy, and removes everything again, even if this machine fails. Meanwhile the tenant serves and does not change.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from launchpad.errors import HostError, LaunchpadError, LockedError, StateError
from launchpad.events import HeardEvent, OnEvent, StepProgress, ignore
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.operations.moving.transfer import Bringing, bring, leaving
from launchpad.operations.moving.whereabouts import Whereabouts, whereabouts
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.following import Patience, Secrets, Submission, follow, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.observing import seen_on
from launchpad.operations.requests.outcome import OperationFailed, Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.requests.room import when_there_is_room
from launchpad.operations.tenants.deploy import revealing
from launchpad.plan.observed import HostSeen, TenantSeen
from launchpad.runner.hint import Next
from launchpad.runner.protocol import MOST_REHEARSED_AGE, Release
from launchpad.runner.wire.operation_bodies import Cancel
from launchpad.workspace import Workspace

CARRIED = ("tenant", "release", "files", "may_shrink")
"""The fields of an upgrade that the other host gets."""


@dataclass(frozen=True, kw_only=True)
class RehearsalPlace:
    """Where an upgrade is rehearsed."""

    host: str
    elsewhere: bool
    """Whether the rehearsal is on another host than the tenant's own."""
    reason: str = ""
    """Why the rehearsal is on another host."""
    data_at_most_seconds: int = 0
    """How old the rehearsed data may be when the upgrade starts; every rehearsal takes new data."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def place_for(fleet: Fleet, tenant: Tenant, release: Release, host: HostSeen, *, asked: str = "") -> RehearsalPlace:
    """Where `release` is rehearsed: on the requested host; on the drill host in the inventory when the tenant's own
    host has too little memory now; otherwise on the tenant's own host. Pure. InventoryError for an unknown host;
    StateError when the tenant's own runner is too old for another host."""
    own = fleet.host(tenant.host)
    wanted, free = sum(service.memory_mb for service in release.services), host.memory_free_mb
    if asked and fleet.host(asked).name != own.name:
        there, reason = asked, "as requested"
    elif not asked and own.drill_host and free is not None and free < wanted:
        reason = f"{own.name} has less free memory than the {wanted} MiB that a clone may need"
        there = str(own.drill_host)
    else:
        return RehearsalPlace(host=str(own.name), elsewhere=False)
    if not host.knows_memory:
        raise _too_old(str(own.name))
    return RehearsalPlace(host=there, elsewhere=True, reason=reason, data_at_most_seconds=MOST_REHEARSED_AGE)


def rehearse_elsewhere(
    workspace: Workspace,
    operation: Mapping[str, Any],
    *,
    on: str,
    patience: Patience,
    on_event: OnEvent = ignore,
) -> str:
    """Rehearse the upgrade on that host; return the id of the rehearsed generation on the tenant's own host.

    OperationFailed when the rehearsal failed; StateError, LockedError, StepFailed when a host rejected it, or the other
    host is unreachable; HostError for the tenant's own host. Nothing was changed in each case.
    """
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(str(operation["tenant"]))
    trying = _Trying(
        workspace=workspace,
        tenant=tenant,
        home=fleet.host(tenant.host),
        there=fleet.host(on),
        patience=patience,
        on_event=on_event,
    )
    return trying.run(operation)


@contextmanager
def let_go_of_unless_well(workspace: Workspace, tenant: Tenant) -> Iterator[None]:
    """After a failed rehearsal or upgrade, remove the rehearsal's generation on the tenant's own host too. A killed
    command leaves one generation, which the next rehearsal, or a prune, removes."""
    try:
        yield
    except LaunchpadError as error:
        if not isinstance(error, HostError) or not error.retry:  # otherwise the host may be removing it already
            drop = {"kind": "snapshot", "tenant": str(tenant.name), "rehearsal": "drop"}
            submission = Submission(identifier=new_identifier(workspace.clock.now()), operation=drop)
            with suppress(LaunchpadError):
                submit(workspace, workspace.fleet.load().host(tenant.host), submission, on_event=ignore)
        raise


@dataclass
class _Trying:
    """One run of a rehearsal on another host."""

    workspace: Workspace
    tenant: Tenant
    home: Host
    there: Host
    patience: Patience
    on_event: OnEvent

    @property
    def name(self) -> str:
        return str(self.tenant.name)

    def run(self, operation: Mapping[str, Any]) -> str:
        host, has = seen_on(self.workspace, self.workspace.fleet.load(), self.tenant, probes=True)
        here = whereabouts(self.workspace, self.home, self.tenant, on_event=self.on_event)
        if not host.knows_memory:
            raise _too_old(str(self.home.name))
        generation = self.identifier()
        asked = {key: operation[key] for key in CARRIED if key in operation}
        asked |= {"kind": "rehearse-here", "generation": generation, "without": list(failing(has))}
        with self.blaming_there():
            guest = self.begin(asked, real=operation["release"].get("real_in_rehearsals", ()))
        with self.cancelled_unless_it_ends(guest), let_go_of_unless_well(self.workspace, self.tenant):
            self.submit(self.home, {"kind": "snapshot", "rehearsal": "take"}, identifier=generation)
            self.carry(here, guest, generation, int(operation["release"]["disk_mb"]))
            with self.blaming_there():
                self.end(guest)
        return generation

    def begin(self, asked: Mapping[str, Any], *, real: Collection[str]) -> str:
        """Start the operation on the other host, which waits for the data and has the secrets that the data needs;
        return its id. Wait for other rehearsals on that host first."""
        reveal = revealing(self.workspace, self.tenant)

        def secrets() -> dict[str, Any]:
            return {name: item for name, item in reveal().items() if name in real} if real else {}

        identifier = self.identifier()
        when_there_is_room(
            self.workspace,
            lambda: self.submit(self.there, asked, identifier=identifier, follow=False, secrets=secrets),
            tell=lambda text: self.tell(identifier, text),
            within=self.patience.within,
        )
        return identifier

    def carry(self, here: Whereabouts, guest: str, generation: str, disk_mb: int) -> None:
        what = Bringing.of(self.tenant, here, generation, disk_mb=disk_mb, awaited_by=guest)
        self.tell(guest, f"copying {self.name}'s data from {self.home.name} to {self.there.name}")
        with (
            leaving(self.workspace, self.name, self.home, generation=generation) as archive,
            self.blaming_there(but=self.home),
        ):
            came = bring(self.workspace, self.there, what, archive)
        self.tell(guest, f"copied {came.files} files, {came.bytes / (1 << 20):.1f} MiB")
        if archive.sent.unread:
            first = ", ".join(archive.sent.unreadable[:3])
            raise StateError(
                f"{self.name}: {self.name}'s own user cannot read {archive.sent.unread} of its files, such as {first}",
                code="files-unreadable-by-tenant",
                hint=f"change the owner of the files to {self.name}'s user on {self.home.name}, then try again",
            )

    def end(self, guest: str) -> None:
        done = follow(self.workspace, self.there, guest, on_event=self.on_event, patience=self.patience)
        if done.outcome == "running":
            raise StateError(
                f"{self.there.name}: the rehearsal is still running after {self.patience.within:.0f} s",
                code="rehearsal-still-running",
            )

    # --- cleanup

    @contextmanager
    def cancelled_unless_it_ends(self, guest: str) -> Iterator[None]:
        """Cancel the other host's operation at once if the block fails; otherwise that operation would only end after
        its own timeout."""
        try:
            yield
        except (LaunchpadError, KeyboardInterrupt):
            with suppress(LaunchpadError), hosts_of(self.workspace).reach(self.there) as runner:
                ask(runner, Cancel(id=guest))
            raise

    @contextmanager
    def blaming_there(self, *, but: Host | None = None) -> Iterator[None]:
        """Rewrite an error of the other host: it concerns a rehearsal, and the tenant did not change. Errors of the
        host `but` stay as they are."""
        try:
            yield
        except OperationFailed as error:
            if error.outcome is None:
                raise
            why = error.outcome.message or error.outcome.outcome
            message = f"{self.name}: the rehearsal on {self.there.name} failed, and nothing was changed: {why}"
            hint = Next("history", self.there.name)
            raise OperationFailed(
                message, code="rehearsal-failed-nothing-changed", hint=hint, outcome=error.outcome
            ) from error
        except LaunchpadError as error:
            if but is not None and error.message.startswith(f"{but.name}: "):
                raise
            without = "to upgrade without a rehearsal: --no-rehearsal"
            or_without = error.hint + f"; {without}" if error.hint else without
            kind = LockedError if isinstance(error, LockedError) else StateError
            raise kind(f"{self.name} cannot be rehearsed: {error.message}", code=error.code, hint=or_without) from error

    # --- asking

    def submit(
        self,
        host: Host,
        operation: Mapping[str, Any],
        *,
        identifier: str = "",
        follow: bool = True,
        secrets: Secrets = dict,
    ) -> Outcome:
        submission = Submission(
            identifier=identifier or self.identifier(),
            operation={"tenant": self.name} | dict(operation),
            follow=follow,
            secrets=secrets,
        )
        return submit(self.workspace, host, submission, on_event=self.on_event)

    def tell(self, operation: str, text: str) -> None:
        event = StepProgress(index=0, text=text)
        self.on_event(HeardEvent(host=str(self.there.name), operation=operation, tenant=self.name, event=event))

    def identifier(self) -> str:
        return new_identifier(self.workspace.clock.now())


def failing(has: TenantSeen) -> tuple[str, ...]:
    """The ready probes of the running release that fail now: they do not count against the new release. Empty when the
    tenant does not run."""
    if not has.services or any(state != "running" for state in has.services.values()):
        return ()
    return tuple(probe.name for probe in has.probes if probe.kind == "ready" and not probe.ok and probe.name)


def _too_old(host: str) -> StateError:
    return StateError(
        f"{host}: the host's runner is too old for a rehearsal on another host",
        code="runner-too-old-for-rehearsal",
        hint=Next("provision", host) + ", then type the same command again",
    )
