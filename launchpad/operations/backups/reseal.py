"""reseal: reseal every secret of the workspace (of tenants, targets, DNS, alerts, logs) for the present recipients in
launchpad.yaml."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from launchpad.errors import LaunchpadError
from launchpad.fleet.sealing.secret_store import SecretStore
from launchpad.fleet.words.names import Name
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Resealed:
    """The owners whose secrets were resealed, and the failures."""

    sealed: dict[str, list[str]]
    """Owner, such as `alice` or `target offsite` → the names of the secrets."""
    failures: dict[str, LaunchpadError]


def owners(workspace: Workspace) -> Iterator[tuple[str, SecretStore, Name]]:
    """Every owner of sealed values in the workspace: the owner's name for people, the store, and the name in the
    store."""
    for prefix, store in (
        ("", workspace.secrets),
        ("target ", workspace.target_secrets),
        ("dns ", workspace.dns_secrets),
        ("alert ", workspace.alert_secrets),
        ("logs ", workspace.log_secrets),
    ):
        for name in store.owners():
            yield f"{prefix}{name}", store, name


def stale(workspace: Workspace) -> dict[str, list[str]]:
    """Owner → the names of the secrets whose recipients differ from launchpad.yaml."""
    found = {owner: [str(item) for item in store.stale(name)] for owner, store, name in owners(workspace)}
    return {owner: names for owner, names in found.items() if names}


def reseal(workspace: Workspace, tenant: str = "") -> Resealed:
    """Reseal the stale secrets of the tenant or of all owners; values and versions stay. A failure for one owner does
    not stop the others."""
    sealed: dict[str, list[str]] = {}
    failures: dict[str, LaunchpadError] = {}
    for owner, store, name in owners(workspace):
        if tenant and owner != tenant:
            continue
        try:
            names = [str(item) for item in store.reseal(name)]
        except LaunchpadError as error:
            failures[owner] = error
            continue
        if names:
            sealed[owner] = names
    return Resealed(sealed=sealed, failures=failures)
