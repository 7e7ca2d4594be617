"""What a host is told to be, from the inventory: pure but for the one file that the inventory may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.model.fleet import Fleet, kit_recipients, signers
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.recovery import RECOVERY
from launchpad.fleet.model.target import Target
from launchpad.fleet.sealing.keys import public_half
from launchpad.operations.backups.backup_keys import as_sent, credentials
from launchpad.render.caddyfile import render_caddyfile
from launchpad.render.templates import TemplateSource
from launchpad.workspace import Workspace

NO_OPERATORS = "launchpad key show prints your key; write it into launchpad.yaml's operators"
NO_SIGNERS = "launchpad key show prints your signing key; write it under signing_keys: of yours in launchpad.yaml"


def host_settings(workspace: Workspace, fleet: Fleet, host: Host, *, fleet_name: str = "fleet") -> dict[str, Any]:
    """The settings as the host's runner takes them (JSON); InventoryError when something that they need is missing."""
    if not host.operators:
        raise InventoryError(f"{host.name} has no operators, so nobody could reach it again", hint=NO_OPERATORS)
    if not signers(fleet.defaults):
        raise InventoryError("launchpad.yaml has no signing_keys, so no runner could ever be replaced", hint=NO_SIGNERS)
    recovery = [fleet.defaults.recovery] if fleet.defaults.recovery else []
    return {
        "format": "1",
        "identity": {"host": str(host.name), "fleet": fleet_name},
        "operators": [
            *({"name": str(person.name), "keys": [_plain(key) for key in person.keys]} for person in host.operators),
            *({"name": RECOVERY, "keys": [_plain(item.ssh_key)]} for item in recovery),
        ],
        "allowed_signers": [
            {"name": name, "keys": [_plain(key) for key in keys]} for name, keys in signers(fleet.defaults).items()
        ],
        "caddy": {
            "image": _pinned(host),
            "caddyfile": render_caddyfile(host, templates=_templates(workspace)),
            "acme_root": _acme_root(workspace.root, host),
        },
        "storage": _storage(host),
        "ssh": {"port": host.port, "root_login": False},
        "admins": sorted(map(str, host.admins)),
        "recipients": sorted(map(str, kit_recipients(fleet.defaults))),
        "targets": [_target(workspace, fleet.targets[name]) for name in sorted(fleet.targets)],
    }


def target_credentials(workspace: Workspace, fleet: Fleet) -> dict[str, dict[str, Any]]:
    """What travels beside the settings: {"TARGET.NAME": {"version", "value"}} in the clear, of each target whose
    credentials are all there."""
    whole = [fleet.targets[name] for name in sorted(fleet.targets) if _versions(workspace, fleet.targets[name])]
    return credentials(workspace, whole)


def signer(workspace: Workspace) -> str:
    """The name under which hosts know this operator's signing key."""
    own = str(public_half(workspace.settings.signing_key)).split()[:2]
    known = signers(workspace.fleet.load().defaults).items()
    mine = (name for name, keys in known if own in [str(key).split()[:2] for key in keys])
    return next(mine, str(workspace.settings.operator))


def _target(workspace: Workspace, target: Target) -> dict[str, Any]:
    (sent,) = as_sent([target])
    return {"target": sent, "credentials": _versions(workspace, target)}


def _versions(workspace: Workspace, target: Target) -> dict[str, int]:
    """Of the target's credentials, none when there is none yet; StateError when only some are there."""
    kept = workspace.target_secrets.versions(target.name)
    found = {str(name): kept[name] for name in target.credentials if name in kept}
    for name in target.credentials:
        if found and name not in kept:
            hint = f"launchpad target credential {target.name} {name}"
            raise StateError(f"target {target.name}: no {name}", hint=hint)
    return found


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
        return (root / str(named)).read_text(encoding="utf-8")
    except OSError as error:
        raise InventoryError(f"caddy.acme_ca_root: cannot read {named}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise InventoryError(
            f"caddy.acme_ca_root: {named} is not a PEM file",
            hint=f"openssl x509 -inform der -in {named} -out {named}.pem; then name {named}.pem in its place",
        ) from error


def _templates(workspace: Workspace) -> TemplateSource:
    *own, shipped = workspace.templates
    return TemplateSource(workspace=own[0] if own else None, shipped=shipped)
