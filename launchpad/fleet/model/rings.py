"""How a new version spreads over an app's tenants: ring after ring, each of them judged before the next one begins."""

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
    """A ring that takes the tenants whose files name it."""

    __slots__ = ()
    noun = "ring"
    expected = "a ring's name, such as canary"

    @classmethod
    def judge(cls, text: str) -> None:
        if text == ALL:
            raise Malformed("ring all takes every tenant", expected=cls.expected, hint="leave it out")


class Reach(Text):
    """What a ring takes: the tenants that name it, tenants until it is a share of them all, or the rest."""

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
        """Of a hundred; None for a name, and for all."""
        return int(self[:-1]) if self.endswith("%") else None

    @property
    def name(self) -> str:
        """What tenants' files call it; empty for a share and for all."""
        return "" if self == ALL or self.share is not None else str(self)


Budget = Annotated[int, Field(ge=0, le=10_000)]


class Ring(Model):
    """One step of a rollout. Written by its reach alone, such as `10%`, it has the rollout's soak and budget."""

    ring: Reach
    """A name that tenants' files may have under `ring:`; a share such as 10%, of all tenants and with those before it;
    or all."""
    soak: Duration | None = None
    """For how long its tenants must go well before the next ring begins."""
    budget: Budget | None = None
    """So many of its tenants may fail."""


def _ring(value: object) -> object:
    """By its reach alone; a number is no ring, but `Reach` says how a share is written."""
    bare = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    return {"ring": str(value)} if bare else value


AnyRing = Annotated[Ring, BeforeValidator(_ring, json_schema_input_type=str | Ring)]
USUAL = tuple(Ring(ring=Reach(text)) for text in ("canary", "1%", "10%", "50%", ALL))


class RolloutDefaults(Model):
    """What `launchpad rollout` does unless it is told otherwise."""

    rings: Annotated[tuple[AnyRing, ...], Field(min_length=1, max_length=MOST_RINGS)] = USUAL
    """In their order; canary, 1%, 10%, 50%, all when left out. A ring that no tenant is in is passed over."""
    soak: Duration = Duration(300)
    """For how long a ring's tenants must go well before the next ring begins."""
    budget: Budget = 0
    """So many tenants of a ring may fail; one more, and the rollout halts."""
    tenant_soak: Duration = Duration(60)
    """For how long each tenant is watched with customers on it before its upgrade is committed; 1h at most."""
    timeout: Duration = Duration(1800)
    """How long one tenant's upgrade may take; then it is undone."""
    patience: Duration = Duration(180)
    """How long a host that went silent in the middle is waited for, and who is not well behind an upgrade."""

    def findings(self) -> Iterator[ModelMistake]:
        reaches = [item.ring for item in self.rings]
        for index, reach in enumerate(reaches):
            at = ("rings", index)
            if reach in reaches[:index]:
                yield ModelMistake(at, f"ring {reach} appears twice", "each ring once")
            elif reach.share is not None and ALL in reaches[:index]:
                yield ModelMistake(at, f"ring {reach} comes after all, which leaves it nobody", "shares before all")
            elif reach.share is not None and max([item.share or 0 for item in reaches[:index]] or [0]) >= reach.share:
                yield ModelMistake(at, f"ring {reach} comes after a larger share", "shares that grow")
        if ALL not in reaches:
            yield ModelMistake(("rings",), "no ring takes the rest of the tenants", "one ring that is all")
        if self.tenant_soak > MOST_SOAK:
            yield ModelMistake(("tenant_soak",), f"a tenant_soak of {self.tenant_soak}", f"at most {MOST_SOAK}")

    @property
    def names(self) -> tuple[str, ...]:
        """What tenants' files may have under `ring:`."""
        return tuple(item.ring.name for item in self.rings if item.ring.name)
