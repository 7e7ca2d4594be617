"""plan: the steps of a provision, a prune, an update or a reboot of this host, without running them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner import paths
from launchpad.runner.caller import Caller
from launchpad.runner.host import Host
from launchpad.runner.journal import outline
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs import only
from launchpad.runner.verbs.submit import parsed


def plan(host: Host, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"steps": [{"step", "title"}], "diffs": [text], "free": {path: bytes}}; writes nothing. The operator's side makes
    tenants' plans from the inventory and `observe`."""
    operation = parsed(only(body, operation=dict)["operation"])
    if operation["kind"] == "prune":
        from launchpad.runner.pruning.plan import planned_prune

        free = {path: host.room(path) for path in (paths.ROOT, paths.DOCKER)}
        yield {"type": "reply", "body": {"steps": outline(planned_prune(host)), "diffs": [], "free": free}}
        return
    machine: Any = host  # the others also need the machine's system
    if operation["kind"] in ("update", "reboot"):
        from launchpad.runner.maintaining.plan import planned

        yield {"type": "reply", "body": {"steps": outline(planned(machine, operation)), "diffs": []}}
        return
    if operation["kind"] != "provision":
        raise Refused("plan: only a provision, a prune, an update and a reboot are planned on the host")
    from launchpad.runner.provision.plan import differences, planned_provision

    steps = list(planned_provision(machine, operation["settings"]))
    yield {"type": "reply", "body": {"steps": outline(steps), "diffs": differences(machine, steps)}}
