"""What a host keeps for a tenant's backups: the repository's key, sealed and wrapped, and for each target the last
backup and verification. The credentials of targets belong to the host: `credentials.py`.

tenants/<tenant>/backup/key.cred                the repository's key
                        key.age                 the same, wrapped for the recipients of the host's settings
                        key.for                 a digest of those recipients
                        source.cred             another tenant's key, while its backup is fetched
                        targets/<name>.json     what was sent and verified
                        proven.json             the backup that was booted last
"""

from __future__ import annotations

import base64
import json
import textwrap
from collections.abc import Iterable
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.backups.credentials import credentials
from launchpad.runner.backups.host_target import HostTarget
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Confined, Host
from launchpad.runner.protocol import Refused, digest_of
from launchpad.runner.provision.settings_record import stored_settings

KEY = "REPOSITORY_KEY"
"""The key's name among a request's secrets."""
MOST_KEY = 1024
ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"
END_OF_ARMOR = "-----END AGE ENCRYPTED FILE-----"
NOBODYS = 0
"""A slot that no tenant has."""
WRAP_SECONDS = 60
NO_RECIPIENTS = Next("provision", HERE) + ", whose launchpad.yaml has recipients"


def has_key(host: Host, tenant: str) -> bool:
    """Whether the host has the tenant's repository key."""
    return host.read(_key(tenant)) is not None and host.read(_wrap(tenant)) is not None


def wrap(host: Host, tenant: str) -> str:
    """The wrapped key; empty when there is none."""
    return (host.read(_wrap(tenant)) or b"").decode()


def keep_key(host: Host, tenant: str, key: str) -> None:
    """Seal the tenant's key, and wrap it. Refused when the host already has a key: backups made with that key would be
    lost."""
    if has_key(host, tenant):
        raise Refused(
            f"{tenant}: its backups already have a key, which is never replaced", code="backup-key-exists", kind="state"
        )
    host.folder(paths.backup(tenant), mode=0o700)
    keep_wrap(host, tenant, wrapped=wrapped(host, tenant, key), recipients=digest_of_recipients(recipients(host)))
    host.seal(_key(tenant), f"{tenant}.backup-key", key.encode())


def wrapped(host: Host, tenant: str, key: str = "") -> str:
    """The key, encrypted so that only the recipients of the host's settings can open it. Default: the host's own
    key."""
    key = key or host.unseal(_key(tenant), f"{tenant}.backup-key").decode()
    task = {"do": "encrypt", "uid": slots.host_uid(NOBODYS), "recipients": recipients(host), "text": key}
    asked = Confined(unit=f"launchpad-wrap-{tenant}", task=task, seconds=WRAP_SECONDS)
    said = b"".join(base64.b64decode(line["data"]) for line in host.streamed(asked) if "data" in line)
    return "\n".join([ARMOR, *textwrap.wrap(base64.b64encode(said).decode(), 64), END_OF_ARMOR, ""])


def recipients(host: Host) -> list[str]:
    """The recipients for data that leaves the host. Refused when the host's settings name none."""
    settings = stored_settings(host).settings
    if settings is None or not settings.recipients:
        message = "this host has no recipients to encrypt data for, so no data may leave the host"
        raise Refused(message, code="no-recipients", kind="state", hint=NO_RECIPIENTS)
    return list(settings.recipients)


def digest_of_recipients(recipients: Iterable[str]) -> str:
    """16 hex digits that name a set of recipients; the operator's side computes the same."""
    return digest_of("\n".join(sorted(set(recipients))).encode()).removeprefix("sha256:")[:16]


def keep_wrap(host: Host, tenant: str, *, wrapped: str, recipients: str) -> None:
    """Store the newly wrapped key."""
    host.remove(wrapped_for(tenant))  # first: an old wrapped key must never count as a new one
    host.write(_wrap(tenant), wrapped.encode(), mode=0o600)
    if recipients:
        host.write(wrapped_for(tenant), recipients.encode(), mode=0o600)


def wrapped_for(tenant: str) -> str:
    """The file with the digest of the recipients that the key is wrapped for."""
    return f"{paths.backup(tenant)}/key.for"


def keep_source(host: Host, tenant: str, source: str, key: str) -> None:
    """Seal the key of another tenant's backup until the backup is fetched."""
    host.folder(paths.backup(tenant), mode=0o700)
    host.seal(paths.source(tenant), f"{tenant}.source-{source}", key.encode())


def source(host: Host, tenant: str, name: str) -> str:
    """The key that `keep_source` sealed."""
    return host.unseal(paths.source(tenant), f"{tenant}.source-{name}").decode()


def drop_source(host: Host, tenant: str) -> None:
    """Remove the key that `keep_source` sealed."""
    host.remove(paths.source(tenant))


def repository(host: Host, tenant: str, target: HostTarget, key: str = "") -> dict[str, Any]:
    """The tenant's repository on the target, as a part of a sandbox task; contains secrets. Without any key, only the
    wrapped keys beside the repository can be read."""
    if not key and has_key(host, tenant):
        key = host.unseal(_key(tenant), f"{tenant}.backup-key").decode()
    return target.as_json() | {"password": key, "credentials": credentials(host, target.name)}


def state(host: Host, tenant: str, target: str) -> dict[str, Any]:
    """The known state of the target: {"sent", "failed", "wrapped", "verified", "damaged"}, without unknown keys."""
    found: dict[str, Any] = json.loads(host.read(_state(tenant, target)) or b"{}")
    return found


def record(host: Host, tenant: str, target: str, **news: Any) -> None:
    """Update the recorded state of the target."""
    told = state(host, tenant, target) | news
    host.folder(f"{paths.backup(tenant)}/targets", mode=0o700)
    host.write(_state(tenant, target), json.dumps(told, sort_keys=True, indent=1).encode(), mode=0o600)


def proof(tenant: str) -> str:
    """The file about the backup that was booted last: {"target", "snapshot", "at", "generation", "proven", "version",
    "operation"}."""
    return f"{paths.backup(tenant)}/proven.json"


def targets_of(host: Host, tenant: str) -> list[str]:
    """The targets with a recorded state."""
    names = host.names(f"{paths.backup(tenant)}/targets")
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def _key(tenant: str) -> str:
    return f"{paths.backup(tenant)}/key.cred"


def _wrap(tenant: str) -> str:
    return f"{paths.backup(tenant)}/key.age"


def _state(tenant: str, target: str) -> str:
    return f"{paths.backup(tenant)}/targets/{target}.json"
