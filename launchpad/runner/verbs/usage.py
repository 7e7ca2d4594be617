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
from launchpad.runner.verbs import only, reply
from launchpad.runner.view import View


def usage(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"disk": {"total", "free"} of tenants' data, "images_free": bytes for images, "tenants": {name: {"used",
    "quota", "generations": how many, "memory", "memory_limit"}}, "images": {reference: {"bytes", "tenants": those that
    run it}}}. Data that only a generation holds counts for its tenant, and a shared layer counts for each image.

    body {}."""
    only(body)
    total, free = host.disk()
    tenants: dict[str, Any] = {}
    whose: dict[str, list[str]] = {}
    for name in filter(is_tenant_name, host.names(paths.TENANTS)):
        used, quota = host.quota(paths.data(name)) if host.has_data(paths.data(name)) else (0, 0)
        kept = [item for item in host.names(paths.generations(name)) if item.endswith(".json")]
        tenants[name] = {"used": used, "quota": quota, "generations": len(kept), "memory": 0, "memory_limit": 0}
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
                tenants[item.tenant]["memory"] += memory
                tenants[item.tenant]["memory_limit"] += limit
        images = {
            name: {"bytes": size, "tenants": whose.get(_digest(name), [])} for name, size in host.images().items()
        }
    except Failed:
        images = {}  # Docker is down, which `status` reports
    room = {"total": total, "free": free}
    yield reply({"disk": room, "images_free": host.room(paths.DOCKER), "tenants": tenants, "images": images})


def _digest(image: str) -> str:
    """An image's digest: an image may be named with a tag before its digest, and is listed without the tag."""
    return image.rpartition("@")[2]
