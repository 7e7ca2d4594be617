"""reseal: seal every secret of the workspace for those whom launchpad.yaml names now: tenants', targets' and DNS's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from launchpad.errors import LaunchpadError
from launchpad.fleet.sealing.secret_store import SecretStore
from launchpad.fleet.words.names import Name
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Resealed:
    """Whose secrets are sealed anew, and whose could not be."""

    sealed: dict[str, list[str]]
    """Owner, such as `alice` or `target offsite` → the names of the secrets."""
    failures: dict[str, LaunchpadError]


def owners(workspace: Workspace) -> Iterator[tuple[str, SecretStore, Name]]:
    """Everybody who has sealed values in the workspace: what a person calls the owner, the store, the name in it."""
    for prefix, store in (
        ("", workspace.secrets),
        ("target ", workspace.target_secrets),
        ("dns ", workspace.dns_secrets),
    ):
        for name in store.owners():
            yield f"{prefix}{name}", store, name


def stale(workspace: Workspace) -> dict[str, list[str]]:
    """Owner → the names of the secrets that are not sealed for just those whom launchpad.yaml names now."""
    found = {owner: [str(item) for item in store.stale(name)] for owner, store, name in owners(workspace)}
    return {owner: names for owner, names in found.items() if names}


def reseal(workspace: Workspace, tenant: str = "") -> Resealed:
    """Seal the stale ones anew, of the tenant or of all; values and versions stay. An owner whose secrets this operator
    cannot open stops no other."""
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
