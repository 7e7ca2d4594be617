"""Every kind of step by name: used to read a journal's plan, and by the tests that kill the runner at every kind."""

from __future__ import annotations

from typing import Any

from launchpad.runner.backups.steps import BackupStep
from launchpad.runner.guests.steps import GuestStep
from launchpad.runner.maintaining.steps import MaintenanceStep
from launchpad.runner.moving.steps import MoveStep
from launchpad.runner.provision.steps import HostStep
from launchpad.runner.pruning.steps import PruneStep
from launchpad.runner.step import Step, step_name
from launchpad.runner.steps import TenantStep

FAMILIES = (TenantStep, BackupStep, GuestStep, HostStep, MaintenanceStep, MoveStep, PruneStep)


def kinds_of(family: Any) -> dict[str, type[Step]]:
    """Name → class, for every kind of step of the family."""
    return {step_name(kind): kind for kind in family.__args__}


KINDS = {name: kind for family in FAMILIES for name, kind in kinds_of(family).items()}


def step_from_json(value: dict[str, Any]) -> Step:
    """The step from its JSON. KeyError for an unknown name: only a changed journal can have one, because the runner
    that began an operation also ends it."""
    arguments = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items() if key != "step"}
    return KINDS[value["step"]](**arguments)
