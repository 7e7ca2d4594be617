"""The credentials of the targets in the host's settings: sealed, one file for each set of versions.

Only a provision by root or by a signer brings credentials: an operator's SSH key alone can neither read nor replace
them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.backups.host_target import HostTarget
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Host
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import HostSettings, KnownTarget, stored_settings

FOLDER = f"{paths.ETC}/targets"
MOST_BYTES = 64 * 1024


def known(host: Host, name: str) -> KnownTarget:
    """The target in the host's settings. Refused when the settings have no target of that name."""
    settings = stored_settings(host).settings
    for item in settings.targets if settings else ():
        if item.target.name == name:
            return item
    raise Refused(
        f"this host's settings have no target {name[:60]}",
        code="target-unknown-on-host",
        kind="state",
        hint=_provision(host),
    )


def judge(host: Host, target: HostTarget) -> None:
    """Refused unless the target equals a target in the host's settings: a request cannot create a target."""
    if known(host, target.name).target != target:
        message = f"target {target.name} differs from the target of that name in this host's settings"
        raise Refused(message, code="target-differs-on-host", kind="state", hint=_provision(host))


def credentials(host: Host, name: str) -> dict[str, str]:
    """{NAME: value} in the clear; empty for a kind of target without credentials. Refused when credentials are
    missing."""
    item = known(host, name)
    if not item.credentials:
        if item.target.kind not in ("local", "rest"):
            message = f"target {name}: this host has no credentials for it"
            raise Refused(
                message,
                code="target-credentials-missing",
                kind="state",
                hint=Next("target credential", name) + "; " + _provision(host),
            )
        return {}
    found: dict[str, str] = json.loads(host.unseal(_path(item), _sealed_as(name)))
    return found


def missing(host: Host, settings: HostSettings) -> list[str]:
    """The targets whose credentials are missing on the host in the versions that the settings name."""
    return [item.target.name for item in settings.targets if item.credentials and host.read(_path(item)) is None]


def seal(host: Host, settings: HostSettings, brought: Mapping[str, Any]) -> None:
    """Seal the credentials that came with accepted settings: {"TARGET.NAME": {"version", "value"}}. Refused, with
    nothing sealed, for a credential that the settings do not name, or when one is missing."""
    wanted = {f"{item.target.name}.{name}": v for item in settings.targets for name, v in item.credentials.items()}
    for name, item in brought.items():
        fits = isinstance(item, dict) and set(item) == {"version", "value"} and isinstance(item["value"], str)
        if name not in wanted or not fits or item["version"] != wanted[name]:
            raise Refused(f"secret {name[:64]!r} is not a credential of a target in these settings")
        if not 0 < len(item["value"]) <= MOST_BYTES:
            raise Refused(f"secret {name[:64]!r} is empty, or larger than {MOST_BYTES} bytes")
    came = [item for item in settings.targets if item.credentials and _whole(item, brought)]
    left = [name for name in missing(host, settings) if name not in {item.target.name for item in came}]
    if left:
        raise Refused(
            f"target {left[0]}: its credentials are missing in the request",
            code="target-credentials-not-sent",
            hint=_provision(host),
        )
    for item in came:
        values = {name: brought[f"{item.target.name}.{name}"]["value"] for name in item.credentials}
        host.folder(FOLDER, mode=0o700)
        host.seal(_path(item), _sealed_as(item.target.name), json.dumps(values).encode())
    before = stored_settings(host).settings
    wanted_files = {_path(item) for kept in (settings, before) if kept for item in kept.targets if item.credentials}
    for name in host.names(FOLDER):
        if f"{FOLDER}/{name}" not in wanted_files:  # of earlier settings
            host.remove(f"{FOLDER}/{name}")


def _whole(item: KnownTarget, brought: Mapping[str, Any]) -> bool:
    return all(f"{item.target.name}.{name}" in brought for name in item.credentials)


def _path(item: KnownTarget) -> str:
    versions = ".".join(str(version) for _, version in sorted(item.credentials.items()))
    return f"{FOLDER}/{item.target.name}@{versions}.cred"


def _sealed_as(name: str) -> str:
    return f"target-{name}"


def _provision(host: Host) -> str:
    settings = stored_settings(host).settings
    return Next("provision", settings.identity.host if settings else HERE)
