"""A tenant's containers and their inputs: the release on the host, the secrets in tmpfs, the two sides."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.host import Container, Failed, Host
from launchpad.runner.protocol import Refused, Release, release_as_json, release_from_json

LAST_LINES = 20
"""Last log lines to keep of each failed container."""
IN_MESSAGE, LONGEST_LINE = 3, 200
"""Log lines in a message, and characters of each. More than one line, because Docker does not know the order of lines
that a program printed to both streams at once."""


def network(tenant: str) -> str:
    """The name of the tenant's Docker network."""
    return f"lp-{tenant}"


def project(tenant: str, side: str) -> str:
    """The name of the Compose project of one side of a tenant."""
    return f"lp-{tenant}-{side}"


def side_of(host: Host, tenant: str, side: str) -> list[Container]:
    return [item for item in host.containers(tenant) if item.side == side]


def place(host: Host, release: Release, files: Mapping[str, str]) -> None:
    """Write the release's folder; `release.json` last, because a folder with it counts as complete."""
    place_files(host, release, files)
    folder = paths.release(release.tenant, release.short)
    host.write(f"{folder}/release.json", json.dumps(release_as_json(release), indent=1).encode(), mode=0o644)


def place_files(host: Host, release: Release, files: Mapping[str, str]) -> None:
    """Write the files without the manifest. Mode 0755 for all: read-only mounts, some are programs, none has a
    secret."""
    for path, text in sorted(files.items()):
        host.write(f"{paths.release(release.tenant, release.short)}/{path}", text.encode(), mode=0o755)


def read_release(host: Host, tenant: str, short: str) -> Release:
    """Read a release on the host. Failed when the release is missing, or its digest is not the folder's name."""
    data = host.read(f"{paths.release(tenant, short)}/release.json")
    if data is None:
        raise Failed(f"{tenant}: release {short} is not on the host", code="release-missing")
    try:
        release = _parsed(data)
    except (Refused, ValueError, TypeError, KeyError) as error:
        raise Failed(f"{tenant}: release {short} was changed on the host", code="release-changed") from error
    if release.short != short:
        raise Failed(
            f"{tenant}: release {short} was changed on the host (its digest is now {release.short})",
            code="release-changed",
        )
    return release


@lru_cache(maxsize=64)
def _parsed(data: bytes) -> Release:
    """Cached, because waiting for probes reads the same manifest four times a second."""
    return release_from_json(json.loads(data))


def environment(release: Release, side: slots.Side | slots.Clone) -> dict[str, str]:
    """The values for a release's `${LAUNCHPAD_…}` variables: known only on the host, the same on every start. A clone
    gets its own addresses, so that its services find one another."""
    found = {
        "LAUNCHPAD_RELEASE": release.short,
        "LAUNCHPAD_SIDE": side,
        "LAUNCHPAD_SECRETS": paths.secrets(release.tenant, release.short),
    }
    for index, service in enumerate(release.services):
        key = "LAUNCHPAD_ADDRESS_" + service.name.upper().replace("-", "_")
        found[key] = str(slots.address(release.slot, index, side))
    return found


def make_network(host: Host, tenant: str, slot: int, *, internal: bool) -> None:
    """Create the tenant's network, with the bridge and the addresses of its slot."""
    subnet, gateway = slots.subnet(slot), slots.gateway(slot)
    host.make_network(network(tenant), bridge=slots.bridge(slot), subnet=subnet, gateway=gateway, internal=internal)


def start(host: Host, *, tenant: str, short: str, side: slots.Side) -> None:
    """Fill the release's secrets and start its containers on that side; clears a tripped breaker. A removed image is
    pulled again, and a removed network is created again."""
    release = read_release(host, tenant, short)
    if not host.has_network(network(tenant)):
        for left in sorted({item.side for item in host.containers(tenant)}):  # they hang on the one that was
            host.down(project(tenant, left), release.stop_seconds)
        make_network(host, tenant, release.slot, internal=release.egress == "none")
    for image in sorted({service.image for service in release.services}):
        if not host.has_image(image):
            host.pull(image, lambda _: None)
    fill_secrets(host, release)
    host.remove(f"{paths.tenant(tenant)}/breaker.json")
    host.let_out(
        [slots.address(release.slot, index, side) for index in range(slots.MOST_SERVICES)], release.egress_ports
    )
    up(host, paths.release(tenant, short), project(tenant, side), environment(release, side))


def up(host: Host, folder: str, name: str, values: Mapping[str, str]) -> None:
    """Start the project in that folder. Failed has the last log lines of the containers that failed."""
    try:
        host.up(folder, name, values)
    except Failed as failed:
        raise with_last_lines(host, name, failed) from failed


def with_last_lines(host: Host, name: str, failed: Failed, *, service: str = "") -> Failed:
    """The failure with the last log lines of the project's containers, before the containers are removed. The message
    gets the last few lines (of the service if given), because a history shows only the message."""
    try:
        lines = host.log_lines(name, LAST_LINES)
    except Failed:
        lines = []
    own = [line for line in lines if line.startswith(f"{service}: ")] if service else []
    said = [line[:LONGEST_LINE] for line in own or lines if line.strip()][-IN_MESSAGE:]
    message = f"{failed.message}; last output: {' | '.join(said)}" if said else failed.message
    return Failed(message, code=failed.code, lines=[*failed.lines, *lines])


def fill_secrets(host: Host, release: Release) -> None:
    """Write the release's secrets as files on tmpfs that only the tenant's mapped uid can read."""
    uid = slots.host_uid(release.slot)
    folder = paths.secrets(release.tenant, release.short)
    host.folder(f"{paths.RUN}/{release.tenant}", mode=0o711)
    host.folder(folder, mode=0o500, uid=uid)
    for name in sorted(release.secrets):
        host.write(f"{folder}/{name}", unsealed(host, release, name), mode=0o400, uid=uid)


def unsealed(host: Host, release: Release, name: str) -> bytes:
    """The value of one of the release's secrets, from the tenant's vault."""
    version = release.secrets[name]
    return host.unseal(sealed(release.tenant, name, version), sealed_as(release.tenant, name, version))


def sealed(tenant: str, name: str, version: int) -> str:
    return f"{paths.vault(tenant)}/{name}@{version}.cred"


def sealed_as(tenant: str, name: str, version: int) -> str:
    """The name that a credential is bound to, so that one tenant's credential does not work for another tenant."""
    return f"{tenant}.{name}.{version}"


def stop_seconds(host: Host, tenant: str, short: str) -> int:
    try:
        return read_release(host, tenant, short).stop_seconds
    except Failed:
        return 10


def put_record(host: Host, tenant: str, record: Mapping[str, Any]) -> None:
    """Write what should run, for boot, watch and status; in one step."""
    host.write(paths.record(tenant), json.dumps(record, sort_keys=True, indent=1).encode(), mode=0o600)
