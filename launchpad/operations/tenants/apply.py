"""apply: carry out a confirmed plan, hosts in parallel, the tenants of a host one after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from launchpad.errors import HostError, LaunchpadError, StateError
from launchpad.events import OnEvent, ignore
from launchpad.operations.dns.provider import Dns
from launchpad.operations.requests.identifiers import part_of
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.tenants.deploy import DeployOptions, deploy
from launchpad.operations.tenants.plan_fleet import plan_fleet
from launchpad.operations.tenants.start import start
from launchpad.operations.tenants.stop import stop
from launchpad.plan.fleet_plan import FleetPlan, PlannedOperation
from launchpad.runner.hint import Next
from launchpad.ssh.fanout import fanout
from launchpad.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Applied:
    """The result of a plan: tenant → its outcome or its error, in the plan's order."""

    plan: FleetPlan
    results: dict[str, Outcome | LaunchpadError]

    def as_json(self) -> dict[str, Any]:
        return self.plan.as_json() | {
            "results": {
                tenant: result.as_dict() if isinstance(result, LaunchpadError) else result.as_json()
                for tenant, result in self.results.items()
            }
        }

    @property
    def failures(self) -> dict[str, LaunchpadError]:
        """The failures: tenants whose change failed, and hosts that did not answer."""
        failed = {name: result for name, result in self.results.items() if isinstance(result, LaunchpadError)}
        return {**self.plan.unreachable, **failed}


def apply(
    workspace: Workspace,
    names: Sequence[str] = (),
    *,
    confirm: str,
    just_made: FleetPlan | None = None,
    identifier: str = "",
    dns: Dns | None = None,
    on_event: OnEvent = ignore,
) -> Applied:
    """Make the plan again and carry it out if its digest is `confirm`; StateError for another plan. When `just_made` is
    that plan and has no change, the hosts are not asked again.

    A tenant's failure does not stop the other tenants; a host that falls silent gets no further change. Each change
    names the release that it replaces, so that a host rejects the change when the tenant changed meanwhile.
    """
    if just_made is not None and not just_made.changes and just_made.digest == confirm:
        return Applied(plan=replace(just_made, diffs={}), results={})
    plan = plan_fleet(workspace, names)
    if plan.digest != confirm:
        raise StateError(
            f"the plan has changed: its digest is now {plan.digest}, but {confirm} was confirmed",
            code="plan-changed",
            hint=" ".join([Next("plan"), *names]),
        )
    queues: dict[str, list[PlannedOperation]] = {}
    for change in plan.changes:
        queues.setdefault(change.host, []).append(change)

    def carry_out(change: PlannedOperation) -> Outcome:
        return _carry_out(workspace, change, part_of(identifier, change.tenant, change.kind), dns, on_event)

    def work(host: str) -> dict[str, Outcome | LaunchpadError]:
        return _in_turn(queues[host], carry_out)

    results: dict[str, Outcome | LaunchpadError] = {}
    for done in fanout(queues, work, threads=workspace.settings.parallel).values():
        assert not isinstance(done, LaunchpadError)
        results |= done
    return Applied(plan=plan, results=results)


def _in_turn(
    changes: Sequence[PlannedOperation], work: Callable[[PlannedOperation], Outcome]
) -> dict[str, Outcome | LaunchpadError]:
    results: dict[str, Outcome | LaunchpadError] = {}
    silent = False
    for change in changes:
        try:
            if silent:
                raise HostError(
                    f"{change.tenant}: not started, because {change.host} does not answer",
                    code="not-started-as-host-is-silent",
                    hint=Next("plan"),
                )
            results[change.tenant] = work(change)
        except LaunchpadError as error:
            results[change.tenant] = error
            silent = silent or (isinstance(error, HostError) and error.retry)
    return results


def _carry_out(
    workspace: Workspace, change: PlannedOperation, identifier: str, dns: Dns | None, on_event: OnEvent
) -> Outcome:
    match change.kind:
        case "deploy":
            how = DeployOptions(identifier=identifier, replaces=change.replaces, dns=dns)
            return deploy(workspace, change.tenant, how=how, on_event=on_event)
        case "start":
            return start(workspace, change.tenant, identifier=identifier, on_event=on_event)
        case "stop":
            return stop(workspace, change.tenant, identifier=identifier, on_event=on_event)
