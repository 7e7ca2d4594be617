"""A tenant: one customer's instance of an app on one host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

from pydantic import Field, PlainValidator
from pydantic_core import PydanticCustomError

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.model.rings import RingName
from launchpad.fleet.words.names import AppName, DomainName, HostName, TenantName, TierName, VariableName, VersionName
from launchpad.fleet.words.references import Prose
from launchpad.runner.limits import MOST_DOMAINS
from launchpad.runner.slots import FIRST_SLOT, LAST_SLOT


def _scalar(value: object) -> object:
    if isinstance(value, str | int | float | bool):
        return value
    raise PydanticCustomError(
        "malformed", "{what}", {"what": "not a single value", "expected": "text, a number or true or false"}
    )


Value = Annotated[str | int | float | bool, PlainValidator(_scalar, json_schema_input_type=str | int | float | bool)]
"""What a variable may be; an app says which."""


class Tenant(Model):
    """Everything but the secrets. From a loaded Fleet, all that it names exists and the variables fit the app, whose
    defaults `Fleet.variables(tenant)` adds."""

    name: TenantName
    slot: Annotated[int, Field(ge=FIRST_SLOT, le=LAST_SLOT)]
    """Given once by `tenant add`, never reused."""
    app: AppName
    """What runs: the name of a file in inventory/apps/, or an app that ships."""
    version: VersionName
    """Which of the app's versions is to run; `launchpad versions APP` shows them."""
    tier: TierName
    """Which limits hold, of those in inventory/tiers.yaml."""
    host: HostName
    """Where it runs; `launchpad move` changes it."""
    domains: Annotated[tuple[DomainName, ...], Field(max_length=MOST_DOMAINS)] = ()
    """The names at which visitors reach it, over HTTPS."""
    running: bool = True
    """false: deployed and stopped, its data kept."""
    variables: Mapping[VariableName, Value] = {}
    """What the app lets a tenant set; its defaults hold for the others."""
    ring: RingName | None = None
    """The ring of a rollout that takes it, one of those in launchpad.yaml; else chance decides."""
    note: Prose | None = None
    """For people; nothing is computed from it."""

    def findings(self) -> Iterator[ModelMistake]:
        for index, domain in enumerate(self.domains):
            if domain in self.domains[:index]:
                yield ModelMistake(("domains", index), f"domain {domain} appears twice", "each domain once")
