"""What a host is told to be, from the inventory: pure but for the one file that the inventory may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launchpad.errors import InventoryError
from launchpad.fleet.fleet import Fleet
from launchpad.fleet.host import Host
from launchpad.render import TemplateSource
from launchpad.render.caddyfile import render_caddyfile
from launchpad.workspace import Workspace

SIGNER = "fleet"
"""The name that the fleet's signing keys have on its hosts."""
NO_OPERATORS = "launchpad key show prints your key; write it into launchpad.yaml's operators"
NO_SIGNERS = "launchpad key show prints your signing key; write it into launchpad.yaml's signers"


def host_settings(workspace: Workspace, fleet: Fleet, host: Host, *, fleet_name: str = "fleet") -> dict[str, Any]:
    """The settings as the host's runner takes them (JSON); InventoryError when something that they need is missing."""
    if not host.operators:
        raise InventoryError(f"{host.name} has no operators, so nobody could reach it again", hint=NO_OPERATORS)
    if not fleet.defaults.signers:
        raise InventoryError("launchpad.yaml has no signers, so no runner could ever be replaced", hint=NO_SIGNERS)
    return {
        "format": "1",
        "identity": {"host": str(host.name), "fleet": fleet_name},
        "operators": [
            {"name": str(person.name), "keys": [_plain(key) for key in person.keys]} for person in host.operators
        ],
        "allowed_signers": [{"name": SIGNER, "keys": [_plain(key) for key in fleet.defaults.signers]}],
        "caddy": {
            "image": _pinned(host),
            "caddyfile": render_caddyfile(host, templates=_templates(workspace)),
            "acme_root": _acme_root(workspace.root, host),
        },
        "storage": _storage(host),
        "ssh": {"port": host.port, "root_login": False},
        "recipients": sorted(map(str, fleet.defaults.recipients)),
    }


def _plain(key: object) -> str:
    """Type and key; a comment is a person's own affair, and the host takes few characters in one."""
    return " ".join(str(key).split()[:2])


def _pinned(host: Host) -> str:
    image = str(host.caddy.image)
    if "@sha256:" not in image:
        message = f"{host.name}: Caddy's image {image} is not pinned by its digest"
        raise InventoryError(message, hint="launchpad app pin --caddy")
    return image


def _storage(host: Host) -> dict[str, Any]:
    assert host.storage is not None
    if host.storage.device is not None:
        return {"loop_mb": 0, "device": str(host.storage.device)}
    assert host.storage.loop is not None
    return {"loop_mb": host.storage.loop.mb, "device": ""}


def _acme_root(root: Path, host: Host) -> str:
    named = host.caddy.acme_ca_root
    if named is None:
        return ""
    try:
        return (root / str(named)).read_text()
    except OSError as error:
        raise InventoryError(f"caddy.acme_ca_root: cannot read {named}: {error.strerror}") from error


def _templates(workspace: Workspace) -> TemplateSource:
    *own, shipped = workspace.templates
    return TemplateSource(workspace=own[0] if own else None, shipped=shipped)
