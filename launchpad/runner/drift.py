"""Drift: what differs on a host from the state that the last operation left, by manual changes or a disk fault."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.host import Container, Host
from launchpad.runner.protocol import canonical, digest_of
from launchpad.runner.record import Record


class Manifest(Record):
    """The parts of a release's manifest that this module needs."""

    short: str
    files: Mapping[str, str]
    services: Sequence[str]
    images: Mapping[str, str]
    volumes: Sequence[str]
    secrets: Mapping[str, int]
    probes: Sequence[Mapping[str, Any]]


class FoundTenant(Record):
    """A tenant's state on the host."""

    record: Mapping[str, Any]
    manifest: Manifest | None
    """The manifest of the last deployed release; None when it is missing or was changed."""
    containers: Sequence[Container]
    networks: frozenset[str]
    gate: bool
    passing: frozenset[IPv4Address]
    """The addresses of the tenant's serving side that the gate lets pass."""
    served: frozenset[str] | None


def read_manifest(host: Host, tenant: str, short: str) -> Manifest | None:
    """The manifest in the release's folder; None unless its digest matches the folder's name."""
    data = host.read(f"{paths.release(tenant, short)}/release.json")
    try:
        value = json.loads(data or b"")
        if digest_of(canonical(value)).removeprefix("sha256:")[: len(short)] != short:
            return None
        images = {service["name"]: service["image"] for service in value["services"]}
        return Manifest(
            short, value["files"], list(images), images, value["volumes"], value["secrets"], value["probes"]
        )
    except (ValueError, KeyError, TypeError):
        return None


def drift(host: Host, found: FoundTenant) -> list[str]:
    """Every difference from the record, as sentences for people."""
    record, tenant = found.record, found.record["tenant"]
    if record["retired"]:
        return [f"container {item.name} exists, though the tenant is retired" for item in found.containers]
    return [
        *_files(host, found),
        *_data(host, found),
        *_site(host, found),
        *([] if f"lp-{tenant}" in found.networks else [f"network lp-{tenant} is missing"]),
        *(_running(host, found) if record["running"] else _stopped(found)),
    ]


def _files(host: Host, found: FoundTenant) -> Iterator[str]:
    tenant, short = found.record["tenant"], found.record["release"]
    for wanted in dict.fromkeys((short, found.record["started"])):
        manifest = found.manifest if wanted == short else _started(host, found)
        if manifest is None:
            yield f"release {wanted} is missing, or its manifest was changed"
            continue
        for name, digest in manifest.files.items():
            if change := _change(host.read(f"{paths.release(tenant, wanted)}/{name}"), digest):
                yield f"{name} of release {wanted} {change}"
    target = host.target(paths.current(tenant))
    if target != f"releases/{short}":
        yield f"the link current points to {target or 'nothing'}, not to release {short}"


def _change(data: bytes | None, digest: str) -> str:
    """How a file differs from this digest; empty when it does not."""
    if data is None:
        return "is missing"
    return "" if digest_of(data) == digest else "was changed"


def _started(host: Host, found: FoundTenant) -> Manifest | None:
    """The manifest of the release whose containers should run."""
    if found.record["started"] == found.record["release"]:
        return found.manifest
    return read_manifest(host, found.record["tenant"], found.record["started"])


def _data(host: Host, found: FoundTenant) -> Iterator[str]:
    tenant = found.record["tenant"]
    if not host.has_data(paths.data(tenant)):
        yield "its data is missing"
        return
    volumes = set(host.names(paths.data(tenant)))
    for volume in found.manifest.volumes if found.manifest else ():
        if volume not in volumes:
            yield f"volume {volume} is missing"
    kept = set(host.names(paths.vault(tenant)))
    for name, version in found.record["secrets"].items():
        if f"{name}@{version}.cred" not in kept:
            yield f"secret {name} version {version} is missing on disk"


def _site(host: Host, found: FoundTenant) -> Iterator[str]:
    if found.manifest is None:
        return
    record, data = found.record, host.read(paths.site(found.record["tenant"]))
    digest = found.manifest.files.get("site.caddy")
    if digest is None:
        if data is not None:
            yield "a site file exists, though the release has no site"
        return
    if change := _change(data, digest):
        yield f"its site file {change}"
    if found.served is not None:
        missing = [domain for domain in record["domains"] if domain not in found.served]
        yield from (f"Caddy does not serve {domain}" for domain in missing)


def _running(host: Host, found: FoundTenant) -> Iterator[str]:
    record, manifest = found.record, _started(host, found)
    if manifest is not None:
        gave_up = host.read(f"{paths.tenant(record['tenant'])}/breaker.json") is not None
        yield from _containers(found, manifest, may_be_dead=gave_up)
        yield from _logs(host, found, manifest)
        filled = set(host.names(paths.secrets(record["tenant"], manifest.short)))
        for name in manifest.secrets:
            if name not in filled:
                yield f"secret {name} is missing in {paths.RUN}"
    if not found.gate:
        yield "the traffic gate was changed"
    elif len(found.passing) < slots.MOST_SERVICES:
        yield "its traffic is blocked at the gate"


def _containers(found: FoundTenant, manifest: Manifest, *, may_be_dead: bool) -> Iterator[str]:
    """What differs in containers; a dead one is no change by hand where the watch gave up."""
    record = found.record
    serving = {item.service: item for item in found.containers if item.side == record["side"]}
    for index, name in enumerate(manifest.services):
        item = serving.pop(name, None)
        if item is None:
            yield f"container of {name} is missing"
        elif item.state != "running":
            yield from () if may_be_dead else (f"{name} is {item.state}{_why(item)}",)
        elif item.release != manifest.short:
            yield f"{name} runs release {item.release or 'unknown'}, not {manifest.short}"
        elif item.image != manifest.images[name]:
            yield f"{name} runs the wrong image: {item.image}"
        elif item.address != str(slots.address(record["slot"], index, record["side"])):
            yield f"{name} has the wrong address: {item.address or 'none'}"
    others = [item for item in found.containers if item.side != record["side"]]
    for item in [*serving.values(), *others]:
        yield f"container {item.name} exists and should not"


def _logs(host: Host, found: FoundTenant, manifest: Manifest) -> Iterator[str]:
    """A changed compose.yaml is reported as a file."""
    try:
        data = host.read(f"{paths.release(found.record['tenant'], manifest.short)}/compose.yaml")
        services = json.loads(data or b"{}")["services"]
        for item in found.containers:
            options = services[item.service]["logging"]["options"]
            wanted = f"local {options['max-size']} {options['max-file']}"
            if item.log not in ("", wanted) and item.release == manifest.short:
                yield f"the log of {item.service} is kept as {item.log}, not as {wanted}"
    except (ValueError, KeyError, TypeError):
        return


def _why(item: Container) -> str:
    return " (out of memory)" if item.oom_killed else f" (status {item.exit_code})" if item.state == "exited" else ""


def _stopped(found: FoundTenant) -> Iterator[str]:
    for item in found.containers:
        if item.state == "running":
            yield f"{item.service} runs, though the tenant is stopped"
    if found.passing:
        yield "its traffic is open, though the tenant is stopped"
