"""kit test: whether the kit does what it is for, tried against everything, and nothing is changed by it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from launchpad.errors import LaunchpadError, StateError
from launchpad.fleet.keeping.workspace_files import replace_file
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.recovery import RECORD, RECOVERY
from launchpad.fleet.model.target import Target
from launchpad.fleet.words.names import TenantName
from launchpad.operations.backups.backup_keys import LOOK_SECONDS, as_sent, opened
from launchpad.operations.backups.kit_page import Contents
from launchpad.operations.backups.open_kit import workspace_at
from launchpad.operations.backups.repositories import HERE, WorkOptions, ask, task, with_key
from launchpad.operations.backups.reseal import owners
from launchpad.operations.requests.reaching import hosts_of
from launchpad.ssh.archive import sign
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

SETTINGS_NAMESPACE = "launchpad-settings"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """What the kit opened. Each text is empty where it went well, and says what is wrong otherwise."""

    recipient: str
    at: float
    by: str
    secrets: int
    """How many sealed values it opened."""
    sealed: Mapping[str, str]
    """Owner → why the kit does not open its secrets; only those."""
    places: Mapping[str, str]
    """Target → whether the workspace comes back from there."""
    backups: Mapping[str, str]
    """`TENANT at TARGET` → whether the kit opens that repository."""
    hosts: Mapping[str, str]
    """Host → whether it lets the kit in and takes its signature."""

    @property
    def problems(self) -> dict[str, str]:
        """What is wrong, by what it is wrong with."""
        all_ = {**self.sealed, **self.places, **self.backups, **self.hosts}
        return {name: text for name, text in all_.items() if text}

    @property
    def good(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"good": self.good}


def try_kit(workspace: Workspace, contents: Contents, *, how: WorkOptions = HERE) -> Tried:
    """Try everything with the kit's keys, which `workspace` was opened with, and write down in the workspace how it
    went. StateError when launchpad.yaml knows another kit."""
    fleet = workspace.fleet.load()
    known = fleet.defaults.recovery
    if known is None or known.recipient != contents.recipient:
        raise StateError(
            f"this kit is {contents.recipient}, and launchpad.yaml's recovery is {known.recipient if known else 'none'}"
        )
    count, sealed = _sealed(workspace)
    places = {str(place.target.name): place for place in contents.places}
    remote = [target for _, target in sorted(fleet.targets.items()) if target.kind != "local"]

    def whole(target: Target) -> None:
        if str(target.name) not in places:
            raise StateError(f"{target.name} is not on the kit's page", hint="make another kit")
        workspace_at(places[str(target.name)], contents, how=how)

    tried = Tried(
        recipient=str(contents.recipient),
        at=workspace.clock.now(),
        by=str(workspace.settings.operator),
        secrets=count,
        sealed=sealed,
        places={str(target.name): _said(whole, target) for target in remote},
        backups=_backups(workspace, fleet, how),
        hosts={
            name: said.message.removeprefix(f"{name}: ") if isinstance(said, LaunchpadError) else ""
            for name, said in fanout(
                sorted(map(str, fleet.hosts)),
                lambda name: _enter(workspace, fleet.host(name)),
                threads=workspace.settings.parallel,
            ).items()
        },
    )
    replace_file(workspace.root / RECORD, (json.dumps(tried.as_json(), indent=1, sort_keys=True) + "\n").encode())
    return tried


def _sealed(workspace: Workspace) -> tuple[int, dict[str, str]]:
    count, problems = 0, {}
    for owner, store, name in owners(workspace):
        try:
            count += len(store.reveal(name))
        except LaunchpadError as error:
            problems[owner] = error.message
    return count, problems


def _backups(workspace: Workspace, fleet: Fleet, how: WorkOptions) -> dict[str, str]:
    found = {}
    for name, tenant in sorted(fleet.tenants.items()):
        for target in fleet.backup_targets(tenant):
            how.progress(f"{name} at {target.name}")

            def look(target: Target, name: TenantName = name) -> None:
                if target.kind == "local":
                    _wrapped_on_host(workspace, fleet, name, target)
                    return
                told = with_key(workspace, target, task(workspace, target, str(name)), how)
                if not ask(target, told | {"do": "snapshots"}, how)["snapshots"]:
                    raise StateError(f"{target.name}: there is no backup of {name}")

            found[f"{name} at {target.name}"] = _said(look, target)
    return found


def _wrapped_on_host(workspace: Workspace, fleet: Fleet, name: TenantName, target: Target) -> None:
    """A folder on a host is read there: the key beside the repository comes from it and is opened here."""
    body = {"tenant": str(name), "targets": as_sent([target]), "secrets": {}, "wraps": True}
    with hosts_of(workspace).reach(fleet.host(fleet.tenants[name].host)) as runner:
        said = runner.ask("backups", body, seconds=LOOK_SECONDS)
    if not said["wraps"]:
        problem = said["problems"].get(str(target.name), f"there is no backup of {name}")
        raise StateError(f"{target.name}: {problem}")
    opened(workspace, str(name), said["wraps"])


def _enter(workspace: Workspace, host: Host) -> None:
    """Log in with the kit's SSH key alone, and have the host judge a signature of the kit's."""
    text = f"launchpad signer {secrets.token_hex(16)}"
    signature = sign(text.encode(), key=workspace.settings.signing_key, namespace=SETTINGS_NAMESPACE)
    with hosts_of(workspace).reach(host) as runner:
        runner.ask("hello", {})
        known = runner.ask("signer", {"text": text, "signature": signature, "signer": RECOVERY})["known"]
    if not known:
        raise StateError(f"{host.name} does not take the kit's signature", hint=f"launchpad provision {host.name}")


def _said(work: Callable[[Target], None], target: Target) -> str:
    try:
        work(target)
    except LaunchpadError as error:
        return error.message + (f" ({error.hint})" if error.hint else "")
    return ""
