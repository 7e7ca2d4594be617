"""target: test whether hosts reach a backup target, and whether they can delete or overwrite files there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.target import Target
from launchpad.operations.backups.backup_keys import LOOK_SECONDS, as_sent
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import TryTarget
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one host could do at a target with the hosts' credentials."""

    target: str
    host: str
    promised: bool
    """Whether the target has append_only in the inventory."""
    reached: bool
    problem: str
    """Why the target was not reached; empty when it was."""
    delete: str
    """`refused`, `done` or `untried`."""
    overwrite: str

    @property
    def append_only(self) -> str:
        """`enforced`, `not enforced`, or `unknown` when a test was not possible."""
        if "done" in (self.delete, self.overwrite):
            return "not enforced"
        return "enforced" if (self.delete, self.overwrite) == ("refused", "refused") else "unknown"

    @property
    def good(self) -> bool:
        """Whether the target is reached, and enforces append-only access if the inventory has append_only."""
        return self.reached and not (self.promised and self.append_only == "not enforced")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"append_only": self.append_only, "good": self.good}


def try_target(workspace: Workspace, name: str, *, host: str = "") -> Trial:
    """Test the target from the named host, else from the first host whose tenants have their backups at the target."""
    fleet = workspace.fleet.load()
    target = fleet.target(name)
    where = fleet.host(host or _user(fleet, target))
    with hosts_of(workspace).reach(where) as runner:
        said = ask(runner, TryTarget(target=as_sent([target])[0]), seconds=LOOK_SECONDS)
    return Trial(
        target=str(target.name),
        host=str(where.name),
        promised=target.append_only,
        reached=said.reached,
        problem=said.problem,
        delete=said.delete,
        overwrite=said.overwrite,
    )


def _user(fleet: Fleet, target: Target) -> str:
    for _, tenant in sorted(fleet.tenants.items()):
        if target in fleet.backup_targets(tenant):
            return str(tenant.host)
    if len(fleet.hosts) == 1:
        return str(next(iter(fleet.hosts)))
    raise StateError(
        f"no tenant has its backups at {target.name}, so a host must be named",
        code="host-must-be-named-for-target",
        hint=Next("target show", target.name, "--host", "|".join(map(str, fleet.hosts))),
    )
