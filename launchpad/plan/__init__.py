"""What should be against what is, over the fleet. Pure: wanted and observed come in, a plan or a standing goes out."""

from __future__ import annotations

from launchpad.plan.fleet_plan import Change, FleetPlan, Note, differences, plan_changes
from launchpad.plan.observed import HostSeen, TenantSeen, host_from_reply
from launchpad.plan.standing import Standing, standings
from launchpad.plan.wanted import Wanted

__all__ = [
    "Change",
    "FleetPlan",
    "HostSeen",
    "Note",
    "Standing",
    "TenantSeen",
    "Wanted",
    "differences",
    "host_from_reply",
    "plan_changes",
    "standings",
]
