"""kit test: test the kit on every secret, target, backup and host, without a change."""

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
from launchpad.operations.backups.repositories import HERE, WorkOptions, stored_at, task, with_key
from launchpad.operations.backups.reseal import owners
from launchpad.operations.requests.asking import ask as ask_host
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.backup_bodies import ReadBackups
from launchpad.runner.wire.host_bodies import Hello, Signer
from launchpad.ssh.archive import sign
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace

SETTINGS_NAMESPACE = "launchpad-settings"


@dataclass(frozen=True, kw_only=True)
class Tried:
    """The results of the test. Each text is empty on success and otherwise describes the problem."""

    recipient: str
    at: float
    by: str
    secrets: int
    """The number of sealed values that the kit opened."""
    sealed: Mapping[str, str]
    """Owner → why the kit does not open the owner's secrets; only failures."""
    places: Mapping[str, str]
    """Target → the problem with the workspace's backup at the target."""
    backups: Mapping[str, str]
    """`TENANT at TARGET` → the problem with opening that repository."""
    hosts: Mapping[str, str]
    """Host → the problem with the kit's login or signature."""

    @property
    def problems(self) -> dict[str, str]:
        """Every problem, by its subject."""
        all_ = {**self.sealed, **self.places, **self.backups, **self.hosts}
        return {name: text for name, text in all_.items() if text}

    @property
    def good(self) -> bool:
        return not self.problems

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"good": self.good}


def try_kit(workspace: Workspace, contents: Contents, *, how: WorkOptions = HERE) -> Tried:
    """Test everything with the kit's keys, with which `workspace` was opened, and record the result in the workspace.
    StateError when launchpad.yaml has another kit."""
    fleet = workspace.fleet.load()
    known = fleet.defaults.recovery
    if known is None or known.recipient != contents.recipient:
        has = known.recipient if known else "none"
        text = f"this kit is {contents.recipient}, and launchpad.yaml's recovery is {has}"
        raise StateError(text, code="kit-of-other-recovery")
    count, sealed = _sealed(workspace)
    places = {str(place.target.name): place for place in contents.places}
    remote = [target for _, target in sorted(fleet.targets.items()) if target.kind != "local"]

    def whole(target: Target) -> None:
        if str(target.name) not in places:
            raise StateError(f"{target.name} is missing from the kit", code="kit-incomplete", hint="make another kit")
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
                if not stored_at(target, told, how):
                    raise StateError(f"{target.name}: no backup of {name}", code="kit-finds-no-backup")

            found[f"{name} at {target.name}"] = _said(look, target)
    return found


def _wrapped_on_host(workspace: Workspace, fleet: Fleet, name: TenantName, target: Target) -> None:
    """A target that is a folder on a host: the host sends the wrapped key beside the repository, and the kit opens the
    key on this machine."""
    asked = ReadBackups(tenant=str(name), targets=tuple(as_sent([target])), wraps=True)
    with hosts_of(workspace).reach(fleet.host(fleet.tenants[name].host)) as runner:
        said = ask_host(runner, asked, seconds=LOOK_SECONDS)
    if not said.wraps:
        problem = said.problems.get(str(target.name), f"no backup of {name}")
        raise StateError(f"{target.name}: {problem}", code="target-not-opened-by-kit")
    opened(workspace, str(name), said.wraps)


def _enter(workspace: Workspace, host: Host) -> None:
    """Log in with only the kit's SSH key, and let the host verify a signature of the kit."""
    text = f"launchpad signer {secrets.token_hex(16)}"
    signature = sign(text.encode(), key=workspace.settings.signing_key, namespace=SETTINGS_NAMESPACE)
    with hosts_of(workspace).reach(host) as runner:
        ask_host(runner, Hello())
        known = ask_host(runner, Signer(text=text, signature=signature, signer=RECOVERY)).known
    if not known:
        raise StateError(
            f"{host.name} rejects the kit's signature", code="rejects-kit-signature", hint=Next("provision", host.name)
        )


def _said(work: Callable[[Target], None], target: Target) -> str:
    try:
        work(target)
    except LaunchpadError as error:
        return error.message + (f" ({error.hint})" if error.hint else "")
    return ""
