"""Every question by name, in the order in which they are written."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from launchpad.runner.host import Host
from tests.contract import carrying, containers, data, files, operations, traffic
from tests.contract.world import World

Question = Callable[[Any, World], None]

CONTRACT_MODULES = (files, data, carrying, containers, traffic, operations)


def questions(modules: tuple[ModuleType, ...], prefix: str) -> dict[str, Question]:
    """Name → question, of the functions whose names begin so."""
    return {
        f"{module.__name__.rpartition('.')[2]}: {name.removeprefix(prefix).replace('_', ' ')}": question
        for module in modules
        for name, question in vars(module).items()
        if name.startswith(prefix)
    }


CONTRACT: dict[str, Callable[[Host, World], None]] = questions(CONTRACT_MODULES, "contract_")
"""What every host behind the seam is asked."""
