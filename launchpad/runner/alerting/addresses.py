"""The URLs of the destinations that the host's settings name: sealed, a file a version.

They come with a provision that root or a signer asked for, as the credentials of backup targets do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.alerting.destination import Destination
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.judge.alert_texts import URL_PREFIX
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import HostSettings, stored_settings

FOLDER = f"{paths.ETC}/alerts"
MOST_BYTES = 4096


def url(host: Host, destination: Destination) -> str:
    """Its URL, in the clear: to be shown nowhere."""
    return host.unseal(_path(destination), _sealed_as(destination)).decode()


def missing(host: Host, settings: HostSettings) -> list[str]:
    """The destinations whose URL the host does not have in the version that the settings name."""
    return [item.name for item in settings.alerts if host.read(_path(item)) is None]


def seal(host: Host, settings: HostSettings, brought: Mapping[str, Any]) -> None:
    """Seal what came with settings that may come: {"alert:NAME": {"version", "value"}}. Refused, and nothing sealed,
    for anything that the settings do not name, and when the host would lack one."""
    wanted = {f"{URL_PREFIX}{item.name}": item for item in settings.alerts}
    for name, item in brought.items():
        fits = isinstance(item, dict) and set(item) == {"version", "value"} and isinstance(item["value"], str)
        if name not in wanted or not fits or item["version"] != wanted[name].version:
            raise Refused(f"secret {name[:64]!r} is no URL of an alert destination in these settings")
        if not 0 < len(item["value"]) <= MOST_BYTES or not item["value"].isprintable():
            raise Refused(f"secret {name[:64]!r} is not one line, or over {MOST_BYTES} bytes")
    left = [name for name in missing(host, settings) if f"{URL_PREFIX}{name}" not in brought]
    if left:
        hint = Next("provision", settings.identity.host)
        raise Refused(
            f"alert destination {left[0]}: its URL did not come with the settings", code="alert-url-missing", hint=hint
        )
    for name, item in brought.items():
        host.folder(FOLDER, mode=0o700)
        host.seal(_path(wanted[name]), _sealed_as(wanted[name]), item["value"].encode())
    before = stored_settings(host).settings
    kept = {_path(item) for known in (settings, before) if known for item in known.alerts}
    for name in host.names(FOLDER):
        if f"{FOLDER}/{name}" not in kept:  # of settings before the last ones
            host.remove(f"{FOLDER}/{name}")


def _path(destination: Destination) -> str:
    return f"{FOLDER}/{destination.name}@{destination.version}.cred"


def _sealed_as(destination: Destination) -> str:
    return f"alert-{destination.name}"
