"""usage: what uses this host's disk and memory: tenants' data, generations, images; and what is free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.drift import read_manifest
from launchpad.runner.host import Failed
from launchpad.runner.plan import read_record
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.verbs import reply
from launchpad.runner.view import View
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import DiskRoom, ImageUse, TenantUse, Usage, UsageReply


def usage(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """UsageReply; body Usage."""
    body_from_json(Usage, body)
    total, free = host.disk()
    tenants: dict[str, TenantUse] = {}
    whose: dict[str, list[str]] = {}
    for name in filter(is_tenant_name, host.names(paths.TENANTS)):
        used, quota = host.quota(paths.data(name)) if host.has_data(paths.data(name)) else (0, 0)
        kept = [item for item in host.names(paths.generations(name)) if item.endswith(".json")]
        tenants[name] = TenantUse(used=used, quota=quota, generations=len(kept))
        manifest = None
        with suppress(Failed):  # a damaged record hides no other tenant
            if record := read_record(host, name):
                manifest = read_manifest(host, name, record["started"])
        for image in sorted(set(manifest.images.values())) if manifest else ():
            whose.setdefault(_digest(image), []).append(name)
    try:
        for item in host.containers():
            if item.state == "running" and item.tenant in tenants:
                memory, limit = host.memory(item.name)
                own = tenants[item.tenant]
                tenants[item.tenant] = own.but(memory=own.memory + memory, memory_limit=own.memory_limit + limit)
        images = {
            name: ImageUse(bytes=size, tenants=tuple(whose.get(_digest(name), ())))
            for name, size in host.images().items()
        }
    except Failed:
        images = {}  # Docker is down, which `status` reports
    room = DiskRoom(total=total, free=free)
    yield reply(UsageReply(disk=room, images_free=host.room(paths.DOCKER), tenants=tenants, images=images))


def _digest(image: str) -> str:
    """An image's digest: an image may be named with a tag before its digest, and is listed without the tag."""
    return image.rpartition("@")[2]
