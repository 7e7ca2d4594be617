"""move: a tenant goes to another host, with data and certificates, and never runs on both.

What was done is read from the two hosts, not remembered here: the same command goes on from wherever an earlier one was
cut, whoever types it. Up to the source's tombstone nothing has happened that anybody would notice; from there on the
way leads to the destination, or back once the destination has written down that it will never take the tenant in.
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
from launchpad.operations.requests.following import Submission, submit
from launchpad.operations.requests.identifiers import new_identifier
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import kept_open
from launchpad.operations.tenants.deploy import deploy_operation, revealing
from launchpad.operations.tenants.written_version import tell_revision
from launchpad.runner.protocol import shown_revision
from launchpad.workspace import Workspace

FRESH_SECONDS = 600.0
"""A copy that is so old is brought up to date before the tenant stops."""
CERTIFICATES = "CADDY_CERTIFICATES"
KEEPS_OUT = ("put-forward", "hold-traffic")
"""The steps after which the source lets no new request in."""

LONGEST_PROOF = 200

Tell = Callable[[str], None]
"""Takes a line about what goes on between the hosts' own operations."""


@dataclass(frozen=True, kw_only=True)
class Move:
    """From where to where."""

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
    """Where its names are to lead."""
    domains: tuple[str, ...]
    outcome: str
    """`done`, or `unchanged` when it was there already."""
    silent_seconds: float | None
    """From the last request that the source let in to the first that the destination did; None when that was not
    seen."""
    bytes: int
    """That were carried while it stood still."""
    written: bool
    """Whether the inventory was changed."""
    problems: tuple[str, ...]
    """What is left to do, and does not keep the tenant from running."""

    def as_json(self) -> dict[str, Any]:
        plain = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in plain.items()}


def plan_move(workspace: Workspace, name: str, *, to: str) -> Move:
    """What `move` would do. StateError when the tenant is there and came from nowhere."""
    fleet = workspace.fleet.load()
    tenant, destination = fleet.tenant(name), fleet.host(to)
    source = str(tenant.host)
    if source == to:
        found = whereabouts(workspace, destination, tenant, on_event=ignore)
        source = str((found.record or {}).get("came_from") or "")
        if not source or source not in fleet.hosts:
            raise StateError(f"{name} is on {to} already", hint=f"launchpad status {name}")
    return Move(tenant=name, source=source, destination=to, domains=tuple(map(str, tenant.domains)))


def move(
    workspace: Workspace, what: Move, *, confirm: Confirmation, tell: Tell = lambda _: None, on_event: OnEvent = ignore
) -> Moved:
    """Carry it out, or go on with it. StateError unless the plan is the confirmed one, and where the hosts' states
    allow no move; HostError when a host cannot be reached; OperationFailed when one of its operations was undone: what
    has been done until then stays, and the same command goes on from there."""
    confirm.of(what, command="move")
    fleet = workspace.fleet.load()
    with kept_open(workspace) as kept:
        moving = _Moving(
            workspace=kept,
            tenant=fleet.tenant(what.tenant),
            source=fleet.host(what.source),
            destination=fleet.host(what.destination),
            tell=tell,
            on_event=on_event,
        )
        return moving.run()


def move_back(
    workspace: Workspace, what: Move, *, confirm: Confirmation, proof: str = "", on_event: OnEvent = ignore
) -> Outcome:
    """Call a move off behind its tombstone: first the destination writes down that it will never start the tenant with
    that receipt, then the source takes it in again. StateError when it has not left, or has arrived.

    With `proof`, which says how it is known that the destination is off for good, it is not asked: the source takes the
    tenant in with an epoch above all that it can have heard of. StateError when it answers."""
    confirm.of(what, command="move")
    fleet = workspace.fleet.load()
    moving = _Moving(
        workspace=workspace,
        tenant=fleet.tenant(what.tenant),
        source=fleet.host(what.source),
        destination=fleet.host(what.destination),
        tell=lambda _: None,
        on_event=on_event,
    )
    return moving.back_fenced(proof) if proof else moving.back()


def judge_proof(tenant: str, proof: str, *, of: str) -> None:
    """StateError unless it is a line of text: it goes into a journal."""
    if not proof.strip() or len(proof) > LONGEST_PROOF or not proof.isprintable():
        raise StateError(f"{tenant}: --fence wants a line that says how {of} is known to be off")


@dataclass
class _Moving:
    """One go at it."""

    workspace: Workspace
    tenant: Tenant
    source: Host
    destination: Host
    tell: Tell
    on_event: OnEvent
    held_at: float | None = None
    open_at: float | None = None
    stands_still: bool = False
    """Whether it is on neither host."""
    arriving: bool = False
    """Whether what the destination commits next is the arrival."""
    carried: int = 0
    written: bool = False
    problems: list[str] = field(default_factory=list)
    rendered: dict[HostName, dict[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return str(self.tenant.name)

    @cached_property
    def address(self) -> str:
        """The destination's, which the source passes requests on to."""
        return ip_of(self.destination)

    def run(self) -> Moved:
        try:
            return self._run()
        except LaunchpadError as error:
            if self.stands_still:
                again = f"launchpad move {self.name} --to {self.destination.name}"
                told = f"{self.name} stands still: {again} goes on from here, and with --back it is called off"
                error.hint = f"{told} ({error.hint})" if error.hint else told
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
        with suppress(LaunchpadError):  # the next deploy tells it
            release = str((self.look(self.destination).record or {})["release"])
            tell_revision(self.workspace, self.name, release=release)
        return self._ended(outcome)

    def back(self) -> Outcome:
        home = ip_of(self.source)
        here, there = self.look(self.source), self.look(self.destination)
        if there.has_it and not here.has_it:
            raise StateError(
                f"{self.name} has arrived on {self.destination.name}",
                hint=f"launchpad move {self.name} --to {self.source.name} moves it, with what is new",
            )
        self._judge_left(here)
        where = {"to": str(self.source.name), "address": home}
        self.submit(self.destination, {"kind": "decline", "receipt": here.tombstone} | where)
        declined = self.look(self.destination).tombstone
        if declined is None:
            raise StateError(
                f"{self.destination.name} did not say that it will not start {self.name}", hint="try again"
            )
        return self._arrive(self.source, self.destination, declined, certified="")

    def back_fenced(self, proof: str) -> Outcome:
        judge_proof(self.name, proof, of=str(self.destination.name))
        home, here = ip_of(self.source), self.look(self.source)
        self._judge_left(here)
        try:
            self.look(self.destination)
        except HostError:
            pass
        else:
            raise StateError(
                f"{self.destination.name} answers: it is not gone",
                hint=f"launchpad move {self.name} --to {self.destination.name} --back",
            )
        assert here.tombstone is not None
        self._judge_version(here)  # the data is of that version
        receipt = dict(here.tombstone) | {
            "epoch": max(here.known + 1, int(self.workspace.clock.now())),  # above what the other can have heard of
            "to": str(self.source.name),
            "address": home,
            "generation": "",
            "at": self.workspace.clock.now(),
            "operation": "",
            "by": str(self.workspace.settings.operator),
            "fenced": True,
            "proof": proof,
        }
        return self._arrive(self.source, self.destination, receipt, certified="")

    def _judge_left(self, here: Whereabouts) -> None:
        """StateError unless it left the source for the destination."""
        if here.has_it:
            raise StateError(f"{self.name} has not left {self.source.name}", hint=f"launchpad status {self.name}")
        if not here.left_for(str(self.destination.name)):
            raise StateError(f"{self.name} did not leave {self.source.name} for {self.destination.name}")

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
                hint=f"launchpad deploy {self.name}",
            )
        if not here.left_for(str(self.destination.name)):
            raise StateError(
                f"{self.name} left {self.source.name} for {here.tombstone['to']}",
                hint=f"launchpad move {self.name} --to {here.tombstone['to']}",
            )
        if there.known > int(here.tombstone["epoch"]):
            raise StateError(
                f"{self.destination.name} wrote down that it will not take {self.name} in",
                hint=f"launchpad move {self.name} --to {self.destination.name} --back",
            )
        self._judge_version(here)
        self.stands_still = True
        if here.tombstone["generation"] not in there.ids:
            base = next((str(item["id"]) for item in here.generations if item["id"] in there.ids), "")
            self.carried = self._carry(here, str(here.tombstone["generation"]), base)
        certified = "" if there.waits else self._certificates()
        self.arriving = True
        arrived = self._arrive(self.destination, self.source, here.tombstone, certified=certified)
        self.stands_still = False
        if arrived.outcome == "incomplete":
            self.problems.append(f"{self.destination.name}: {arrived.message}; launchpad status {self.name}")

    def _judge_only_one(self) -> None:
        """Refuse to go on where an operator's hand brought the tenant to both hosts."""
        try:
            here = self.look(self.source)
        except HostError:
            return  # it is told later
        if here.has_it:
            raise StateError(
                f"{self.name} is deployed on {self.source.name} and on {self.destination.name}: no move did that",
                hint=f"launchpad retire {self.name} --host HOST, the one whose data is not wanted",
            )

    def _judge_version(self, here: Whereabouts) -> None:
        runs = str((here.record or {}).get("version", ""))
        if runs != str(self.tenant.version):
            raise StateError(
                f"{self.name}: {runs} runs, and the inventory says {self.tenant.version}",
                hint=f"launchpad upgrade {self.name}, or launchpad adopt {self.name}; then move it",
            )

    def _judge_descent(self, here: Whereabouts) -> None:
        """Refuse to arrive with the release of an inventory that does not know what runs, as a deploy is refused."""
        record = here.record or {}
        revision = str(record.get("revision") or "")
        if revision and revision not in self.workspace.revision(self.name).ancestors:
            shown = shown_revision(revision)
            raise StateError(
                f"{self.name}: {record.get('by', 'somebody')} deployed what runs from revision {shown}, which this "
                "inventory does not descend from",
                hint=f"git pull; where that revision is lost, first: launchpad deploy {self.name} --after {shown}",
            )

    def _prepare(self) -> None:
        """Have the destination ready, with its certificates and its site, where requests then wait for it. Without the
        certificates it is so only when it arrives."""
        certified = ""
        with suppress(LaunchpadError):  # they are asked for again
            certified = certificates(self.workspace, self.name, self.source)
        operation = self._deploy_operation(self.destination, "prepare")
        self.submit(self.destination, operation, secrets=lambda: _secret(certified))

    def _first_copy(self, here: Whereabouts, there: Whereabouts) -> None:
        """Most of the data, while it serves; a recent copy that is there already will do."""
        common = [item for item in here.generations if item["id"] in there.ids]
        if common and here.clock - float(common[0]["at"]) < FRESH_SECONDS:
            return
        # An older runner keeps what was asked for by a person, and knows of nothing else.
        copy = {"copy": True} if here.waits is not None else {}
        taken = self.submit(self.source, {"kind": "snapshot"} | copy)
        here = self.look(self.source)
        base = next((str(item["id"]) for item in here.generations if item["id"] in there.ids), "")
        self._carry(here, taken.id, base)

    def _carry(self, here: Whereabouts, generation: str, base: str) -> int:
        """Bring one generation over, or what differs from one that is there; how many bytes of files that were."""
        release = self._deploy_operation(self.destination, "deploy")["release"]
        what = Bringing.of(self.tenant, here, generation, disk_mb=int(release["disk_mb"]), base=base)
        self.tell(f"carrying its data from {self.source.name} to {self.destination.name}")
        with leaving(self.workspace, self.name, self.source, generation=generation, base=base) as archive:
            came = bring(self.workspace, self.destination, what, archive)
        if archive.told.get("unread"):
            first = ", ".join(archive.told["unreadable"][:3])
            raise StateError(
                f"{self.name}: {archive.told['unread']} files cannot be read by its own user, such as {first}",
                hint="give them back to it on the source, then try again",
            )
        self.tell(f"carried {came['files']} files, {came['bytes'] / 1e6:.1f} MB")
        return int(came["bytes"])

    def _certificates(self) -> str:
        """Its certificates, sealed no more; empty when there are none, and the authority issues new ones."""
        try:
            return certificates(self.workspace, self.name, self.source)
        except LaunchpadError as error:
            self.problems.append(f"its certificates stay behind, and new ones are issued: {error.message}")
            return ""

    def _arrive(self, at: Host, source: Host, receipt: Any, *, certified: str) -> Outcome:
        operation = self._deploy_operation(at, "arrive") | {"receipt": dict(receipt), "from": str(source.name)}
        reveal = revealing(self.workspace, self.tenant)
        return self.submit(at, operation, secrets=lambda: {**reveal(), **_secret(certified)})

    def _deploy_operation(self, at: Host, kind: str) -> dict[str, Any]:
        """The tenant's release as that host is to have it: the same one from the preparation to the arrival."""
        if at.name not in self.rendered:
            placed = self.tenant.model_copy(update={"host": at.name})
            fleet, inventory = self.workspace.fleet.load(), self.workspace.revision(self.name)
            self.rendered[at.name] = deploy_operation(self.workspace, fleet, placed, inventory=inventory)
        return self.rendered[at.name] | {"kind": kind}

    # --- behind the destination's commit

    def _write(self) -> None:
        """The tenant's host in the inventory, by compare and swap."""
        if self.written:
            return
        try:
            self.written = write_host(self.workspace, self.name, str(self.destination.name), str(self.source.name))
        except LaunchpadError as error:
            file = f"inventory/tenants/{self.name}.yaml"
            self.problems.append(f"{file} is as it was: {error.message}; write host: {self.destination.name}")

    def _pass_on(self) -> None:
        try:
            here = self.look(self.source)
            if here.record is None or here.record["retired"] or here.tombstone is None:
                return
            self.submit(self.source, {"kind": "forward", "epoch": int(here.tombstone["epoch"])})
        except LaunchpadError as error:
            again = f"launchpad move {self.name} --to {self.destination.name}"
            self.problems.append(f"{self.source.name} does not pass its requests on yet: {error.message}; {again}")

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
            identifier=new_identifier(self.workspace.clock.now()),
            operation={"tenant": self.name} | operation,
            secrets=secrets,
        )
        return submit(self.workspace, host, submission, on_event=self.hear)

    def hear(self, heard: HeardEvent) -> None:
        """Pass it on; note when requests stopped and went on, and write the inventory as soon as it is true."""
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
    """Certificates, as they travel: beside a request's secrets, and like them in no journal."""
    return {CERTIFICATES: {"version": 1, "value": certified}} if certified else {}


def write_host(workspace: Workspace, name: str, to: str, replaces: str) -> bool:
    """Write the tenant's host into its file; whether that was to do. StateError when the file says another one than
    `replaces`: somebody changed it meanwhile."""
    tenant = workspace.fleet.load().tenant(name)
    if str(tenant.host) == to:
        return False
    workspace.fleet.set_tenant_host(TenantName(name), HostName(to), replaces=HostName(replaces))
    return True
