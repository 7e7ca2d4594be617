"""How well a tenant or a host is, in facts: the layer, how bad, since when, and what to type next.

The watch keeps the facts in its account, `observe` sends them, and everybody judges by them: `status`, `health`,
`diagnose`. Standard library only; data, no behaviour.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from launchpad.runner.hint import Hint, hint_as_json, hint_from_json
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from typing import Protocol

    class FoundWrong(Protocol):
        """A finding of the watch, on either side."""

        @property
        def subject(self) -> str: ...
        @property
        def message(self) -> str: ...
        @property
        def hint(self) -> str: ...
        @property
        def since(self) -> float: ...


class Layer(StrEnum):
    """What a fact is about. Each layer of a tenant depends on the layers before it."""

    # Of a tenant
    process = "process"
    """The containers run."""
    ready = "ready"
    """The app answers its own probes."""
    edge = "edge"
    """Caddy serves the tenant's names, with a certificate, at the host's public address."""
    provider = "provider"
    """The customer's key still works."""
    channel = "channel"
    """The bot is connected."""
    data = "data"
    """Quota, backups, and proof of a backup."""
    # Of a host
    disk = "disk"
    inodes = "inodes"
    memory = "memory"
    load = "load"
    clock = "clock"
    resolver = "resolver"
    units = "units"
    firewall = "firewall"
    settings = "settings"
    reboot = "reboot"
    updates = "updates"
    targets = "targets"
    docker = "docker"
    caddy = "caddy"
    watch = "watch"
    loss = "loss"
    """Whether the host's tenants came back on other hosts in a game day."""
    peer = "peer"
    """Another host of the fleet reaches this host's port 443."""


class Grade(StrEnum):
    """As monitoring plugins grade."""

    ok = "ok"
    warning = "warning"
    critical = "critical"
    unknown = "unknown"


WORSE = (Grade.ok, Grade.warning, Grade.unknown, Grade.critical)
"""Each grade is worse than the grades before it."""


class Fact(Record):
    """The result of one check."""

    layer: Layer
    grade: Grade
    message: str
    """One sentence for people, without a full stop."""
    hint: Hint | str = ""
    """The command to type next."""
    tenant: str = ""
    """The tenant; empty for the host itself."""
    subject: str = ""
    """One word for the fact within its layer: `quota`, `backup`, a name. Tenant, layer and subject stay the same from
    check to check."""
    at: float = 0.0
    """When the check ran, by the host's clock."""
    since: float = 0.0
    """Since when the fact has this grade, by the host's clock."""
    value: float | None = None
    unit: str = ""
    """The unit of value and limit: `B`, `s`, `%`; empty for a count."""
    limit: float | None = None
    """The largest possible value."""
    host: str = ""
    """The other host that the fact is about, as this host sees the other host from outside; empty for this host."""

    @property
    def key(self) -> tuple[str, str, str]:
        """The key of the fact: tenant, layer and subject."""
        return self.tenant, self.layer, self.subject


class Returned(Record):
    """How a tenant came back in a game day of its host."""

    tenant: str
    host: str
    """Where the clone ran; empty when no host had room."""
    seconds: float = 0.0
    problem: str = ""
    """Why the tenant did not come back; empty when the clone became ready and stayed ready."""
    target: str = ""
    snapshot: str = ""
    """The backup's id at the target."""
    generation: str = ""
    """The id of the operation that made the backup."""
    version: str = ""
    at: float = 0.0
    """When the data of the backup was frozen."""

    @property
    def is_back(self) -> bool:
        return not self.problem


class GameDay(Record):
    """The last game day of a host: its tenants came back on other hosts, as if the host were lost."""

    seconds: float
    """From the beginning to the end of the last clone."""
    tenants: tuple[Returned, ...]
    at: float = 0.0
    """When it was recorded, by the host's clock."""
    by: str = ""
    """The operator."""

    @property
    def missing(self) -> tuple[str, ...]:
        """The tenants that did not come back."""
        return tuple(item.tenant for item in self.tenants if not item.is_back)


_OF_FINDINGS: Mapping[str, tuple[Layer, Grade]] = {
    "apps": (Layer.process, Grade.critical),
    "illness": (Layer.ready, Grade.critical),
    "disk": (Layer.data, Grade.critical),
    "certificate": (Layer.edge, Grade.critical),
    "renewal": (Layer.edge, Grade.warning),
    "firewall": (Layer.firewall, Grade.critical),
    "docker-rules": (Layer.firewall, Grade.critical),
    "docker": (Layer.docker, Grade.critical),
    "caddy": (Layer.caddy, Grade.critical),
    "dns": (Layer.resolver, Grade.critical),
    "resolvers": (Layer.resolver, Grade.critical),
    "access": (Layer.settings, Grade.critical),
    "provision": (Layer.settings, Grade.critical),
    "clock": (Layer.clock, Grade.warning),
    "units": (Layer.units, Grade.critical),
    "reboot": (Layer.reboot, Grade.warning),
    "boot": (Layer.watch, Grade.warning),
    "watch": (Layer.watch, Grade.critical),
    "usage": (Layer.watch, Grade.warning),
}
"""By the finding's subject; every other is one of the host's settings."""


def fact_of(finding: FoundWrong, *, tenant: str, at: float) -> Fact:
    """What a check of the watch found, as a fact that was seen then."""
    layer, grade = _OF_FINDINGS.get(finding.subject, (Layer.settings, Grade.warning))
    return Fact(
        layer=layer, grade=grade, message=finding.message, hint=finding.hint, tenant=tenant,
        subject=finding.subject, at=at, since=finding.since,
    )  # fmt: skip


def fact_as_json(fact: Fact) -> dict[str, Any]:
    """The fact without what is as it usually is; `fact_from_json` reads it back."""
    told = {name: value for name, value in fact.plain().items() if value != Fact.FIELDS[name]}
    return told | {"hint": hint_as_json(fact.hint)} if fact.hint else told


LATE, VERY_LATE = 1.5, 4.0
"""A backup that is so many times as old as it should be is a warning, or critical."""


def lateness(age: float, every: float) -> Grade:
    """How well a tenant is backed up with a newest backup of this age, where one is due each `every` seconds."""
    return Grade.critical if age > VERY_LATE * every else Grade.warning if age > LATE * every else Grade.ok


def worst(grades: Iterable[Grade]) -> Grade:
    """The worst of the grades; ok where there is none."""
    return max(grades, key=WORSE.index, default=Grade.ok)


def fact_from_json(value: Mapping[str, Any]) -> Fact:
    """The fact again. TypeError or ValueError for an unknown key, a missing one, a wrong type, an unknown word."""
    value = {**value, "hint": hint_from_json(value.get("hint", ""))}
    for name, given in value.items():
        if type(given) not in _TYPES.get(name, ()):
            raise TypeError(f"{name}: {given!r}")
    if not value.keys() >= {"layer", "grade", "message"}:
        raise TypeError("a fact has a layer, a grade and a message")
    return Fact(**{**value, "layer": Layer(value["layer"]), "grade": Grade(value["grade"])})


_TEXT, _NUMBER = (str, Hint, Layer, Grade), (int, float)
_TYPES: Mapping[str, tuple[type, ...]] = {
    **dict.fromkeys(("layer", "grade", "message", "hint", "tenant", "subject", "unit", "host"), _TEXT),
    **dict.fromkeys(("at", "since"), _NUMBER),
    **dict.fromkeys(("value", "limit"), (*_NUMBER, type(None))),
}
