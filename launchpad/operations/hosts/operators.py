"""operator: add and remove operators, and update every secret, host and backup key accordingly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from launchpad.errors import InventoryError, LaunchpadError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.fleet.model.fleet import Fleet, further_readers, readers, signers
from launchpad.fleet.model.host import Operator
from launchpad.fleet.model.readiness import protected
from launchpad.fleet.sealing.keys import public_half
from launchpad.fleet.words.references import Recipient
from launchpad.operations.backups.reseal import owners, reseal
from launchpad.operations.backups.rewrap import rewrap
from launchpad.operations.hosts.exposed import rotation
from launchpad.operations.hosts.host_settings import host_settings
from launchpad.operations.hosts.provision import CHANGES_SETTINGS, HowToProvision, provision
from launchpad.operations.requests.again import reported
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import ReadBackups
from launchpad.runner.wire.host_bodies import Plan
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

ACCESS = frozenset({CHANGES_SETTINGS, "change-access", "end-logins"})
"""The steps of a provision that make a host's access match launchpad.yaml."""


@dataclass(frozen=True, kw_only=True)
class Readable:
    """A secret that an operator could read, and the command that rotates the secret."""

    owner: str
    name: str
    rotate: str


@dataclass(frozen=True, kw_only=True)
class Followed:
    """The result of each part of a change of operators."""

    operator: str
    resealed: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Owner → the resealed secrets."""
    hosts: Mapping[str, str] = field(default_factory=dict)
    """Host → why its access differs from launchpad.yaml; empty when it matches."""
    rewrapped: Mapping[str, str] = field(default_factory=dict)
    """Tenant with backups → why the backups' key is still wrapped for the earlier readers; empty when it was
    rewrapped."""
    unsealed: Mapping[str, str] = field(default_factory=dict)
    """Owner → why the owner's secrets could not be resealed."""
    rotate: Sequence[Readable] = ()
    others: Sequence[Recipient] = ()
    """The recipients that belong to no operator in launchpad.yaml."""

    @property
    def complete(self) -> bool:
        return not any([*self.hosts.values(), *self.rewrapped.values(), *self.unsealed.values()])

    def as_json(self) -> dict[str, Any]:
        return {
            "operator": self.operator,
            "resealed": {owner: list(names) for owner, names in self.resealed.items()},
            "hosts": dict(self.hosts),
            "rewrapped": dict(self.rewrapped),
            "unsealed": dict(self.unsealed),
            "rotate": [vars(item) for item in self.rotate],
            "recipients": [*map(str, self.others)],
            "complete": self.complete,
        }


def add_operator(workspace: Workspace, operator: Operator, *, on_event: OnEvent = ignore) -> Followed:
    """Write the operator into launchpad.yaml, reseal every secret, provision the operators' access on every host, and
    rewrap the backups' keys. A second call does what is left. Failures are in the result. StateError when there is an
    operator of that name with other keys, or another operator with these keys."""
    workspace.fleet.add_operator(operator)
    return _followed(workspace, str(operator.name), on_event)


def remove_operator(workspace: Workspace, name: str, *, on_event: OnEvent = ignore) -> Followed:
    """Remove the operator from launchpad.yaml, and from every secret, host and backup key; list what the operator could
    read. StateError for yourself, and for the last operator who signs or reads."""
    fleet = workspace.fleet.load()
    operator = removable(workspace, fleet, name)
    could_read = tuple(_readable(workspace, fleet)) if operator.recipients else ()
    workspace.fleet.remove_operator(operator.name)
    return replace(_followed(workspace, name, on_event), rotate=could_read)


def access(workspace: Workspace) -> dict[str, str]:
    """Host → why its access differs from launchpad.yaml, or is unknown; empty when it matches."""
    fleet = workspace.fleet.load()

    def look(name: str) -> str:
        host = fleet.hosts[next(item for item in fleet.hosts if item == name)]
        settings = host_settings(workspace, fleet, host)
        with hosts_of(workspace).reach(host) as runner:
            steps = ask(runner, Plan(operation={"kind": "provision", "settings": settings})).steps
        if ACCESS & {step.step for step in steps}:
            return "settings or access differ from the inventory: " + Next("provision", name)
        return ""

    said = fanout(sorted(map(str, fleet.hosts)), look, threads=workspace.settings.parallel)
    return {name: _why(name, item) if isinstance(item, LaunchpadError) else item for name, item in said.items()}


def removable(workspace: Workspace, fleet: Fleet, name: str) -> Operator:
    """The operator of that name; InventoryError when there is none; StateError for an operator who cannot be removed:
    yourself, and the last operator who signs or reads."""
    operator = next((item for item in fleet.defaults.operators if item.name == name), None)
    if operator is None:
        hint = Next("operator list") + "; what a removed operator could read: " + Next("check")
        raise InventoryError(f"no operator {name} in launchpad.yaml", code="no-such-operator-in-settings", hint=hint)
    rest = fleet.defaults.model_copy(
        update={
            "operators": tuple(item for item in fleet.defaults.operators if item.name != operator.name),
            "recipients": tuple(item for item in fleet.defaults.recipients if item not in operator.recipients),
        }
    )
    if operator.name == _myself(workspace, fleet):
        raise StateError(
            f"you are {name}, and no operator can remove themselves: somebody must log in to the hosts afterwards",
            code="operator-removes-themselves",
            hint="another operator types: " + Next("operator remove", name),
        )
    people = {name for name, keys in signers(rest).items() if keys} - {"recovery"}
    if not people:
        raise StateError(
            f"without {name} nobody could sign a host's settings", code="last-signing-key", hint=Next("operator add")
        )
    if not readers(rest):
        raise StateError(
            f"without {name} nobody could read the secrets", code="last-recipient", hint=Next("operator add")
        )
    return operator


def _myself(workspace: Workspace, fleet: Fleet) -> str:
    """The operator with this machine's SSH key; without one, the operator with this login name, which two people may
    share."""
    try:
        own = public_half(workspace.settings.ssh_key) if workspace.settings.ssh_key else ""
    except StateError:
        own = ""
    key = " ".join(str(own).split()[:2])
    mine = (str(item.name) for item in fleet.defaults.operators if key in item.public)
    return next(mine, str(workspace.settings.operator))


def _readable(workspace: Workspace, fleet: Fleet) -> Iterator[Readable]:
    for owner, store, name in owners(workspace):
        try:
            versions = store.versions(name)
        except InventoryError:
            continue  # a file with mistakes is listed among the secrets that cannot be resealed
        for secret in versions:
            yield Readable(owner=owner, name=str(secret), rotate=rotation(fleet, owner, str(secret)))


def _followed(workspace: Workspace, name: str, on_event: OnEvent) -> Followed:
    sealed = reseal(workspace)
    fleet = workspace.fleet.load()
    how = HowToProvision(bare=False)
    on_host = partial(_provisioned, workspace, how=how, on_event=on_event)
    said = fanout(sorted(map(str, fleet.hosts)), on_host, threads=workspace.settings.parallel)
    hosts = {host: _why(host, item) if isinstance(item, LaunchpadError) else "" for host, item in said.items()}
    for host in fleet.hosts.values():  # hosts with operators of their own in hosts.yaml
        if not hosts[str(host.name)] and host.operators != fleet.defaults.operators:
            named = any(item.name == name for item in host.operators)
            hosts[str(host.name)] = (
                f"inventory/hosts.yaml still lists {name} as an operator of this host" if named else ""
            )
    wraps = {tenant: _rewrapped(workspace, fleet, tenant, hosts, on_event) for tenant in protected(fleet)}
    return Followed(
        operator=name,
        resealed=sealed.sealed,
        hosts=hosts,
        rewrapped=wraps,
        unsealed={owner: error.message for owner, error in sealed.failures.items()},
        others=further_readers(fleet.defaults),
    )


def _provisioned(workspace: Workspace, name: str, *, how: HowToProvision, on_event: OnEvent) -> None:
    reported(workspace, provision(workspace, name, how=how, on_event=on_event).id)


def _rewrapped(workspace: Workspace, fleet: Fleet, name: str, hosts: Mapping[str, str], on_event: OnEvent) -> str:
    host = fleet.host(fleet.tenant(name).host)
    then = Next("backups rewrap", name)
    if hosts[str(host.name)]:
        return "after " + Next("provision", host.name) + " has succeeded: " + then
    try:
        with hosts_of(workspace).reach(host) as runner:
            if not ask(runner, ReadBackups(tenant=name)).key:
                return ""
        behind = rewrap(workspace, name, on_event=on_event).behind
    except LaunchpadError as error:
        return f"{error.message}; then {then}"
    return f"{', '.join(behind)} get the rewrapped key with the next backup" if behind else ""


def _why(host: str, error: LaunchpadError) -> str:
    first = f"{error.hint}; " if isinstance(error, InventoryError) and error.hint else ""
    return f"{error.message.removeprefix(f'{host}: ')}; next: {first}launchpad provision {host}"
