"""A workspace: the operator's folder, and what an operation needs of the world, passed in part by part.

Nothing here is global: a process may hold several workspaces, and threads may share one.
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
from launchpad.fleet.reading.inventory_files import ALERT_SECRETS, DNS_SECRETS, SECRETS, SETTINGS_FILE, TARGET_SECRETS
from launchpad.fleet.sealing.secret_store import FolderSecrets, SecretStore
from launchpad.journal.begun import BegunFolder
from launchpad.runner.protocol import Inventory
from launchpad.settings import Settings

SHIPPED_TEMPLATES = Path(__file__).parent / "templates"


class OperatorClock(Protocol):
    """The time."""

    def now(self) -> float:
        """Seconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Seconds that only go forward."""

    def sleep(self, seconds: float) -> None:
        """Return after that many seconds."""


class Runner(Protocol):
    """The runner of one host, as it is reached."""

    def exchange(
        self, verb: str, body: Mapping[str, Any], *, seconds: float | None = None, incoming: Iterable[bytes] = ()
    ) -> Iterator[dict[str, Any]]:
        """The lines that answer one request, as they come, the reply last; an error line is raised. `incoming` goes
        behind the request."""

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        """The body of the reply to one request."""


class Hosts(Protocol):
    """The way to the fleet's hosts."""

    def reach(self, host: Host) -> AbstractContextManager[Runner]:
        """The host's runner for as long as the context lasts; HostError when it cannot be reached."""


class Revision(Protocol):
    """Which state of the inventory this is."""

    def now(self, tenant: str = "") -> Inventory:
        """The revision of what is there now, for one tenant or for all, and what it descends from."""


class LocalClock:
    """This machine's."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class Workspace:
    """The parts, each replaceable by another that keeps the same promises."""

    root: Path
    settings: Settings
    fleet: FleetStore
    secrets: SecretStore
    revisions: Revision
    target_secrets: SecretStore
    """The credentials of targets."""
    dns_secrets: SecretStore
    """The credential of who keeps the names' records."""
    alert_secrets: SecretStore
    """The URLs of alert destinations."""
    templates: tuple[Path, ...]
    """Folders to look for templates in: the workspace's own first, then the shipped ones."""
    clock: OperatorClock
    hosts: Hosts | None = None
    begun: BegunFolder | None = None
    """What was asked for and not reported yet; None for a caller that keeps that itself."""

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
        """The workspace in a folder: the one given, else the one that the settings name, else the nearest upward from
        where we are. InventoryError when there is none. Reads no inventory yet. With `begun` it is noted what was
        asked for until its end is reported."""
        root = find_root(path or settings.workspace, start=Path.cwd())
        templates = (root / TEMPLATES, SHIPPED_TEMPLATES)
        fleet = FolderStore(root, templates=templates[1:])

        def secrets(folder: str) -> FolderSecrets:
            return FolderSecrets(
                root,
                recipients=lambda: kit_recipients(fleet.load().defaults),
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
            revisions=Revisions(root, environment=environment),
            templates=tuple(folder for folder in templates if folder.is_dir()),
            clock=LocalClock(),
            hosts=hosts,
            begun=BegunFolder(root) if begun else None,
        )

    def revision(self, tenant: str = "") -> Inventory:
        """The inventory's revision now, for one tenant or for all, and what it descends from."""
        return self.revisions.now(tenant)

    @property
    def state(self) -> Path:
        """The folder for what is this checkout's own, such as known_hosts; not in Git."""
        return self.root / STATE


def find_root(named: Path | None, *, start: Path) -> Path:
    """The folder with launchpad.yaml: exactly the one that was named, or the nearest from `start` upward."""
    if named is not None:
        root = named.expanduser().absolute()
        if not (root / SETTINGS_FILE).is_file():
            raise InventoryError(f"{root} is no workspace: it has no {SETTINGS_FILE}", hint=f"launchpad init {root}")
        return root.resolve()
    for folder in _upward(start.absolute()):
        if (folder / SETTINGS_FILE).is_file():
            return folder.resolve()
    raise InventoryError(
        f"no workspace: neither {start} nor a folder above it has a {SETTINGS_FILE}",
        hint="launchpad init FOLDER makes one; -w FOLDER names one that is there",
    )


def _upward(folder: Path) -> Sequence[Path]:
    return (folder, *folder.parents)
