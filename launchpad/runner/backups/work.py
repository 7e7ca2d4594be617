"""The sandbox's tasks: which folders it sees, under which names, for how long, and how it reports progress."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from launchpad.runner import paths, slots
from launchpad.runner.backups import inside, keeping, restic
from launchpad.runner.backups.credentials import credentials
from launchpad.runner.backups.host_target import HostTarget
from launchpad.runner.context import Context, check_cancelled
from launchpad.runner.hint import Next
from launchpad.runner.host import Confined, Host
from launchpad.runner.journal import subject
from launchpad.runner.protocol import PUBLIC, Refused

LOCAL = "/srv/target"
"""The folder of a local target in the sandbox."""
SEND_SECONDS = 24 * 3600
LOOK_SECONDS = 300
LOCK_SECONDS = 300
"""How long to wait for another operation on the tenant: data in the middle of an operation is not worth keeping."""


def unit(tenant: str, purpose: str = "backup") -> str:
    """The name of the tenant's unit. Each purpose has its own unit, so reading and sending can run at once."""
    return f"launchpad-{purpose}-{tenant}"


def look(host: Host, target: HostTarget, *, tenant: str, slot: int, do: str, **more: Any) -> Confined:
    """A task that only reads the repository; other tasks may run at the same time."""
    asked = with_repository(host, target, tenant=tenant, slot=slot, do=do, **more)
    return asked.but(unit=unit(tenant, f"look-{round(host.now() * 1000)}"), seconds=LOOK_SECONDS)


def with_repository(host: Host, target: HostTarget, *, tenant: str, slot: int, do: str, **more: Any) -> Confined:
    """A task with the tenant's repository on the target and none of the tenant's data, with the host's credentials.
    `key` opens the repository; default: the sealed key. With `source`: another tenant's repository; then without a key
    only the wrapped keys beside the repository can be read."""
    key, source = more.pop("key", ""), more.pop("source", "")
    if source:
        task = {"do": do, "uid": slots.host_uid(slot), "tenant": source} | more
        return _with_anothers(host, target, tenant, task, key)
    repository = keeping.repository(host, tenant, target, key)
    writes = {}
    if target.kind == "local":
        uid = slots.host_uid(slot)
        for name in (tenant, f"{tenant}.key"):
            host.folder(f"{target.url}/{name}", mode=0o700, uid=uid)
            writes[f"{LOCAL}/{name}"] = f"{target.url}/{name}"
        repository["url"] = LOCAL
    else:
        host.folder(_cache(tenant), mode=0o700, uid=slots.host_uid(slot))
        writes[restic.CACHE] = _cache(tenant)
    task = {"do": do, "uid": slots.host_uid(slot), "tenant": tenant, "repository": repository} | more
    return Confined(unit=unit(tenant), task=task, writes=writes, network=target.remote, seconds=SEND_SECONDS)


def _with_anothers(host: Host, target: HostTarget, tenant: str, task: Mapping[str, Any], key: str) -> Confined:
    """Read another tenant's repository with this tenant's uid, without a cache."""
    if target.kind == "local":
        message = f"{target.name} is a folder on a host: only the tenant itself can read its backups"
        raise Refused(
            message, code="target-is-folder-of-host", kind="state", hint=Next("backups fetch", task["tenant"])
        )
    repository = target.as_json() | {"password": key, "credentials": credentials(host, target.name)}
    return Confined(
        unit=unit(tenant), task={**task, "repository": repository}, network=target.remote, seconds=SEND_SECONDS
    )


def trial(host: Host, target: HostTarget) -> Confined:
    """A task without a tenant, with the unused uid of slot 0: test what can be done to the target."""
    uid, writes = slots.host_uid(0), {}
    repository: dict[str, Any] = target.as_json() | {"password": PUBLIC, "credentials": credentials(host, target.name)}
    if target.kind == "local":
        own = f"{inside.TRIAL}.key"
        host.folder(f"{target.url}/{own}", mode=0o700, uid=uid)
        writes[f"{LOCAL}/{own}"] = f"{target.url}/{own}"
        repository["url"] = LOCAL
    task = {"do": "trial", "uid": uid, "repository": repository}
    return Confined(
        unit=unit(target.name, "trial"), task=task, writes=writes, network=target.remote, seconds=LOOK_SECONDS
    )


def volumes(host: Host, folder: str) -> dict[str, str]:
    """Each volume's folder in the sandbox → on the host. The data's own folder belongs to root."""
    return {f"{inside.ROOT}/{name}": f"{folder}/{name}" for name in host.names(folder)}


def _cache(tenant: str) -> str:
    return f"{paths.backup(tenant)}/cache"


def tenant_lock(tenant: str, context: Context) -> AbstractContextManager[None]:
    """Hold the tenant's lock for the block; Busy when another operation holds it for longer than LOCK_SECONDS. An
    operation that does not run beside its tenant holds the lock already."""
    host = context.host
    if subject(context.operation) == f"tenant-{tenant}":
        return nullcontext()
    kind = context.operation["kind"]
    owner = {"operation": context.identifier, "who": kind, "kind": kind, "since": host.now()}
    return host.lock(f"tenant-{tenant}", owner, seconds=LOCK_SECONDS)


def progress(context: Context) -> Any:
    """Report progress, and end the task when the operation is cancelled."""
    said = [""]

    def tell(text: str) -> None:
        check_cancelled(context)
        if text != said[0]:
            said[0] = text
            context.say(text)

    return tell
