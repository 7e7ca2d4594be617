"""target: whether hosts reach a place for backups, and what they could do to what lies there."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from launchpad.errors import StateError
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.target import Target
from launchpad.operations.backups.backup_keys import LOOK_SECONDS, as_sent
from launchpad.operations.requests.reaching import hosts_of
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What one host could do to a target with the credentials that hosts have."""

    target: str
    host: str
    promised: bool
    """Whether the inventory says that it is append-only."""
    reached: bool
    problem: str
    """Why it was not reached."""
    delete: str
    """`refused`, `done` or `untried`."""
    overwrite: str

    @property
    def append_only(self) -> str:
        """`enforced`, `not enforced`, or `unknown` where not everything could be tried."""
        if "done" in (self.delete, self.overwrite):
            return "not enforced"
        return "enforced" if (self.delete, self.overwrite) == ("refused", "refused") else "unknown"

    @property
    def good(self) -> bool:
        """Whether it is reached, and keeps what the inventory says of it."""
        return self.reached and not (self.promised and self.append_only == "not enforced")

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"append_only": self.append_only, "good": self.good}


def try_target(workspace: Workspace, name: str, *, host: str = "") -> Trial:
    """Have a host try: the one that is named, else the first whose tenants have their backups there."""
    fleet = workspace.fleet.load()
    target = fleet.target(name)
    where = fleet.host(host or _user(fleet, target))
    body = {"target": as_sent([target])[0]}
    with hosts_of(workspace).reach(where) as runner:
        said = runner.ask("target", body, seconds=LOOK_SECONDS)
    return Trial(
        target=str(target.name),
        host=str(where.name),
        promised=target.append_only,
        reached=bool(said["reached"]),
        problem=str(said["problem"]),
        delete=str(said["delete"]),
        overwrite=str(said["overwrite"]),
    )


def _user(fleet: Fleet, target: Target) -> str:
    for _, tenant in sorted(fleet.tenants.items()):
        if target in fleet.backup_targets(tenant):
            return str(tenant.host)
    if len(fleet.hosts) == 1:
        return str(next(iter(fleet.hosts)))
    raise StateError(
        f"no tenant has its backups at {target.name}, so which host is to try it?",
        hint=f"launchpad target show {target.name} --host HOST, one of {', '.join(fleet.hosts)}",
    )
