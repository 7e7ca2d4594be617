"""A host's settings, from the inventory: pure except for one file that the inventory may name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from launchpad.errors import InventoryError, StateError
from launchpad.fleet.model.alert import URL, AlertDestination
from launchpad.fleet.model.fleet import Fleet, intent_signers, kit_recipients, signers
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.peers import others_after
from launchpad.fleet.model.recovery import RECOVERY
from launchpad.fleet.model.target import Target
from launchpad.fleet.sealing.keys import public_half
from launchpad.operations.backups.backup_keys import as_sent, credentials
from launchpad.operations.hosts.log_authority import host_certificate, known_authority
from launchpad.render.caddyfile import render_caddyfile
from launchpad.render.templates import TemplateSource
from launchpad.runner.hint import Next
from launchpad.runner.judge.alert_texts import LOGS_CERTIFICATE, URL_PREFIX
from launchpad.runner.judge.intent import FLEET
from launchpad.workspace import Workspace

NO_OPERATORS = "write your key under operators: in launchpad.yaml; to print your key: " + Next("key show")
NO_SIGNERS = "write your signing key under signing_keys: of your entry in launchpad.yaml; to print your key: " + Next(
    "key show"
)


def host_settings(workspace: Workspace, fleet: Fleet, host: Host, *, fleet_name: str = FLEET) -> dict[str, Any]:
    """The settings as JSON for the host's runner; InventoryError when a required value is missing."""
    if not host.operators:
        raise InventoryError(
            f"{host.name} has no operators, so nobody could log in again",
            code="no-operators",
            hint=NO_OPERATORS,
        )
    if not signers(fleet.defaults):
        raise InventoryError(
            "launchpad.yaml has no signing_keys, so the runner could never be updated",
            code="no-signing-keys",
            hint=NO_SIGNERS,
        )
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
        "intent_signers": [
            {"name": name, "keys": [_plain(key) for key in keys]}
            for name, keys in intent_signers(fleet.defaults, host).items()
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
        "alerts": [_alert(workspace, item) for item in fleet.defaults.alerts],
        "exporter": host.exporter,
        "peer": _peer(fleet, host),
        "logs": _logs(workspace, fleet, host),
    }


def host_credentials(workspace: Workspace, fleet: Fleet, host: str) -> dict[str, dict[str, Any]]:
    """The credentials that are sent with the settings, unsealed: {"TARGET.NAME": {"version", "value"}} for each target
    whose credentials are complete, {"alert:NAME": …} for each alert destination, and the host's certificate for the
    collector of logs."""
    whole = [fleet.targets[name] for name in sorted(fleet.targets) if _versions(workspace, fleet.targets[name])]
    urls = {}
    for item in fleet.defaults.alerts:
        version, value = workspace.alert_secrets.reveal(item.name)[URL]
        urls[f"{URL_PREFIX}{item.name}"] = {"version": version, "value": value.reveal()}
    if any(item.collector for item in fleet.hosts.values()):
        version, pem = host_certificate(workspace, host)
        urls[LOGS_CERTIFICATE] = {"version": version, "value": pem}
    return credentials(workspace, whole) | urls


def signer(workspace: Workspace) -> str:
    """The name of this operator's signing key on hosts."""
    own = str(public_half(workspace.settings.signing_key)).split()[:2]
    known = signers(workspace.fleet.load().defaults).items()
    mine = (name for name, keys in known if own in [str(key).split()[:2] for key in keys])
    return next(mine, str(workspace.settings.operator))


def _target(workspace: Workspace, target: Target) -> dict[str, Any]:
    (sent,) = as_sent([target])
    return {"target": sent, "credentials": _versions(workspace, target)}


def _alert(workspace: Workspace, item: AlertDestination) -> dict[str, Any]:
    """The alert destination without its URL, which is sent with the settings' secrets. StateError without a URL."""
    version = workspace.alert_secrets.versions(item.name).get(URL)
    if version is None:
        hint = Next("alerts credential", item.name)
        raise StateError(f"alert destination {item.name} has no URL", code="alert-destination-no-url", hint=hint)
    return item.model_dump(mode="json") | {"version": version}


def _peer(fleet: Fleet, host: Host) -> dict[str, str] | None:
    """The host that this host looks at; None for a host alone."""
    others = [fleet.host(name) for name in others_after(fleet.hosts, str(host.name))]
    if not others:
        return None
    witness = str(others[1].address) if others[1:] else ""
    return {"host": str(others[0].name), "address": str(others[0].address), "witness": witness}


def _logs(workspace: Workspace, fleet: Fleet, host: Host) -> dict[str, Any] | None:
    """The collector of logs; None for a fleet without one. StateError without its authority."""
    collector = next((item for item in fleet.hosts.values() if item.collector), None)
    if collector is None:
        return None
    version, authority = known_authority(workspace)
    return {
        "host": str(collector.name),
        "address": str(collector.address),
        "authority": authority,
        "version": version,
        "senders": sorted(str(item.address) for item in fleet.hosts.values()) if host.collector else [],
    }


def _versions(workspace: Workspace, target: Target) -> dict[str, int]:
    """The versions of the target's credentials; empty when there are none yet; StateError when some are missing."""
    kept = workspace.target_secrets.versions(target.name)
    found = {str(name): kept[name] for name in target.credentials if name in kept}
    for name in target.credentials:
        if found and name not in kept:
            hint = Next("target credential", target.name, name)
            raise StateError(f"target {target.name}: no {name}", code="target-credential-missing", hint=hint)
    return found


def _plain(key: object) -> str:
    """The key's type and base64, without the comment, because the host accepts few characters in a comment."""
    return " ".join(str(key).split()[:2])


def _pinned(host: Host) -> str:
    image = str(host.caddy.image)
    if "@sha256:" not in image:
        message = f"{host.name}: Caddy's image {image} has no digest"
        raise InventoryError(message, code="caddy-image-no-digest", hint=Next("app pin", "--caddy"))
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
        raise InventoryError(
            f"caddy.acme_ca_root: cannot read {named}: {error.strerror}", code="host-settings-acme-root-unreadable"
        ) from error
    except UnicodeDecodeError as error:
        raise InventoryError(
            f"caddy.acme_ca_root: {named} is not a PEM file",
            code="acme-root-not-pem",
            hint=f"openssl x509 -inform der -in {named} -out {named}.pem; then write {named}.pem as caddy.acme_ca_root",
        ) from error


def _templates(workspace: Workspace) -> TemplateSource:
    *own, shipped = workspace.templates
    return TemplateSource(workspace=own[0] if own else None, shipped=shipped)
