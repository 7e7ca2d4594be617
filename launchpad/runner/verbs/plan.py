"""plan: the steps of a provision, a prune, an update or a reboot of this host, without running them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import Host
from launchpad.runner.journal import outline
from launchpad.runner.protocol import Refused
from launchpad.runner.step import Step
from launchpad.runner.verbs import reply
from launchpad.runner.verbs.submit import parsed
from launchpad.runner.wire.body import body_from_json
from launchpad.runner.wire.host_bodies import Plan, PlanReply, StepOutline


def plan(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """PlanReply; writes nothing; body Plan. The operator's side makes tenants' plans from the inventory and
    `observe`."""
    operation = parsed(body_from_json(Plan, body).operation)
    if operation["kind"] == "prune":
        from launchpad.runner.pruning.plan import planned_prune

        free = {path: host.room(path) for path in (paths.ROOT, paths.DOCKER)}
        yield reply(PlanReply(steps=_outlined(planned_prune(host)), free=free))
        return
    machine: Any = host  # the others also need the machine's system
    if operation["kind"] in ("update", "reboot"):
        from launchpad.runner.maintaining.plan import planned

        yield reply(PlanReply(steps=_outlined(planned(machine, operation))))
        return
    if operation["kind"] != "provision":
        raise Refused("plan: only a provision, a prune, an update and a reboot are planned on the host")
    from launchpad.runner.provision.plan import differences, planned_provision

    steps = list(planned_provision(machine, operation["settings"]))
    yield reply(PlanReply(steps=_outlined(steps), diffs=tuple(differences(machine, steps))))


def _outlined(steps: Iterable[Step]) -> tuple[StepOutline, ...]:
    return tuple(StepOutline(**told) for told in outline(list(steps)))
