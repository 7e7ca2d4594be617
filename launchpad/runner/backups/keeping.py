"""What a host keeps for a tenant's backups: the repository's key and the targets' credentials, sealed; the wrapped key;
and for each target what was sent and verified when.

tenants/<tenant>/backup/key.cred                the repository's key
                        key.age                 the same, wrapped for the operators and the recovery identity
                        key.for                 a digest of whom it is wrapped for; not there when that is unknown
                        source.cred             while another tenant's backup comes: its key and target's credentials
                        targets/<name>.cred     the target's credentials
                        targets/<name>.json     what was sent and verified
                        proven.json             which backup was booted last
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.backups.target import Target
from launchpad.runner.host import Host
from launchpad.runner.protocol import Refused

KEY = "REPOSITORY_KEY"
"""The name that the key travels under in a request's secrets."""
MOST_WRAP = 64 * 1024
ARMOR = "-----BEGIN AGE ENCRYPTED FILE-----"
DIGEST = re.compile(r"[0-9a-f]{16}")


def has_key(host: Host, tenant: str) -> bool:
    """Whether the host has the tenant's repository key."""
    return host.read(_key(tenant)) is not None and host.read(_wrap(tenant)) is not None


def wrap(host: Host, tenant: str) -> str:
    """The wrapped key; empty when there is none."""
    return (host.read(_wrap(tenant)) or b"").decode()


def keep_key(host: Host, tenant: str, *, key: str, wrapped: str, recipients: str) -> None:
    """Seal the tenant's key. Refused when the host has one already: what was sent with it could not be read again."""
    if has_key(host, tenant):
        raise Refused(f"{tenant}: its backups have a key already, and it is not replaced", kind="state")
    judge_wrap(tenant, wrapped, recipients)
    host.folder(paths.backup(tenant), mode=0o700)
    keep_wrap(host, tenant, wrapped=wrapped, recipients=recipients)
    host.seal(_key(tenant), f"{tenant}.backup-key", key.encode())


def judge_wrap(tenant: str, wrapped: str, recipients: str) -> None:
    """Refused unless it is a wrapped key and `recipients` a digest of whom it is for, or empty where nobody knows."""
    if not wrapped.startswith(ARMOR) or len(wrapped) > MOST_WRAP:
        raise Refused(f"{tenant}: its key is not wrapped")
    if recipients and DIGEST.fullmatch(recipients) is None:
        raise Refused(f"{tenant}: not a digest of recipients: {recipients[:40]!r}")


def keep_wrap(host: Host, tenant: str, *, wrapped: str, recipients: str) -> None:
    """The key is wrapped so from now on."""
    host.remove(wrapped_for(tenant))  # first, so that no wrap passes for a newer one
    host.write(_wrap(tenant), wrapped.encode(), mode=0o600)
    if recipients:
        host.write(wrapped_for(tenant), recipients.encode(), mode=0o600)


def wrapped_for(tenant: str) -> str:
    """The file that says whom the key is wrapped for."""
    return f"{paths.backup(tenant)}/key.for"


def keep_source(host: Host, tenant: str, source: str, secrets: Mapping[str, str]) -> None:
    """Seal what another tenant's backup is read with, until it is here: its target's credentials, its key under KEY."""
    host.folder(paths.backup(tenant), mode=0o700)
    host.seal(_source(tenant), f"{tenant}.source-{source}", json.dumps(secrets).encode())


def source(host: Host, tenant: str, name: str) -> dict[str, str]:
    """What `keep_source` sealed."""
    found: dict[str, str] = json.loads(host.unseal(_source(tenant), f"{tenant}.source-{name}"))
    return found


def drop_source(host: Host, tenant: str) -> None:
    """It is wanted no more."""
    host.remove(_source(tenant))


def keep_credentials(host: Host, tenant: str, target: Target, credentials: Mapping[str, str]) -> None:
    """Seal the target's credentials in the place of earlier ones."""
    host.folder(f"{paths.backup(tenant)}/targets", mode=0o700)
    host.seal(_credentials(tenant, target.name), _sealed_as(tenant, target.name), json.dumps(credentials).encode())


def repository(host: Host, tenant: str, target: Target, given: Mapping[str, str] | None = None) -> dict[str, Any]:
    """The tenant's repository on the target, as the sandbox is told of it; secrets are in it.

    `given` are the target's credentials when they came with the request, and under KEY the repository's key; otherwise
    the sealed ones are taken. Without a key at all, only what lies beside the repository can be read."""
    own = dict(given or {})
    key = own.pop(KEY, "")
    if not key and has_key(host, tenant):
        key = host.unseal(_key(tenant), f"{tenant}.backup-key").decode()
    sealed = _credentials(tenant, target.name)
    if given is None and target.remote and host.read(sealed) is not None:
        own = json.loads(host.unseal(sealed, _sealed_as(tenant, target.name)))
    return target.as_json() | {"password": key, "credentials": own}


def state(host: Host, tenant: str, target: str) -> dict[str, Any]:
    """What is known of the target: {"sent", "failed", "wrapped", "verified", "damaged"}, as far as there is any."""
    found: dict[str, Any] = json.loads(host.read(_state(tenant, target)) or b"{}")
    return found


def record(host: Host, tenant: str, target: str, **news: Any) -> None:
    """Write down what is new of the target."""
    told = state(host, tenant, target) | news
    host.folder(f"{paths.backup(tenant)}/targets", mode=0o700)
    host.write(_state(tenant, target), json.dumps(told, sort_keys=True, indent=1).encode(), mode=0o600)


def proof(tenant: str) -> str:
    """Which backup was booted last, and when: {"target", "snapshot", "at", "generation", "proven",
    "version", "operation"}."""
    return f"{paths.backup(tenant)}/proven.json"


def targets_of(host: Host, tenant: str) -> list[str]:
    """The targets that anything is known of."""
    names = host.names(f"{paths.backup(tenant)}/targets")
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def _source(tenant: str) -> str:
    return f"{paths.backup(tenant)}/source.cred"


def _key(tenant: str) -> str:
    return f"{paths.backup(tenant)}/key.cred"


def _wrap(tenant: str) -> str:
    return f"{paths.backup(tenant)}/key.age"


def _credentials(tenant: str, target: str) -> str:
    return f"{paths.backup(tenant)}/targets/{target}.cred"


def _state(tenant: str, target: str) -> str:
    return f"{paths.backup(tenant)}/targets/{target}.json"


def _sealed_as(tenant: str, target: str) -> str:
    """One tenant's cannot be passed off as another's, nor one target's."""
    return f"{tenant}.target-{target}"
