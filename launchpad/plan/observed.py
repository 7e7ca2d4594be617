"""What a host says of itself and its tenants, read from the reply to `observe`.

Keys that are not known here are passed over: the runner may be newer.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from launchpad.errors import HostError
from launchpad.runner.facts import Fact, fact_from_json

DECIDING = ("process", "ready")
"""Kinds of probes that make a tenant healthy or not; the others warn."""


@dataclass(frozen=True, kw_only=True)
class ProbeSeen:
    kind: str
    service: str
    ok: bool
    detail: str
    name: str = ""
    """service:port/path, as rehearsals know it; empty for one without, and where an older runner does not say."""

    @property
    def decides(self) -> bool:
        return self.kind in DECIDING


@dataclass(frozen=True, kw_only=True)
class FindingSeen:
    """What the host's watch found to be wrong."""

    subject: str
    message: str
    hint: str
    """The command to type next; empty where there is none."""
    since: float
    """When it was seen first, by the host's clock; 0 where that is not known."""


@dataclass(frozen=True, kw_only=True)
class CertificateSeen:
    """What the host's watch knows of the certificate of a name; times in seconds since 1970, by the host's clock."""

    until: float | None
    """None without one."""
    since: float
    """Since when it is missing, or not renewed; 0 when nothing is wrong."""
    why: str


@dataclass(frozen=True, kw_only=True)
class RoomSeen:
    """Bytes that a tenant uses and may use, as the host's watch saw it last; 0 where it does not know."""

    disk: int
    quota: int
    memory: int
    memory_limit: int


@dataclass(frozen=True, kw_only=True)
class TenantSeen:
    """A tenant as its host has it. `release` and `version` are of the last deploy, also when it is stopped."""

    tenant: str
    app: str
    version: str
    release: str
    domains: tuple[str, ...]
    secrets: Mapping[str, int]
    running: bool
    """Whether it is meant to run."""
    retired: bool
    at: float
    """When it was deployed, by the host's clock."""
    by: str
    services: Mapping[str, str]
    """Container's service → its state, of the side that serves."""
    probes: tuple[ProbeSeen, ...]
    drift: tuple[str, ...]
    traffic_open: bool
    breaker: str
    """Why the host gave up restarting it; empty when it has not."""
    operation: str
    """The id of the operation that goes on; empty when there is none."""
    backed_up: float | None = None
    """When its newest backup was frozen, by the host's clock."""
    proven: float | None = None
    """When a backup of it was last booted and found sound."""
    wrapped_for: str | None = None
    """A digest of those whom the key of its backups is wrapped for, empty where the host does not know; None when it
    has no key."""
    generations: int | None = None
    """How many are kept of its data; None where the runner knows of none yet."""
    gone: str = ""
    """The host that it left for; empty when it did not."""
    certificates: Mapping[str, CertificateSeen] = field(default_factory=dict)
    """By name; none where the watch has not looked yet."""
    room: RoomSeen | None = None
    findings: tuple[FindingSeen, ...] = ()
    health: tuple[Fact, ...] = ()
    """What the host's watch knows of how well it is."""
    starting: bool = False
    """Whether the host was just booted and has not started it yet."""
    rolled_back_from: str = ""
    """The version that the last rollback left; empty when something was deployed since, or the version stayed."""
    revision: str = ""
    """The inventory's that it came from; empty where that is not known."""

    def was_rolled_back_from(self, version: str) -> bool:
        """Whether that version ran here last and was left by a rollback."""
        return self.rolled_back_from == version != self.version

    @property
    def ready(self) -> bool:
        return all(probe.ok for probe in self.probes if probe.decides)


@dataclass(frozen=True, kw_only=True)
class HostSeen:
    """A host as it describes itself."""

    host: str
    runner: str
    boot_id: str
    clock: float
    settings_digest: str
    docker: str
    caddy: str
    reverts: tuple[str, ...]
    """Changes of sshd or the firewall that will be taken back unless they are confirmed."""
    problems: tuple[str, ...]
    """What is wrong with the host itself, such as Docker or Caddy that does not answer."""
    disk_total: int
    disk_free: int
    tenants: Mapping[str, TenantSeen]
    findings: tuple[FindingSeen, ...] = ()
    health: tuple[Fact, ...] = ()
    """How well the host itself is, as its watch knows it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What the watch says of its subjects beside what it found: `{"firewall": {"owned": true}}`."""
    knows_memory: bool = False
    """Whether its runner tells how much memory is free, and so can rehearse other hosts' tenants."""
    memory_free_mb: int | None = None
    """What a clone could take without pushing anybody out; None where it is not known."""
    unsettled: tuple[str, ...] = ()
    """What a provision would change, by title; empty also when that was not asked."""


def host_from_reply(body: Mapping[str, Any], *, host: str) -> HostSeen:
    """The host as its reply says; HostError when the reply cannot be understood."""
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
            findings=_findings(own, host),
            health=_health(own, host),
            facts=own.get("facts") or {},
            tenants={
                str(name): _tenant(str(name), value, host, facts=own.get("facts") or {})
                for name, value in body["tenants"].items()
                if value.get("record")
            },
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise HostError(
            f"{host}: the host's answer cannot be read: {type(error).__name__} {error}",
            hint=f"launchpad provision {host}",
        ) from error


def _findings(value: Mapping[str, Any], host: str) -> tuple[FindingSeen, ...]:
    return tuple(
        FindingSeen(
            subject=_text(item.get("subject")),
            message=str(item["message"]),
            hint=_text(item.get("hint")).replace("HOST", host),
            since=float(item.get("since") or 0),
        )
        for item in value.get("findings") or ()
    )


def _health(value: Mapping[str, Any], host: str) -> tuple[Fact, ...]:
    """Closed: a word that is not known here would be judged wrongly."""
    facts = map(fact_from_json, value.get("health") or ())
    return tuple(fact.but(hint=fact.hint.replace("HOST", host)) for fact in facts)


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


def _tenant(name: str, value: Mapping[str, Any], host: str, *, facts: Mapping[str, Any]) -> TenantSeen:
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
        findings=_findings(value, host),
        health=_health(value, host),
        starting=value.get("starting") is True,
        certificates=_certificates(name, facts),
        room=_room(name, facts),
        rolled_back_from=_text(record.get("rolled_back_from")),
        revision=_text(record.get("revision")),
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
