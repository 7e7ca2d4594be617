"""The rings of a rollout: a new version reaches an app's tenants ring by ring, and each ring is judged before the next
ring starts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated

from pydantic import BeforeValidator, Field

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.words.malformed import Malformed, Text
from launchpad.fleet.words.names import SLUG, Name
from launchpad.fleet.words.quantities import Duration

ALL = "all"
MOST_RINGS = 20
MOST_SOAK = Duration(3600)


class RingName(Name):
    """The name of a ring of the tenants whose files name the ring."""

    __slots__ = ()
    noun = "ring"
    expected = "a ring's name, such as canary"

    @classmethod
    def judge(cls, text: str) -> None:
        if text == ALL:
            raise Malformed("ring all takes every tenant", expected=cls.expected, hint="omit ring:")


class Reach(Text):
    """The tenants of a ring: the tenants that name the ring, a share of all tenants, or the rest."""

    __slots__ = ()
    noun = "ring"
    pattern = re.compile(rf"(?:[1-9][0-9]?%|{SLUG.pattern})")
    longest = 32
    expected = "a name such as canary, a share such as 10%, or all"

    @classmethod
    def suggest(cls, text: str) -> str:
        return "write all" if text in ("100%", "100", "*") else f"write {text}%" if text.isdigit() else ""

    @property
    def share(self) -> int | None:
        """The share in percent; None for a name, and for all."""
        return int(self[:-1]) if self.endswith("%") else None

    @property
    def name(self) -> str:
        """The ring's name in tenants' files; empty for a share and for all."""
        return "" if self == ALL or self.share is not None else str(self)


Budget = Annotated[int, Field(ge=0, le=10_000)]


class Ring(Model):
    """One ring of a rollout. A ring that is written only as its reach, such as `10%`, has the rollout's soak and
    budget."""

    ring: Reach
    """The ring's tenants: a name for `ring:` in tenants' files; a share such as 10% of all tenants, including earlier
    rings; or all."""
    soak: Duration | None = None
    """How long the ring's tenants must stay healthy before the next ring starts."""
    budget: Budget | None = None
    """How many of the ring's tenants may fail."""


def _ring(value: object) -> object:
    """Accept a ring that is written as its reach; for a number, `Reach` reports how to write a share."""
    bare = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return {"ring": str(value)} if bare else value


AnyRing = Annotated[Ring, BeforeValidator(_ring, json_schema_input_type=str | Ring)]
USUAL = tuple(Ring(ring=Reach(text)) for text in ("canary", "1%", "10%", "50%", ALL))


class RolloutDefaults(Model):
    """The rings and limits of `launchpad rollout`."""

    rings: Annotated[tuple[AnyRing, ...], Field(min_length=1, max_length=MOST_RINGS)] = USUAL
    """The rings in their order. Default: canary, 1%, 10%, 50%, all. Empty rings are skipped."""
    soak: Duration = Duration(300)
    """How long a ring's tenants must stay healthy before the next ring starts."""
    budget: Budget = 0
    """How many tenants of a ring may fail; the rollout halts at one more failure."""
    tenant_soak: Duration = Duration(60)
    """How long each tenant must stay healthy under traffic before its upgrade is final; at most 1h."""
    timeout: Duration = Duration(1800)
    """How long one tenant's upgrade may take before it is undone."""
    patience: Duration = Duration(180)
    """How long to wait for a host that falls silent during the rollout, and for a tenant that is not healthy after its
    upgrade."""

    def findings(self) -> Iterator[ModelMistake]:
        reaches = [item.ring for item in self.rings]
        for index, reach in enumerate(reaches):
            at = ("rings", index)
            if reach in reaches[:index]:
                yield ModelMistake(at, f"ring {reach} appears twice", "each ring once")
            elif reach.share is not None and ALL in reaches[:index]:
                yield ModelMistake(
                    at,
                    f"ring {reach} comes after the ring all, so no tenants are left for it",
                    "every share before the ring all",
                )
            elif reach.share is not None and max([item.share or 0 for item in reaches[:index]] or [0]) >= reach.share:
                yield ModelMistake(at, f"ring {reach} comes after a larger share", "shares that grow")
        if ALL not in reaches:
            yield ModelMistake(("rings",), "no ring takes the remaining tenants", "one ring named all")
        if self.tenant_soak > MOST_SOAK:
            yield ModelMistake(("tenant_soak",), f"a tenant_soak of {self.tenant_soak}", f"at most {MOST_SOAK}")

    @property
    def names(self) -> tuple[str, ...]:
        """The names that tenants' files may have under `ring:`."""
        return tuple(item.ring.name for item in self.rings if item.ring.name)
