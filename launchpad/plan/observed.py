"""A host's and its tenants' state, from the reply to `observe`.

Unknown keys are ignored, because the runner may be newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.errors import HostError
from launchpad.plan.going_on import OperationSeen, operations_from_reply
from launchpad.runner.facts import Fact, GameDay, fact_from_json
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Refused, record_from_json

DECIDING = ("process", "ready")
"""The kinds of probes that decide whether a tenant is healthy; the others only warn."""


@dataclass(frozen=True, kw_only=True)
class ProbeSeen:
    kind: str
    service: str
    ok: bool
    detail: str
    name: str = ""
    """service:port/path, the name in rehearsals; empty for a process probe or an older runner."""

    @property
    def decides(self) -> bool:
        return self.kind in DECIDING


@dataclass(frozen=True, kw_only=True)
class FindingSeen:
    """A problem that the host's watch found."""

    subject: str
    message: str
    hint: str
    """The command to type next; empty for none."""
    since: float
    """When the problem was first seen, by the host's clock; 0 when unknown."""


@dataclass(frozen=True, kw_only=True)
class CertificateSeen:
    """The watch's knowledge about a name's certificate; times in seconds since 1970, by the host's clock."""

    until: float | None
    """When the certificate expires; None without a certificate."""
    since: float
    """Since when the certificate is missing or late; 0 for no problem."""
    why: str


@dataclass(frozen=True, kw_only=True)
class RoomSeen:
    """A tenant's used and allowed bytes, from the watch's last check; 0 when unknown."""

    disk: int
    quota: int
    memory: int
    memory_limit: int


@dataclass(frozen=True, kw_only=True)
class TenantSeen:
    """A tenant's state on its host. `release` and `version` are those of the last deploy, also for a stopped tenant."""

    tenant: str
    app: str
    version: str
    release: str
    domains: tuple[str, ...]
    secrets: Mapping[str, int]
    running: bool
    """Whether the tenant should run."""
    retired: bool
    at: float
    """When the tenant was deployed, by the host's clock."""
    by: str
    services: Mapping[str, str]
    """Service → its container's state, on the serving side."""
    probes: tuple[ProbeSeen, ...]
    drift: tuple[str, ...]
    traffic_open: bool
    breaker: str
    """Why the host no longer restarts a service; empty without a tripped breaker."""
    operation: str
    """The id of the running operation; empty for none."""
    backed_up: float | None = None
    """When the data of the newest backup was frozen, by the host's clock."""
    proven: float | None = None
    """When a backup was last proven."""
    wrapped_for: str | None = None
    """A digest of the recipients that the backup key is wrapped for, empty when unknown; None without a key."""
    generations: int | None = None
    """The number of generations; None for a runner without generations."""
    gone: str = ""
    """The host that the tenant moved to; empty for none."""
    certificates: Mapping[str, CertificateSeen] = field(default_factory=dict)
    """By name; empty before the watch's first check."""
    room: RoomSeen | None = None
    findings: tuple[FindingSeen, ...] = ()
    health: tuple[Fact, ...] = ()
    """The tenant's facts from the host's watch."""
    starting: bool = False
    """Whether the host has just booted and has not started the tenant yet."""
    rolled_back_from: str = ""
    """The version before the last rollback; empty after a later deploy, or when the version did not change."""
    revision: str = ""
    """The inventory's revision of the deployed release; empty when unknown."""
    slot: int = 0
    """0 when unknown."""

    def was_rolled_back_from(self, version: str) -> bool:
        """Whether a rollback replaced that version."""
        return self.rolled_back_from == version != self.version

    @property
    def ready(self) -> bool:
        return all(probe.ok for probe in self.probes if probe.decides)


@dataclass(frozen=True, kw_only=True)
class HostSeen:
    """A host's own description."""

    host: str
    runner: str
    boot_id: str
    clock: float
    settings_digest: str
    docker: str
    caddy: str
    reverts: tuple[str, ...]
    """Changes of sshd or the firewall that will be reverted unless they are confirmed."""
    problems: tuple[str, ...]
    """The problems of the host itself, for example a full disk."""
    disk_total: int
    disk_free: int
    tenants: Mapping[str, TenantSeen]
    findings: tuple[FindingSeen, ...] = ()
    health: tuple[Fact, ...] = ()
    """The host's own facts from its watch, and what another host sees from outside."""
    outside: tuple[Fact, ...] = ()
    """The watch's facts about another host and its tenants, as seen from outside; see `Fact.host`."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """The watch's facts beside its findings: `{"firewall": {"owned": true}}`."""
    knows_memory: bool = False
    """Whether its runner reports free memory, and so can rehearse other hosts' tenants."""
    memory_free_mb: int | None = None
    """The memory in MiB that a clone could use without swapping; None when unknown."""
    gameday: GameDay | None = None
    """The last game day of the host; None without one."""
    unsettled: tuple[str, ...] = ()
    """The titles of the steps that a provision would run; also empty when not requested."""
    operations: tuple[OperationSeen, ...] = ()
    """The operations under way, on tenants and on the host itself."""


def host_from_reply(body: Mapping[str, Any], *, host: str) -> HostSeen:
    """The host's state from its reply; HostError when the reply cannot be parsed."""
    try:
        own = body["host"]
        disk = own.get("disk") or {}
        return HostSeen(
            host=host,
            runner=_text(own.get("runner")),
            boot_id=_text(own.get("boot_id")),
            clock=float(own["clock"]),
            settings_digest=_text(own.get("settings_digest")),
            docker=_text(own.get("docker")),
            caddy=_text(own.get("caddy")),
            reverts=tuple(_text(item) for item in own.get("reverts") or ()),
            problems=tuple(_text(item) for item in own.get("problems") or ()),
            disk_total=int(disk.get("total") or 0),
            disk_free=int(disk.get("free") or 0),
            knows_memory="memory" in own,
            memory_free_mb=(own.get("memory") or {}).get("free_mb"),
            gameday=record_from_json(GameDay, own["gameday"], "gameday") if own.get("gameday") else None,
            findings=_findings(own),
            health=_health(own),
            outside=_health({"health": own.get("outside")}),
            facts=own.get("facts") or {},
            operations=tuple(operations_from_reply(body)),
            tenants={
                str(name): _tenant(str(name), value, facts=own.get("facts") or {})
                for name, value in body["tenants"].items()
                if value.get("record")
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError, Refused) as error:
        raise HostError(
            f"{host}: the host's answer cannot be read: {type(error).__name__} {error}",
            code="answer-unreadable",
            hint=Next("provision", host),
        ) from error


def _findings(value: Mapping[str, Any]) -> tuple[FindingSeen, ...]:
    return tuple(
        FindingSeen(
            subject=_text(item.get("subject")),
            message=str(item["message"]),
            hint=item.get("hint") or "",
            since=float(item.get("since") or 0),
        )
        for item in value.get("findings") or ()
    )


def _health(value: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Closed: a word that is not known here would be judged wrongly."""
    return tuple(map(fact_from_json, value.get("health") or ()))


def _certificates(name: str, facts: Mapping[str, Any]) -> dict[str, CertificateSeen]:
    return {
        str(domain): CertificateSeen(until=own["until"], since=float(own["since"]), why=_text(own["why"]))
        for domain, own in (facts.get("certificates") or {}).items()
        if own["tenant"] == name
    }


def _room(name: str, facts: Mapping[str, Any]) -> RoomSeen | None:
    own = (facts.get("room") or {}).get(name)
    if own is None:
        return None
    (disk, quota), (memory, limit) = own["disk"], own["memory"]
    return RoomSeen(disk=int(disk), quota=int(quota), memory=int(memory), memory_limit=int(limit))


def _tenant(name: str, value: Mapping[str, Any], *, facts: Mapping[str, Any]) -> TenantSeen:
    record = value["record"]
    containers = [item for item in value.get("containers") or () if item.get("side") == record.get("side")]
    return TenantSeen(
        tenant=name,
        app=str(record["app"]),
        version=str(record["version"]),
        release=str(record["release"]),
        domains=tuple(record.get("domains") or ()),
        secrets=dict(record.get("secrets") or {}),
        running=bool(record["running"]),
        retired=bool(record["retired"]),
        at=float(record["at"]),
        by=_text(record.get("by")),
        services={str(item["service"]): str(item["state"]) for item in containers},
        probes=tuple(_probe(probe) for probe in value.get("probes") or ()),
        drift=tuple(_text(item) for item in value.get("drift") or ()),
        traffic_open=value.get("traffic") == "open",
        breaker=_breaker(value.get("breaker")),
        operation=_text((value.get("operation") or {}).get("id")),
        proven=_number((value.get("backup") or {}).get("proven")),
        wrapped_for=(value.get("backup") or {}).get("wrapped_for"),
        backed_up=_number((value.get("backup") or {}).get("at")),
        generations=_count(value.get("generations")),
        gone=_text(value.get("gone")),
        findings=_findings(value),
        health=_health(value),
        starting=value.get("starting") is True,
        certificates=_certificates(name, facts),
        room=_room(name, facts),
        rolled_back_from=_text(record.get("rolled_back_from")),
        revision=_text(record.get("revision")),
        slot=int(record.get("slot") or 0),
    )


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _count(value: Mapping[str, Any] | None) -> int | None:
    return None if value is None else int(value["count"])


def _probe(value: Mapping[str, Any]) -> ProbeSeen:
    return ProbeSeen(
        kind=str(value["kind"]),
        service=_text(value.get("service")),
        ok=bool(value["ok"]),
        detail=_text(value.get("detail")) or _text(value.get("status")),
        name=_text(value.get("name")),
    )


def _breaker(value: Mapping[str, Any] | None) -> str:
    if not value or value.get("open") is False:
        return ""
    return _text(value.get("reason")) or _text(value.get("message")) or "a service died too often"


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(value.get("version") or value.get("state") or value.get("id") or "")
    return "" if value is None else str(value)
