"""Every secret that the host holds, so that a bundle can be refused in which one of them stands."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from launchpad.runner import paths
from launchpad.runner.host import Failed, Host
from launchpad.runner.record import Record

_AT_ONCE = 4
_SSH = "/etc/ssh"
_DEEPEST = 7
"""Folders below Caddy's data: its keys lie in the fifth and the sixth."""


class KnownSecrets(Record):
    """Name → values, never shown; the names of those that could not be read."""

    values: dict[str, list[str]]
    unread: tuple[str, ...]

    def __repr__(self) -> str:
        return f"KnownSecrets({len(self.values)})"


def known_secrets_of(host: Host, *, sealed: bool = True) -> KnownSecrets:
    """The tenants' secrets in use and at rest, the keys of their backups, the credentials of targets, the host's own
    keys and Caddy's. Without the sealed ones it takes no program, and only what is in use is known."""
    values: dict[str, list[str]] = {}
    unread: list[str] = []
    for name, value in _in_use(host):
        values.setdefault(name, []).append(value)
    for name, path in _keys(host):
        values.setdefault(name, []).append((host.read(path) or b"").decode(errors="replace"))
    if sealed:
        wanted = [item for item in _at_rest(host) if item[0] not in values]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for (name, _, _), found in zip(wanted, pool.map(lambda item: _opened(host, *item), wanted), strict=True):
                if found is None:
                    unread.append(name)
                else:
                    values.setdefault(name, []).extend(found)
    return KnownSecrets(values=values, unread=tuple(unread))


def _in_use(host: Host) -> Iterator[tuple[str, str]]:
    """Those in tmpfs; named with their version where the release says it."""
    for tenant in host.names(paths.TENANTS):
        for release in host.names(f"{paths.RUN}/{tenant}"):
            versions = _versions(host, tenant, release)
            for name in host.names(f"{paths.RUN}/{tenant}/{release}"):
                data = host.read(f"{paths.RUN}/{tenant}/{release}/{name}") or b""
                version = f"@{versions[name]}" if name in versions else f" of {release}"
                yield f"{tenant}/{name}{version}", data.decode(errors="replace")


def _versions(host: Host, tenant: str, release: str) -> dict[str, int]:
    try:
        found = json.loads(host.read(f"{paths.release(tenant, release)}/release.json") or b"{}").get("secrets")
    except (ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def _at_rest(host: Host) -> Iterator[tuple[str, str, str]]:
    """(name, path, the name that it was sealed under)."""
    for tenant in host.names(paths.TENANTS):
        for file in host.names(paths.vault(tenant)):
            if file.endswith(".cred"):
                name = file.removesuffix(".cred")
                yield f"{tenant}/{name}", f"{paths.vault(tenant)}/{file}", _sealed_as(tenant, name)
        key = f"{paths.backup(tenant)}/key.cred"
        if host.read(key) is not None:
            yield f"{tenant}/the key of its backups", key, f"{tenant}.backup-key"
    folder = f"{paths.ETC}/targets"
    for file in host.names(folder):
        if file.endswith(".cred"):
            target = file.partition("@")[0]
            yield f"target {target}", f"{folder}/{file}", f"target-{target}"


def _sealed_as(tenant: str, name: str) -> str:
    from launchpad.runner.cell import sealed_as

    secret, _, version = name.rpartition("@")
    return sealed_as(tenant, secret, int(version)) if version.isdigit() else name


def _opened(host: Host, name: str, path: str, sealed_as: str) -> list[str] | None:
    try:
        value = host.unseal(path, sealed_as).decode(errors="replace")
    except Failed:
        return None
    if not name.startswith("target "):
        return [value]
    try:
        return [str(item) for item in json.loads(value).values()]
    except (ValueError, AttributeError):
        return [value]


def _keys(host: Host) -> Iterator[tuple[str, str]]:
    """(name, path) of the host's private keys."""
    for file in host.names(_SSH):
        if file.startswith("ssh_host_") and file.endswith("_key"):
            yield f"the host's {file}", f"{_SSH}/{file}"
    yield from _caddys(host, f"{paths.CADDY}/data", 0)


def _caddys(host: Host, folder: str, depth: int) -> Iterator[tuple[str, str]]:
    try:
        names = host.names(folder) if depth < _DEEPEST else []
    except Failed:
        return  # a file
    for name in names:
        if name.endswith(".key"):
            yield f"Caddy's {name}", f"{folder}/{name}"
        elif not name.endswith((".crt", ".json", ".txt", ".lock")):
            yield from _caddys(host, f"{folder}/{name}", depth + 1)
