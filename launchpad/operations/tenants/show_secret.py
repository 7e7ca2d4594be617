"""secret show: the value of a tenant's secret, after the tenant's host has recorded who reads it."""

from __future__ import annotations

from launchpad.errors import InventoryError
from launchpad.fleet.words.names import SecretName
from launchpad.fleet.words.secret import Secret
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.hint import Next
from launchpad.runner.wire.tenant_bodies import SecretShown
from launchpad.workspace import Workspace


def show_secret(workspace: Workspace, name: str, secret: str) -> tuple[SecretName, int, Secret]:
    """The secret's name, version and value. InventoryError when the tenant has no such secret, HostError when the host
    cannot record the reader."""
    fleet = workspace.fleet.load()
    tenant = fleet.tenant(name)
    found = next((item for item in workspace.secrets.reveal(tenant.name).items() if item[0] == secret), None)
    if found is None:
        raise InventoryError(
            f"{name} has no secret {secret}", code="no-such-secret-to-show", hint=Next("secret list", name)
        )
    key, (version, value) = found
    with hosts_of(workspace).reach(fleet.host(tenant.host)) as runner:
        ask(runner, SecretShown(tenant=str(tenant.name), secret=str(key)))
    return key, version, value
