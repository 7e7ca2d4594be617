"""The host's own certificate and key for the shipping of logs: sealed, a file for each version of the authority.

They come with a provision that root or a signer requested, like the URLs of alert destinations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.judge.alert_texts import LOGS_CERTIFICATE
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import HostSettings, stored_settings
from launchpad.runner.shipping.log_collector import LogCollector

FOLDER = f"{paths.ETC}/logs"
SEALED_AS = "launchpad-logs"
MOST_BYTES = 8192


def certificate(host: Host, logs: LogCollector) -> bytes:
    """The key and the certificate in PEM form, in the clear."""
    return host.unseal(_path(logs), SEALED_AS)


def _path(logs: LogCollector) -> str:
    return f"{FOLDER}/host@{logs.version}.cred"


def missing(host: Host, settings: HostSettings) -> list[str]:
    """Whether the host lacks its certificate in the version that the settings name."""
    return [LOGS_CERTIFICATE] if settings.logs and host.read(_path(settings.logs)) is None else []


def seal(host: Host, settings: HostSettings, brought: Mapping[str, Any]) -> None:
    """Seal what came with accepted settings: {LOGS_CERTIFICATE: {"version", "value"}} or nothing. Refused, with nothing
    sealed, for anything that the settings do not name, and when the host would lack its certificate."""
    logs = settings.logs
    for item in brought.values():
        fits = isinstance(item, dict) and set(item) == {"version", "value"} and isinstance(item["value"], str)
        if logs is None or not fits or item["version"] != logs.version or not 0 < len(item["value"]) <= MOST_BYTES:
            raise Refused(
                f"secret {LOGS_CERTIFICATE}: not the certificate of this host for the collector in these settings"
            )
    if missing(host, settings) and not brought:
        hint = Next("provision", settings.identity.host)
        raise Refused(
            "the host's certificate for the collector did not come with the settings",
            code="log-certificate-missing",
            hint=hint,
        )
    for item in brought.values():
        assert logs is not None
        host.folder(FOLDER, mode=0o700)
        host.seal(_path(logs), SEALED_AS, item["value"].encode())
    before = stored_settings(host).settings
    kept = {_path(known.logs) for known in (settings, before) if known and known.logs}
    for name in host.names(FOLDER):
        if f"{FOLDER}/{name}" not in kept:  # of earlier settings
            host.remove(f"{FOLDER}/{name}")
