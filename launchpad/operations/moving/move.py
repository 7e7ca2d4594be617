"""move: move a tenant to another host, with its data and certificates, so that the tenant never runs on both hosts.

The progress of a move is read from the two hosts and is not stored here: any operator resumes an interrupted move with
the same command. Until the source has written its tombstone, the tenant serves as before. After the tombstone the
tenant can only arrive on the destination, or return to the source once the destination has recorded that it will never
start the tenant.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from launchpad.errors import HostError, LaunchpadError, StateError
from launchpad.events import Committed, HeardEvent, OnEvent, StepDone, StepStarted, ignore
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.words.names import HostName, TenantName
from launchpad.operations.dns.address import ip_of
from launchpad.operations.moving.transfer import Bringing, bring, certificates, leaving
from launchpad.operations.moving.whereabouts import Whereabouts, whereabouts
from launchpad.operations.requests.confirmation import Confirmation, plan_digest
from launchpad.operations.requests.following import Submission, follow, submit
from launchpad.operations.requests.history import read_journal
from launchpad.operations.requests.identifiers import part_of
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import kept_open
from launchpad.operations.tenants.deploy import deploy_operation, revealing
from launchpad.operations.tenants.written_version import tell_revision
from launchpad.runner.hint import Next
from launchpad.runner.protocol import shown_revision
from launchpad.workspace import Workspace

FRESH_SECONDS = 600.0
"""An older copy is updated before the tenant stops."""
CERTIFICATES = "CADDY_CERTIFICATES"
KEEPS_OUT = ("put-forward", "hold-traffic")
"""The steps after which the source accepts no new request."""

LONGEST_PROOF = 200

Tell = Callable[[str], None]
"""Takes a progress line about the work between the hosts' operations."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """A planned move: the tenant, its source host and its destination host."""

    tenant: str
    source: str
    destination: str
    domains: tuple[str, ...]

    @property
    def digest(self) -> str:
        """12 hex digits; what a confirmation names."""
        return plan_digest(self.as_json())

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"domains": list(self.domains)}


@dataclass(frozen=True, kw_only=True)
class Moved:
    """How a move ended."""

    tenant: str
    source: str
    destination: str
    address: str
    """The destination's address, to which DNS must point."""
    domains: tuple[str, ...]
    outcome: str
    """`done`, or `unchanged` when the tenant was on the destination already."""
    silent_seconds: float | None
    """The seconds from the last request that the source accepted to the first request that the destination accepted;
    None when unknown."""
    bytes: int
    """The bytes that were copied while the tenant was stopped."""
    written: bool
    """Whether the inventory was changed."""
    problems: tuple[str, ...]
    """Problems that do not stop the tenant, for the operator."""

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def plan_move(workspace: Workspace, name: str, *, to: str) -> Move:
    """Plan the move. StateError when the tenant is on the destination already and no move brought it there."""
    fleet = workspace.fleet.load()
    tenant, destination = fleet.tenant(name), fleet.host(to)
    source = str(tenant.host)
    if source == to:
        found = whereabouts(workspace, destination, tenant, on_event=ignore)
        source = str((found.record or {}).get("came_from") or "")
        if not source or source not in fleet.hosts:
            raise StateError(f"{name} is already on {to}", code="already-on-that-host", hint=Next("status", name))
    return Move(tenant=name, source=source, destination=to, domains=tuple(map(str, tenant.domains)))


def move(
    workspace: Workspace, what: Move, *, confirm: Confirmation, tell: Tell = lambda _: None, on_event: OnEvent = ignore
) -> Moved:
    """Carry the move out, or resume it. StateError unless the plan is the confirmed one, and when the hosts' states
    allow no move; HostError when a host is unreachable; OperationFailed when one of the move's operations was undone.
    Finished operations stay done, and the same command resumes the move."""
    confirm.of(what, command="move")
    fleet = workspace.fleet.load()
    with kept_open(workspace) as kept:
        moving = _Moving(
            workspace=kept,
            tenant=fleet.tenant(what.tenant),
            source=fleet.host(what.source),
            destination=fleet.host(what.destination),
            identifier=confirm.id_for(workspace),
            tell=tell,
            on_event=on_event,
        )
        return moving.run()


def move_back(
    workspace: Workspace, what: Move, *, confirm: Confirmation, proof: str = "", on_event: OnEvent = ignore
) -> Outcome:
    """Return a tenant to the source after the source wrote its tombstone. First the destination records that it will
    never start the tenant with this receipt; then the source starts the tenant again. StateError when the tenant has
    not left the source, or has arrived on the destination.

    With `proof`, the reason to be sure that the destination is permanently off, the destination is not asked: the
    source starts the tenant with an epoch above every epoch that the destination can know. StateError when the
    destination answers.
    """
    confirm.of(what, command="move")
    moving = _moving_back(workspace, what, on_event, identifier=confirm.id_for(workspace))
    if confirm.identifier and (done := moving.back_before()) is not None:
        return done
    return moving.back_fenced(proof) if proof else moving.back()


def judge_back(workspace: Workspace, what: Move, *, proof: str = "") -> None:
    """Raise the errors of `move_back` before the operator is asked for confirmation."""
    moving = _moving_back(workspace, what, ignore)
    moving.judge_back_fenced(proof) if proof else moving.judge_back()


def _moving_back(workspace: Workspace, what: Move, on_event: OnEvent, *, identifier: str = "") -> _Moving:
    fleet = workspace.fleet.load()
    return _Moving(
        workspace=workspace,
        tenant=fleet.tenant(what.tenant),
        source=fleet.host(what.source),
        destination=fleet.host(what.destination),
        identifier=identifier,
        tell=lambda _: None,
        on_event=on_event,
    )


def judge_proof(tenant: str, proof: str, *, of: str) -> None:
    """StateError unless the proof is one line of text: the proof is written into a journal."""
    if not proof.strip() or len(proof) > LONGEST_PROOF or not proof.isprintable():
        raise StateError(
            f"{tenant}: --fence needs one line of text: your reason to be sure that {of} is off", code="fence-reason"
        )


@dataclass
class _Moving:
    """One run of a move."""

    workspace: Workspace
    tenant: Tenant
    source: Host
    destination: Host
    identifier: str
    """The move's id, from which the ids of the hosts' operations follow."""
    tell: Tell
    on_event: OnEvent
    held_at: float | None = None
    open_at: float | None = None
    stands_still: bool = False
    """Whether the tenant runs on neither host."""
    arriving: bool = False
    """Whether the destination's next commit is the tenant's arrival."""
    carried: int = 0
    written: bool = False
    problems: list[str] = field(default_factory=list)
    rendered: dict[HostName, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.tenant.name)

    @cached_property
    def address(self) -> str:
        """The destination's address, to which the source forwards requests."""
        return ip_of(self.destination)

    def run(self) -> Moved:
        try:
            return self._run()
        except LaunchpadError as error:
            if self.stands_still:
                again = Next("move", self.name, "--to", self.destination.name)
                back = Next("move", self.name, "--to", self.destination.name, "--back")
                told = f"{self.name} is stopped on both hosts; to resume the move: " + again
                told += f"; to return {self.name} to {self.source.name}: " + back
                error.hint = told + " (" + error.hint + ")" if error.hint else told
            raise

    def _run(self) -> Moved:
        there = self.look(self.destination)
        if there.has_it:
            outcome = "unchanged"
            self._judge_only_one()
        else:
            outcome = "done"
            self._bring_over(there)
        self._write()
        self._pass_on()
        with suppress(LaunchpadError):  # the next deploy sends the revision
            release = str((self.look(self.destination).record or {})["release"])
            tell_revision(self.workspace, self.name, release=release)
        return self._ended(outcome)

    def judge_back(self) -> Whereabouts:
        """What the source has of it. StateError unless it can be called off."""
        ip_of(self.source)
        here, there = self.look(self.source), self.look(self.destination)
        if there.has_it and not here.has_it:
            raise StateError(
                f"{self.name} has already arrived on {self.destination.name}",
                code="already-arrived",
                hint=f"to move {self.name} back with its new data: "
                + Next("move", self.name, "--to", self.source.name),
            )
        self._judge_left(here)
        return here

    def back(self) -> Outcome:
        here = self.judge_back()
        where = {"to": str(self.source.name), "address": ip_of(self.source)}
        self.submit(self.destination, {"kind": "decline", "receipt": here.tombstone} | where)
        declined = self.look(self.destination).tombstone
        if declined is None:
            raise StateError(
                f"{self.destination.name} did not confirm that it will never start {self.name}",
                code="fence-not-confirmed",
                hint="try again",
            )
        return self._arrive(self.source, self.destination, declined, certified="")

    def back_before(self) -> Outcome | None:
        """Follow the return that was begun with this id; None when there is none yet."""
        identifier = self.part("arrive", self.source)
        if not read_journal(self.workspace, self.source, identifier=identifier, limit=1):
            return None
        return follow(self.workspace, self.source, identifier, on_event=self.hear)

    def judge_back_fenced(self, proof: str) -> Whereabouts:
        """What the source has of it. StateError unless it left for a destination that does not answer."""
        judge_proof(self.name, proof, of=str(self.destination.name))
        ip_of(self.source)
        here = self.look(self.source)
        self._judge_left(here)
        try:
            self.look(self.destination)
        except HostError:
            pass
        else:
            raise StateError(
                f"{self.destination.name} answers, so it is not permanently off",
                code="host-still-answers",
                hint=Next("move", self.name, "--to", self.destination.name, "--back"),
            )
        self._judge_version(here)  # the data belongs to that version
        return here

    def back_fenced(self, proof: str) -> Outcome:
        here = self.judge_back_fenced(proof)
        assert here.tombstone is not None
        receipt = dict(here.tombstone) | {
            "epoch": max(
                here.known + 1, int(self.workspace.clock.now())
            ),  # above every epoch that the other host can know
            "to": str(self.source.name),
            "address": ip_of(self.source),
            "generation": "",
            "at": self.workspace.clock.now(),
            "operation": "",
            "by": str(self.workspace.settings.operator),
            "fenced": True,
            "proof": proof,
        }
        return self._arrive(self.source, self.destination, receipt, certified="")

    def _judge_left(self, here: Whereabouts) -> None:
        """StateError unless the tenant left the source for the destination."""
        if here.has_it:
            raise StateError(
                f"{self.name} has not left {self.source.name}",
                code="tenant-has-not-left",
                hint=Next("status", self.name),
            )
        if not here.left_for(str(self.destination.name)):
            raise StateError(
                f"{self.name} did not leave {self.source.name} for {self.destination.name}", code="move-did-not-leave"
            )

    # --- to the destination

    def _bring_over(self, there: Whereabouts) -> None:
        here = self.look(self.source)
        if here.has_it:
            address = self.address  # before anything happens
            self._judge_version(here)
            self._judge_descent(here)
            self.workspace.fleet.judge_tenant_host(self.tenant.name, self.destination.name)
            self._prepare()
            self._first_copy(here, there)
            there = self.look(self.destination)
            ahead = {"ahead": True} if there.waits and here.waits is not None else {}
            self.submit(
                self.source,
                {
                    "kind": "depart",
                    "to": str(self.destination.name),
                    "address": address,
                    "above": there.known,
                    "replaces": (here.record or {})["release"],
                }
                | ahead,
            )
            here = self.look(self.source)
        if here.tombstone is None:
            raise StateError(
                f"{self.name} is neither on {self.source.name} nor on {self.destination.name}",
                code="on-neither-host",
                hint=Next("deploy", self.name),
            )
        if not here.left_for(str(self.destination.name)):
            raise StateError(
                f"{self.name} left {self.source.name} for {here.tombstone['to']}",
                code="left-for-that-host",
                hint=Next("move", self.name, "--to", here.tombstone["to"]),
            )
        if there.known > int(here.tombstone["epoch"]):
            raise StateError(
                f"{self.destination.name} has recorded that it will never start {self.name}",
                code="host-is-fenced",
                hint=Next("move", self.name, "--to", self.destination.name, "--back"),
            )
        self._judge_version(here)
        self.stands_still = True
        if here.tombstone["generation"] not in there.ids:
            base = next((item.id for item in here.generations if item.id in there.ids), "")
            self.carried = self._carry(here, str(here.tombstone["generation"]), base)
        certified = "" if there.waits else self._certificates()
        self.arriving = True
        arrived = self._arrive(self.destination, self.source, here.tombstone, certified=certified)
        self.stands_still = False
        if arrived.outcome == "incomplete":
            self.problems.append(f"{self.destination.name}: {arrived.message}; " + Next("status", self.name))

    def _judge_only_one(self) -> None:
        """Reject a tenant that an operator deployed on both hosts by hand."""
        try:
            here = self.look(self.source)
        except HostError:
            return  # an unreachable source is reported later
        if here.has_it:
            raise StateError(
                f"{self.name} is deployed on {self.source.name} and on {self.destination.name}, and not by a move",
                code="deployed-on-two-hosts",
                hint=Next("retire", self.name, "--host", "HOST") + ", for the host whose data you do not need",
            )

    def _judge_version(self, here: Whereabouts) -> None:
        runs = str((here.record or {}).get("version", ""))
        if runs != str(self.tenant.version):
            raise StateError(
                f"{self.name}: {runs} is running, but the inventory has version {self.tenant.version}",
                code="running-inventory-version",
                hint=Next("upgrade", self.name) + ", or " + Next("adopt", self.name) + f"; then move {self.name}",
            )

    def _judge_descent(self, here: Whereabouts) -> None:
        """Reject a move from an inventory that does not descend from the running revision, as a deploy does."""
        record = here.record or {}
        revision = str(record.get("revision") or "")
        if revision and not self.workspace.includes(revision, self.name):
            shown = shown_revision(revision)
            raise StateError(
                f"{self.name}: {record.get('by', 'somebody')} deployed the running release from revision {shown}, and "
                f"this inventory does not descend from {shown}",
                code="plan-does-not-descend",
                hint=f"git pull; if revision {shown} is lost, first: " + Next("deploy", self.name, "--after", shown),
            )

    def _prepare(self) -> None:
        """Prepare the destination with the tenant's certificates and site, so that requests wait there for the tenant.
        Without certificates the site is set up only when the tenant arrives."""
        certified = ""
        with suppress(LaunchpadError):  # the certificates are requested again later
            certified = certificates(self.workspace, self.name, self.source)
        operation = self._deploy_operation(self.destination, "prepare")
        self.submit(self.destination, operation, secrets=lambda: _secret(certified))

    def _first_copy(self, here: Whereabouts, there: Whereabouts) -> None:
        """Copy most of the data while the tenant serves; a recent copy on the destination is used again."""
        common = [item for item in here.generations if item.id in there.ids]
        if common and here.clock - common[0].at < FRESH_SECONDS:
            return
        # An older runner knows only generations that an operator took.
        copy = {"copy": True} if here.waits is not None else {}
        taken = self.submit(self.source, {"kind": "snapshot"} | copy)
        here = self.look(self.source)
        base = next((item.id for item in here.generations if item.id in there.ids), "")
        self._carry(here, taken.id, base)

    def _carry(self, here: Whereabouts, generation: str, base: str) -> int:
        """Copy one generation, or its difference from a generation on the destination; return the bytes of the copied
        files."""
        release = self._deploy_operation(self.destination, "deploy")["release"]
        what = Bringing.of(self.tenant, here, generation, disk_mb=int(release["disk_mb"]), base=base)
        self.tell(f"copying {self.name}'s data from {self.source.name} to {self.destination.name}")
        with leaving(self.workspace, self.name, self.source, generation=generation, base=base) as archive:
            came = bring(self.workspace, self.destination, what, archive)
        if archive.sent.unread:
            first = ", ".join(archive.sent.unreadable[:3])
            raise StateError(
                f"{self.name}: {self.name}'s own user cannot read {archive.sent.unread} of its files, such as {first}",
                code="files-unreadable-by-tenant",
                hint=f"change the owner of the files to {self.name}'s user on {self.source.name}, then try again",
            )
        self.tell(f"copied {came.files} files, {came.bytes / (1 << 20):.1f} MiB")
        return came.bytes

    def _certificates(self) -> str:
        """The tenant's certificates, unsealed; empty when there are none, and the certificate authority issues new
        ones."""
        try:
            return certificates(self.workspace, self.name, self.source)
        except LaunchpadError as error:
            self.problems.append(
                f"the certificates could not be copied, and the certificate authority issues new ones: {error.message}"
            )
            return ""

    def _arrive(self, at: Host, source: Host, receipt: Any, *, certified: str) -> Outcome:
        operation = self._deploy_operation(at, "arrive") | {"receipt": dict(receipt), "from": str(source.name)}
        reveal = revealing(self.workspace, self.tenant)
        return self.submit(at, operation, secrets=lambda: {**reveal(), **_secret(certified)})

    def _deploy_operation(self, at: Host, kind: str) -> dict[str, Any]:
        """The deploy of the tenant's release on that host: the same release from the preparation to the arrival."""
        if at.name not in self.rendered:
            placed = self.tenant.model_copy(update={"host": at.name})
            fleet, inventory = self.workspace.fleet.load(), self.workspace.revision(self.name)
            self.rendered[at.name] = deploy_operation(self.workspace, fleet, placed, inventory=inventory)
        return self.rendered[at.name] | {"kind": kind}

    # --- after the destination's commit

    def _write(self) -> None:
        """Write the tenant's host into the inventory, by compare and swap."""
        if self.written:
            return
        try:
            self.written = write_host(self.workspace, self.name, str(self.destination.name), str(self.source.name))
        except LaunchpadError as error:
            file = f"inventory/tenants/{self.name}.yaml"
            self.problems.append(
                f"{file} is unchanged: {error.message}; write host: {self.destination.name} into the file"
            )

    def _pass_on(self) -> None:
        try:
            here = self.look(self.source)
            if here.record is None or here.record["retired"] or here.tombstone is None:
                return
            self.submit(self.source, {"kind": "forward", "epoch": int(here.tombstone["epoch"])})
        except LaunchpadError as error:
            again = Next("move", self.name, "--to", self.destination.name)
            self.problems.append(f"{self.source.name} does not forward requests yet: {error.message}; {again}")

    def _ended(self, outcome: str) -> Moved:
        silent = None
        if self.held_at is not None and self.open_at is not None:
            silent = round(self.open_at - self.held_at, 1)
        return Moved(
            tenant=self.name,
            source=str(self.source.name),
            destination=str(self.destination.name),
            address=self._told_address(),
            domains=tuple(map(str, self.tenant.domains)),
            outcome=outcome,
            silent_seconds=silent,
            bytes=self.carried,
            written=self.written,
            problems=tuple(self.problems),
        )

    def _told_address(self) -> str:
        try:
            return self.address
        except LaunchpadError as error:
            self.problems.append(f"{error.message}; {error.hint}")
            return str(self.destination.address)

    # --- asking

    def look(self, host: Host) -> Whereabouts:
        return whereabouts(self.workspace, host, self.tenant, on_event=self.hear)

    def submit(self, host: Host, operation: dict[str, Any], secrets: Any = dict) -> Outcome:
        submission = Submission(
            identifier=self.part(str(operation["kind"]), host),
            operation={"tenant": self.name} | operation,
            secrets=secrets,
        )
        return submit(self.workspace, host, submission, on_event=self.hear)

    def part(self, kind: str, host: Host) -> str:
        """The id of the move's operation of that kind on that host."""
        return part_of(self.identifier, kind, str(host.name))

    def hear(self, heard: HeardEvent) -> None:
        """Pass the event on; note when requests stopped and resumed; write the inventory as soon as the tenant has
        arrived."""
        self.on_event(heard)
        now, at, event = self.workspace.clock.monotonic(), heard.host, heard.event
        if isinstance(event, StepStarted) and event.step in KEEPS_OUT and at == self.source.name and not self.arriving:
            self.held_at = self.held_at or now
        if isinstance(event, StepDone) and event.step == "open-traffic" and at == self.destination.name:
            self.open_at = now
        if isinstance(event, Committed) and self.arriving:
            self.stands_still = False
            self._write()


def _secret(certified: str) -> dict[str, Any]:
    """Certificates as a secret of a request: like every secret, they are written into no journal."""
    return {CERTIFICATES: {"version": 1, "value": certified}} if certified else {}


def write_host(workspace: Workspace, name: str, to: str, replaces: str) -> bool:
    """Write the tenant's host into its file; return whether the file changed. StateError when the file has another host
    than `replaces`, because somebody changed it meanwhile."""
    tenant = workspace.fleet.load().tenant(name)
    if str(tenant.host) == to:
        return False
    workspace.fleet.set_tenant_host(TenantName(name), HostName(to), replaces=HostName(replaces))
    return True
