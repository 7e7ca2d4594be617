"""A workspace: the operator's folder, and the parts that an operation needs (fleet, secrets, clock, hosts).

Nothing is global: a process may have several workspaces, and threads may share a workspace.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from launchpad.errors import InventoryError
from launchpad.fleet.keeping.revision import TEMPLATES, Revisions
from launchpad.fleet.keeping.store import FleetStore, FolderStore
from launchpad.fleet.keeping.workspace_files import STATE
from launchpad.fleet.model.fleet import kit_recipients
from launchpad.fleet.model.host import Host
from launchpad.fleet.reading.inventory_files import (
    ALERT_SECRETS,
    DNS_SECRETS,
    LOG_SECRETS,
    SECRETS,
    SETTINGS_FILE,
    TARGET_SECRETS,
    FileMemory,
)
from launchpad.fleet.sealing.secret_store import FolderSecrets, SecretStore
from launchpad.journal.begun import BegunFolder
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Inventory
from launchpad.settings import Settings

SHIPPED_TEMPLATES = Path(__file__).parent / "templates"


class OperatorClock(Protocol):
    """The time."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Monotonic seconds."""

    def sleep(self, seconds: float) -> None:
        """Sleep for that many seconds."""


class Runner(Protocol):
    """The connection to the runner of one host."""

    @property
    def name(self) -> str:
        """The host's name in the fleet."""

    def exchange(
        self, verb: str, body: Mapping[str, Any], *, seconds: float | None = None, incoming: Iterable[bytes] = ()
    ) -> Iterator[dict[str, Any]]:
        """Send one request and yield the answer's lines as they arrive, the reply last; an error line is raised.
        `incoming` is sent after the request."""

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        """Send one request and return the reply's body."""


class Hosts(Protocol):
    """The connections to the fleet's hosts."""

    def reach(self, host: Host) -> AbstractContextManager[Runner]:
        """Connect to the host's runner for the duration of the context; HostError when the host is unreachable."""


class Revision(Protocol):
    """The revision of the inventory."""

    def now(self, tenant: str = "") -> Inventory:
        """The present revision, for one tenant or for all, and its newest ancestors."""

    def descends(self, now: str, earlier: str, *, tenant: str = "") -> bool:
        """Whether the revision `now` descends from the earlier revision, which `now()` may not list."""


class LocalClock:
    """This machine's clock."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The parts of a workspace, each replaceable by another with the same interface."""

    root: Path
    settings: Settings
    fleet: FleetStore
    secrets: SecretStore
    revisions: Revision
    target_secrets: SecretStore
    """The credentials of backup targets."""
    dns_secrets: SecretStore
    """The credential of the DNS provider."""
    alert_secrets: SecretStore
    """The URLs of alert destinations."""
    log_secrets: SecretStore
    """The authority of the hosts' certificates for the collector of logs."""
    templates: tuple[Path, ...]
    """The template folders: the workspace's own first, then the shipped ones."""
    clock: OperatorClock
    hosts: Hosts | None = None
    begun: BegunFolder | None = None
    """The record of unreported operations; None for a caller with a record of its own."""

    @classmethod
    def open(
        cls,
        path: Path | None = None,
        *,
        settings: Settings,
        environment: Mapping[str, str],
        hosts: Hosts | None = None,
        begun: bool = False,
    ) -> Workspace:
        """Open the workspace in a folder: the given folder, else the folder in the settings, else the nearest parent of
        the current folder with a launchpad.yaml. InventoryError when there is none. The inventory is not read yet. With
        `begun`, operations are recorded until their outcome is reported."""
        root = find_root(path or settings.workspace, start=Path.cwd())
        templates = (root / TEMPLATES, SHIPPED_TEMPLATES)
        memory = FileMemory()
        fleet = FolderStore(root, templates=templates[1:], memory=memory)

        def secrets(folder: str) -> FolderSecrets:
            return FolderSecrets(
                root,
                recipients=lambda: kit_recipients(fleet.defaults()),
                identity=settings.identity,
                folder=folder,
            )

        return cls(
            root=root,
            settings=settings,
            fleet=fleet,
            secrets=secrets(SECRETS),
            target_secrets=secrets(TARGET_SECRETS),
            dns_secrets=secrets(DNS_SECRETS),
            alert_secrets=secrets(ALERT_SECRETS),
            log_secrets=secrets(LOG_SECRETS),
            revisions=Revisions(root, environment=environment, memory=memory),
            templates=tuple(folder for folder in templates if folder.is_dir()),
            clock=LocalClock(),
            hosts=hosts,
            begun=BegunFolder(root) if begun else None,
        )

    def revision(self, tenant: str = "") -> Inventory:
        """The inventory's present revision, for one tenant or for all, and its ancestors."""
        return self.revisions.now(tenant)

    def includes(self, revision: str, tenant: str) -> bool:
        """Whether the tenant's present inventory descends from the revision."""
        now = self.revision(tenant)
        return revision in now.ancestors or self.revisions.descends(now.revision, revision, tenant=tenant)

    @property
    def state(self) -> Path:
        """The folder for this checkout's own state, such as known_hosts; not in Git."""
        return self.root / STATE


def find_root(named: Path | None, *, start: Path) -> Path:
    """Find the folder with launchpad.yaml: exactly the named folder, or the nearest one from `start` upward."""
    if named is not None:
        root = named.expanduser().absolute()
        if not (root / SETTINGS_FILE).is_file():
            why, new = f"the folder has no {SETTINGS_FILE}", root / "fleet"
            if not root.is_dir():
                why, new = (
                    ("it is a file", root.parent / "fleet") if root.exists() else ("there is no such folder", root)
                )
            hint = f"name the folder of your {SETTINGS_FILE}; a new one: " + Next("init", new)
            raise InventoryError(f"{root} is no workspace: {why}", code="not-a-workspace", hint=hint)
        return root.resolve()
    for folder in _upward(start.absolute()):
        if (folder / SETTINGS_FILE).is_file():
            return folder.resolve()
    raise InventoryError(
        f"no workspace: neither {start} nor a folder above it has a {SETTINGS_FILE}",
        code="no-workspace-found",
        hint="make a workspace: " + Next("init", "FOLDER") + "; or name an existing one: -w FOLDER",
    )


def _upward(folder: Path) -> Sequence[Path]:
    return (folder, *folder.parents)
