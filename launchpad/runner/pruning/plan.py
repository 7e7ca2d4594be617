"""Plan a prune of this host. Only decides; changes nothing."""

from __future__ import annotations

from collections.abc import Iterator

from launchpad.runner import paths
from launchpad.runner.host import Failed, Host
from launchpad.runner.pruning import needed
from launchpad.runner.pruning.steps import ClearUp, ForgetOperations, FreeRoom, PruneStep, RemoveImage, RemoveVolumes
from launchpad.runner.steps import Commit


def planned_prune(host: Host) -> list[PruneStep | Commit]:
    """The steps; empty when everything is needed. Releases come first, because their images can be removed after
    them."""
    steps = list(_steps(host))
    return [Commit(), *steps] if steps else []


def _steps(host: Host) -> Iterator[PruneStep]:
    busy, leaving, cleared = needed.busy_tenants(host), set(), []
    for tenant in needed.tenants(host):
        try:
            found = needed.surplus(host, tenant)
        except Failed:
            continue  # its record is damaged: nothing of it is judged
        if tenant not in busy and found != needed.Surplus():
            leaving |= {paths.release(tenant, short) for short in found.releases}
            cleared.append(tenant)
            yield ClearUp(
                tenant=tenant,
                generations=found.generations,
                releases=found.releases,
                rests=found.rests,
                rehearsal=found.rehearsal,
            )
    if cleared:
        yield FreeRoom(tenants=tuple(cleared))
    if loose := host.loose_volumes():
        yield RemoveVolumes(names=loose)
    for image, size in needed.unneeded_images(host, without=leaving).items():
        yield RemoveImage(image=image, size=size)
    if old := needed.old_operations(host):
        yield ForgetOperations(operations=tuple(old))
