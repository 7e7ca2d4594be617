"""Run a prune's steps. Each checks again what is needed, under the locks of the possible users; what is busy by then is
left for the next prune."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, assert_never

from launchpad.runner import generation_records, paths, rehearsal
from launchpad.runner.context import Context
from launchpad.runner.host import Busy, Failed, Host
from launchpad.runner.journal import Journal
from launchpad.runner.plan import read_record
from launchpad.runner.protocol import canonical
from launchpad.runner.pruning import needed, steps

SETTLE_SECONDS = 60
"""Btrfs frees the space of a removed snapshot later; seconds to wait for that."""


def look(step: steps.PruneStep, context: Context) -> dict[str, Any]:
    """Nothing is undone."""
    del step, context
    return {}


def apply(step: steps.PruneStep, context: Context) -> None:
    """Run the step, as far as it is still needed."""
    match step:
        case steps.RemoveImage():
            remove_image(step, context)
        case steps.ClearUp():
            clear_up(step, context)
        case steps.FreeRoom():
            free_room(step, context)
        case steps.RemoveVolumes():
            for name in set(step.names) & set(context.host.loose_volumes()):
                context.host.remove_volume(name)
        case steps.ForgetOperations():
            forget(step, context.host)
        case _:
            assert_never(step)


def undo(step: steps.PruneStep, before: Mapping[str, Any], context: Context) -> None:
    """Nothing is undone."""
    del step, before, context


def remove_image(step: steps.RemoveImage, context: Context) -> None:
    if needed.is_needed(context.host, step.image) or not context.host.remove_image(step.image):
        context.say("skipped: the image is needed again")


def clear_up(step: steps.ClearUp, context: Context) -> None:
    """Remove what is surplus both now and in the plan, under the tenant's locks."""
    with holding(step.tenant, context) as held:
        if not held or step.tenant in needed.busy_tenants(context.host):
            context.say(f"skipped: {step.tenant} is busy; the next prune tries again")
            return
        take_away(step, context.host)


def free_room(step: steps.FreeRoom, context: Context) -> None:
    """Wait once until Btrfs has freed all removed data, without holding any lock. An operation that starts meanwhile
    sets its own tenant's quota."""
    host = context.host
    host.reclaim(paths.ROOT, seconds=SETTLE_SECONDS)
    for tenant in step.tenants:
        with holding(tenant, context) as held, suppress(Failed):  # an unreadable record must not stop the others
            if held and (record := read_record(host, tenant)):
                generation_records.allow(host, tenant, disk_mb=record["disk_mb"])


@contextmanager
def holding(tenant: str, context: Context) -> Iterator[bool]:
    """Take the tenant's locks for the block without waiting; yields whether that worked."""
    host = context.host
    owner = {"operation": context.identifier, "who": "prune", "since": host.now(), "kind": "prune"}
    with ExitStack() as locks:
        try:
            for name in (f"tenant-{tenant}", f"backup-{tenant}"):
                locks.enter_context(host.lock(name, owner))
        except Busy:
            locks.close()
            yield False
            return
        yield True


def take_away(step: steps.ClearUp, host: Host) -> None:
    tenant, now = step.tenant, needed.surplus(host, step.tenant)
    if step.rehearsal or set(step.rests) & set(now.rests):
        host.down(rehearsal.project(tenant), rehearsal.STOP_SECONDS)
        host.remove_network(rehearsal.project(tenant))
    for path in step.rests:
        if path in now.rests:
            host.remove(path)
    for name in step.generations:
        if name in now.generations:
            generation_records.drop(host, tenant, name)
    for name in step.releases:
        if name in now.releases:
            host.remove(paths.release(tenant, name))


def forget(step: steps.ForgetOperations, host: Host) -> None:
    """Delete journals; first record the images that their operations pulled, so that Launchpad may still remove
    them."""
    old = set(needed.old_operations(host))
    gone = [Journal(host, name) for name in step.operations if name in old]
    pulled = needed.pulled_digests(host)
    there = {image.partition("@")[2] for image in host.images()}
    host.write(paths.PULLED, canonical(sorted(pulled & there)), mode=0o600)
    for journal in gone:
        host.remove(journal.folder)
        host.remove(f"{paths.OPEN}/{journal.identifier}")
