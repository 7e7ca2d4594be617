"""Where an upgrade is rehearsed: on the tenant's own host, or, when that has no memory for a clone, on its drill host.

A copy of the data goes there, encrypted until it is on this machine, and the release with no secret but those that the
data was made with. The other host
is asked first: its operation waits for the copy, tries the release on it, and takes everything away again, whatever
becomes of us. The tenant serves on meanwhile, and nothing of it is touched.
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
from launchpad.operations.requests.following import Patience, Secrets, Submission, follow, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.observing import seen_on
from launchpad.operations.requests.outcome import OperationFailed, Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.operations.tenants.deploy import revealing
from launchpad.plan.observed import HostSeen, TenantSeen
from launchpad.runner.protocol import MOST_REHEARSED_AGE, Release
from launchpad.workspace import Workspace

ROOM_POLL_SECONDS = 5.0
ROOM_SECONDS = 3600.0
"""So long another rehearsal there is waited for."""
CARRIED = ("tenant", "release", "files", "may_shrink")
"""What of an upgrade the other host gets to see."""


@dataclass(frozen=True, kw_only=True)
class RehearsalPlace:
    """Where it is rehearsed."""

    host: str
    elsewhere: bool
    """Whether that is another host than the tenant's own."""
    reason: str = ""
    """Why elsewhere."""
    data_at_most_seconds: int = 0
    """How old the data may be on which it was rehearsed when the upgrade begins; it is taken anew for every one."""

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def place_for(fleet: Fleet, tenant: Tenant, release: Release, host: HostSeen, *, asked: str = "") -> RehearsalPlace:
    """Where `release` is rehearsed: on the host that is asked for, on the drill host that the inventory names where the
    tenant's own has too little memory now, else there. Pure. InventoryError for a host that there is not; StateError
    where the tenant's own runner knows no other host."""
    own = fleet.host(tenant.host)
    wanted, free = sum(service.memory_mb for service in release.services), host.memory_free_mb
    if asked and fleet.host(asked).name != own.name:
        there, reason = asked, "as asked for"
    elif not asked and own.drill_host and free is not None and free < wanted:
        reason = f"{own.name} has too little memory free for a clone, which may take {wanted} MB"
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
    """Rehearse the upgrade on that host; the id of the generation, on the tenant's own host, of which it was.

    OperationFailed when it did not go well; StateError, LockedError, StepFailed when a host refused it, or the other
    one cannot be reached; HostError for the tenant's own. Whichever it is, nothing was changed."""
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
    """On the tenant's own host, too, a rehearsal or an upgrade that went wrong leaves nothing of the rehearsal. What
    dies before that leaves one generation there, which the next rehearsal, or a prune, takes."""
    try:
        yield
    except LaunchpadError as error:
        if not isinstance(error, HostError) or not error.retry:  # else the host may be about to take it itself
            drop = {"kind": "snapshot", "tenant": str(tenant.name), "rehearsal": "drop"}
            submission = Submission(identifier=new_identifier(workspace.clock.now()), operation=drop)
            with suppress(LaunchpadError):
                submit(workspace, workspace.fleet.load().host(tenant.host), submission, on_event=ignore)
        raise


@dataclass
class _Trying:
    """One go at it."""

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
        """The id of the operation there that waits for the data, and has the real secrets that it needs. Others that
        rehearse there are waited for."""
        reveal = revealing(self.workspace, self.tenant)

        def secrets() -> dict[str, Any]:
            return {name: item for name, item in reveal().items() if name in real} if real else {}

        clock, identifier, told = self.workspace.clock, self.identifier(), ""
        end = clock.monotonic() + (ROOM_SECONDS if self.patience.within is None else self.patience.within)
        while True:
            try:
                self.submit(self.there, asked, identifier=identifier, follow=False, secrets=secrets)
            except LockedError as error:
                if clock.monotonic() >= end:
                    raise
                if error.message != told:
                    told = error.message
                    self.tell(identifier, f"waiting: {told}")
            else:
                return identifier
            clock.sleep(ROOM_POLL_SECONDS)

    def carry(self, here: Whereabouts, guest: str, generation: str, disk_mb: int) -> None:
        what = Bringing.of(self.tenant, here, generation, disk_mb=disk_mb, awaited_by=guest)
        self.tell(guest, f"carrying a copy of its data from {self.home.name} to {self.there.name}")
        with (
            leaving(self.workspace, self.name, self.home, generation=generation) as archive,
            self.blaming_there(but=self.home),
        ):
            came = bring(self.workspace, self.there, what, archive)
        self.tell(guest, f"carried {came['files']} files, {came['bytes'] / 1e6:.1f} MB")
        if archive.told.get("unread"):
            first = ", ".join(archive.told["unreadable"][:3])
            raise StateError(
                f"{self.name}: {archive.told['unread']} files cannot be read by its own user, such as {first}",
                hint=f"give them back to it on {self.home.name}, then try again",
            )

    def end(self, guest: str) -> None:
        done = follow(self.workspace, self.there, guest, on_event=self.on_event, patience=self.patience)
        if done.outcome == "running":
            raise StateError(f"{self.there.name}: it was not over after {self.patience.within:.0f} s")

    # --- whatever happens

    @contextmanager
    def cancelled_unless_it_ends(self, guest: str) -> Iterator[None]:
        """The other host would find out by itself that nobody comes any more; so it does at once."""
        try:
            yield
        except (LaunchpadError, KeyboardInterrupt):
            with suppress(LaunchpadError), hosts_of(self.workspace).reach(self.there) as runner:
                runner.ask("cancel", {"id": guest})
            raise

    @contextmanager
    def blaming_there(self, *, but: Host | None = None) -> Iterator[None]:
        """An error of the other host says that it is about a rehearsal, and that the tenant is as it was. Errors of
        the host `but` stay as they are."""
        try:
            yield
        except OperationFailed as error:
            if error.outcome is None:
                raise
            why = error.outcome.message or error.outcome.outcome
            message = f"{self.name}: its rehearsal on {self.there.name} failed, and nothing was changed: {why}"
            hint = f"launchpad history {self.there.name}"
            raise OperationFailed(message, hint=hint, outcome=error.outcome) from error
        except LaunchpadError as error:
            if but is not None and error.message.startswith(f"{but.name}: "):
                raise
            hint = f"{error.hint}; or --no-rehearsal" if error.hint else "--no-rehearsal leaves it out"
            kind = LockedError if isinstance(error, LockedError) else StateError
            raise kind(f"{self.name} cannot be rehearsed: {error.message}", hint=hint) from error

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
    """The ready probes of what runs that do not hold now: they do not count against the new release. Of what does not
    even run nothing follows."""
    if not has.services or any(state != "running" for state in has.services.values()):
        return ()
    return tuple(probe.name for probe in has.probes if probe.kind == "ready" and not probe.ok and probe.name)


def _too_old(host: str) -> StateError:
    return StateError(
        f"{host}: its runner knows no rehearsal on another host yet", hint=f"launchpad provision {host}, then again"
    )
