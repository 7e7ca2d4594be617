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
from launchpad.runner.slots import FIRST_SLOT, LAST_SLOT, LATEST_EPOCH


def _scalar(value: object) -> object:
    if isinstance(value, str | int | float | bool):
        return value
    raise PydanticCustomError(
        "malformed", "{what}", {"what": "not a single value", "expected": "text, a number or true or false"}
    )


Value = Annotated[str | int | float | bool, PlainValidator(_scalar, json_schema_input_type=str | int | float | bool)]
"""The types of a variable's value; the app declares which."""


class Tenant(Model):
    """A tenant without its secrets. In a loaded Fleet every name in it exists and the variables are valid for the app;
    `Fleet.variables(tenant)` adds the app's defaults."""

    name: TenantName
    slot: Annotated[int, Field(ge=FIRST_SLOT, le=LAST_SLOT)]
    """The tenant's number, assigned by `launchpad tenant add`. It never changes."""
    epoch: Annotated[int, Field(ge=0, lt=LATEST_EPOCH)] = 0
    """Distinguishes the tenant from earlier tenants of its slot; assigned by `launchpad tenant add` with a slot that is
    given again. It never changes."""
    app: AppName
    """The app: the name of a file in inventory/apps/, or an app that Launchpad ships."""
    version: VersionName
    """The version of the app to run, from `launchpad versions APP`."""
    tier: TierName
    """The tenant's tier in inventory/tiers.yaml: memory, CPU and disk limits."""
    host: HostName
    """The host that runs the tenant; `launchpad move` changes the host."""
    domains: Annotated[tuple[DomainName, ...], Field(max_length=MOST_DOMAINS)] = ()
    """The domains at which visitors reach the tenant, over HTTPS."""
    running: bool = True
    """Whether the tenant runs; false: deployed but stopped, with its data kept."""
    variables: Mapping[VariableName, Value] = {}
    """Values for the app's variables; the others have the app's defaults."""
    ring: RingName | None = None
    """The rollout ring of the tenant, one of the named rings in launchpad.yaml. Default: a ring chosen at random."""
    note: Prose | None = None
    """A note for people; Launchpad does not use it."""

    def findings(self) -> Iterator[ModelMistake]:
        for index, domain in enumerate(self.domains):
            if domain in self.domains[:index]:
                yield ModelMistake(("domains", index), f"domain {domain} appears twice", "each domain once")
