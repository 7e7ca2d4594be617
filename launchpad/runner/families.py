"""Every kind of step that there is, by its name: a journal's plan is read back by it, and tests kill every kind."""

from __future__ import annotations

from typing import Any

from launchpad.runner.backups.steps import BackupStep
from launchpad.runner.guests.steps import GuestStep
from launchpad.runner.moving.steps import MoveStep
from launchpad.runner.provision.steps import HostStep
from launchpad.runner.pruning.steps import PruneStep
from launchpad.runner.step import Step, step_name
from launchpad.runner.steps import TenantStep

FAMILIES = (TenantStep, BackupStep, GuestStep, HostStep, MoveStep, PruneStep)


def kinds_of(family: Any) -> dict[str, type[Step]]:
    """Name → step, every kind of the family."""
    return {step_name(kind): kind for kind in family.__args__}


KINDS = {name: kind for family in FAMILIES for name, kind in kinds_of(family).items()}


def step_from_json(value: dict[str, Any]) -> Step:
    """The step again. KeyError for a name that this runner does not know: an operation is finished by the runner that
    began it, so that cannot happen unless the journal was tampered with."""
    arguments = {key: tuple(item) if isinstance(item, list) else item for key, item in value.items() if key != "step"}
    return KINDS[value["step"]](**arguments)
