"""observe: the present state of the host and its tenants, and what was changed by hand. Reads only.

The whole fleet's `status` waits for this verb, so it asks Docker once for everything, starts one program (nft), and
imports nothing of the engine.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any

import launchpad
from launchpad.runner import paths, slots
from launchpad.runner.account import ILLNESS, RUN_PROVISION, WATCH, Finding, read_account
from launchpad.runner.backed_up import backed_up_at, proven_at
from launchpad.runner.booting import BOOT, is_going_on, seen_to
from launchpad.runner.capacity import available_mb, shortages
from launchpad.runner.drift import FoundTenant, Manifest, drift, read_manifest
from launchpad.runner.host import Container, Failed
from launchpad.runner.moving.tombstone import in_force
from launchpad.runner.own_digest import digest
from launchpad.runner.protocol import BESIDE, PROTOCOL, Refused, digest_of
from launchpad.runner.record import Record
from launchpad.runner.verbs import only, reply

if TYPE_CHECKING:
    from launchpad.runner.caller import Caller
    from launchpad.runner.view import View

PROBE_SECONDS = 3.0
"""The longest time of a probe in `status`; all probes run at once."""


class Edge(Record):
    """The state that all tenants share."""

    containers: Mapping[str, list[Container]]
    networks: frozenset[str]
    gate: bool
    passing: frozenset[IPv4Address]
    served: frozenset[str] | None
    """The domains that Caddy serves; None when Caddy does not answer."""
    docker: str
    """Docker's version; empty when Docker does not answer."""
    held: Set[str]
    """The tenants that were locked before the state was read."""
    starting: Set[str]
    """The tenants that the boot has not yet handled."""


def observe(host: View, body: Mapping[str, Any], _caller: Caller) -> Iterator[dict[str, Any]]:
    """{"host": {…}, "tenants": {name: {…}}, "operations": [those that are open]}.

    body {"tenants": [name] or null for all, "probes": whether to ask the apps how they are}."""
    given = only(body, tenants=list, probes=bool)
    problems: list[str] = []
    names = [name for name in host.names(paths.TENANTS) if slots.is_tenant_name(name)]
    if given["tenants"] is not None:
        names = [name for name in names if name in given["tenants"]]
    findings, facts, health = read_account(host)
    starting = is_going_on(host) and not any(item.subject == BOOT for item in findings)
    held = {name for name in names if host.lock_owner(f"tenant-{name}") is not None}
    edge = _edge(host, problems, held, set(names) - set(seen_to(host)) if starting else set())
    for name, answers in (("Docker", bool(edge.docker)), ("Caddy", edge.served is not None)):
        if not answers:
            problems[:] = [text for text in problems if not text.startswith(f"{name} ")]
            findings.append(Finding(name.lower(), f"{name} does not answer", RUN_PROVISION))
    if starting:
        findings = [item for item in findings if item.subject not in ("docker", "caddy", WATCH)]
        problems.clear()  # Docker and Caddy may still be starting
        findings.append(Finding(BOOT, "the host has booted and is starting its tenants"))
    waiting = _open_operations(host)
    tenants = {}
    for name in names:
        try:
            found = _or(problems, lambda name=name: _tenant(host, name, edge, waiting), None)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            found = None
            problems.append(f"{name}: its files on the host cannot be read: {type(error).__name__} {error}")
        if found is not None:
            tenants[name] = found
    if given["probes"] is not False:
        _ask(host, tenants)
    for name, found in tenants.items():
        del found["manifest"]
        found["findings"] = _plain(findings, name)
        found["health"] = [fact for fact in health if fact.get("tenant") == name and "host" not in fact]
        if not found["record"]["running"]:  # the watch looked before it was stopped
            for part in ("findings", "health"):
                found[part] = [item for item in found[part] if item.get("subject") != ILLNESS]
    own = _host(host, edge, problems) | {"findings": _plain(findings, ""), "facts": facts}
    own["health"] = [fact for fact in health if "tenant" not in fact and "host" not in fact]
    own["outside"] = [fact for fact in health if "host" in fact]
    yield reply({"host": own, "tenants": tenants, "operations": waiting})


def _plain(findings: Iterable[Finding], tenant: str) -> list[dict[str, Any]]:
    """The findings of the tenant; of the host itself for an empty name."""
    return [item.as_json() for item in findings if item.tenant == tenant]


def _host(host: View, edge: Edge, problems: list[str]) -> dict[str, Any]:
    total, free = _or(problems, host.disk, (0, 0))
    for short in _or(problems, lambda: list(shortages(host)), []) if total else ():
        problems.append(f"{short.message}: {short.hint}")
    settings = host.read(f"{paths.ETC}/settings.json")
    return {
        "name": host.name(),
        "boot_id": host.boot_id(),
        "clock": host.now(),
        "runner": launchpad.__version__,
        "digest": digest(),
        "protocol": PROTOCOL,
        "settings_digest": "" if settings is None else digest_of(settings),
        "docker": edge.docker,
        "caddy": {"state": "down" if edge.served is None else "running", "reloads": host.reload_count()},
        "reverts": _reverts(host),
        "disk": {"total": total, "free": free},
        "memory": {"free_mb": available_mb(host)},
        "gameday": _or(problems, lambda: _json(host, paths.GAMEDAY), None),
        "problems": problems,
    }


def _edge(host: View, problems: list[str], held: Set[str], starting: Set[str]) -> Edge:
    version = _or(problems, host.docker_version, "")
    containers: dict[str, list[Container]] = {}
    for item in _or(problems, host.containers, []) if version else ():
        containers.setdefault(item.tenant, []).append(item)
    networks: frozenset[str] = _or(problems, host.network_names, frozenset()) if version else frozenset()
    gate, passing = _or(problems, host.gate, (False, frozenset()))
    if not gate:
        problems.append("the traffic gate was changed by hand")
    served = _or(problems, lambda: frozenset(served_names(host.running_sites())), None)
    return Edge(containers, networks, gate, passing, served, version, held, starting)


def _tenant(host: View, name: str, edge: Edge, waiting: list[dict[str, Any]]) -> dict[str, Any] | None:
    """A tenant's state; None for a folder without a record. `manifest` is for the probes and is not sent."""
    record = _json(host, paths.record(name))
    if record is None:
        return None
    if not record.keys() >= paths.RECORDED:
        raise Failed(f"{paths.record(name)} cannot be read: not a tenant's record", code="tenant-record-unreadable")
    containers = edge.containers.get(name, [])
    manifest = read_manifest(host, name, record["release"])
    owner = host.lock_owner(f"tenant-{name}")
    side = {slots.address(record["slot"], index, record["side"]) for index in range(slots.MOST_SERVICES)}
    found = FoundTenant(
        record=record, manifest=manifest, containers=containers, networks=edge.networks,
        gate=edge.gate, passing=edge.passing & side, served=edge.served,
    )  # fmt: skip
    return {
        "record": record,
        "containers": [item.plain() for item in containers],
        "probes": [],
        # Changes by an operation or the boot during this reading are not drift.
        "drift": [] if owner or name in edge.held | edge.starting or _gone(host, record) else _drift(host, found, edge),
        "starting": name in edge.starting and record["running"] and not record["retired"],
        "traffic": "open" if side <= edge.passing else "closed",
        "gone": _gone(host, record),
        "breaker": _json(host, f"{paths.tenant(name)}/breaker.json"),
        "generations": _generations(host, name),
        "operation": _operation(name, owner, waiting),
        "backup": {
            "at": backed_up_at(host, name),
            "proven": proven_at(host, name),
            "wrapped_for": _wrapped_for(host, name),
        },
        "manifest": manifest,
    }


def _gone(host: View, record: Mapping[str, Any]) -> str:
    """The host that the tenant left for; empty when it did not."""
    try:
        found = in_force(host, record, tenant=record["tenant"], slot=record["slot"])
    except Refused as refused:
        return refused.message
    return found.to if found else ""


def _generations(host: View, name: str) -> dict[str, Any]:
    """The number of generations, and when the newest was taken (null without one)."""
    taken = []
    for entry in host.names(paths.generations(name)):
        with suppress(Failed):  # a damaged record must not hide the tenant
            if entry.endswith(".json") and (record := _json(host, f"{paths.generations(name)}/{entry}")):
                taken.append(record.get("at", 0.0))
    return {"count": len(taken), "newest": max(taken, default=None)}


def _drift(host: View, found: FoundTenant, edge: Edge) -> list[str]:
    try:
        return drift(host, found) if edge.docker else ["Docker does not answer"]
    except Failed as failed:  # for example a link in a file's place, or an unreadable folder
        return [failed.message]


def _operation(name: str, owner: Mapping[str, Any] | None, waiting: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The operation that holds the tenant now, or an open operation of a dead runner that waits to be finished."""
    if owner and owner.get("operation"):
        return {
            "id": owner["operation"],
            "kind": owner.get("kind", ""),
            "who": owner.get("who", ""),
            "state": "running",
        }
    mine = (item for item in waiting if item["tenant"] == name and item["kind"] not in BESIDE)
    return next(({**item, "state": "waiting"} for item in mine), None)


def _wrapped_for(host: View, name: str) -> str | None:
    """A digest of the recipients that the backup key is wrapped for, empty when unknown; None without a key."""
    if host.read(f"{paths.backup(name)}/key.age") is None:
        return None
    return (host.read(f"{paths.backup(name)}/key.for") or b"").decode()


def _open_operations(host: View) -> list[dict[str, Any]]:
    """Every open operation; the watch reports those with a damaged file."""
    found = []
    for identifier in host.names(paths.OPEN):
        with suppress(Failed, KeyError, TypeError, AttributeError):
            asked = _json(host, f"{paths.operation(identifier)}/operation.json")
            if asked and host.read(f"{paths.operation(identifier)}/outcome.json") is None:
                operation = asked["operation"]
                own = {"kind": operation["kind"], "tenant": operation.get("tenant", "")}
                found.append({"id": asked["id"], **own, "who": asked["who"], "at": asked["at"]})
    return found


def _reverts(host: View) -> list[str]:
    """The changes that will be reverted unless they are confirmed."""
    found = []
    for name in host.names(paths.REVERTS):
        with suppress(Failed):  # a damaged file must not stop the reply
            revert = _json(host, f"{paths.REVERTS}/{name}/revert.json")
            if revert and revert.get("state") in ("armed", "waiting"):
                found.append(name)
    return found


def served_names(value: Any) -> Iterator[str]:
    """Every host name in a Caddy configuration."""
    if isinstance(value, dict):
        if isinstance(value.get("host"), list):
            yield from (str(name) for name in value["host"])
        for item in value.values():
            yield from served_names(item)
    elif isinstance(value, list):
        for item in value:
            yield from served_names(item)


def _ask(host: View, tenants: Mapping[str, dict[str, Any]]) -> None:
    """Run every probe of every running tenant at once; results go to the tenants' `probes`."""
    asked = []
    for found in tenants.values():
        manifest, record = found["manifest"], found["record"]
        if manifest is None or not record["running"]:
            continue
        for probe in manifest.probes:
            answer: dict[str, Any] = {"kind": probe["kind"], "service": probe["service"]}
            found["probes"].append(answer)
            if probe["kind"] == "process":
                answer |= _process(manifest, found)
            else:
                answer["name"] = f"{probe['service']}:{probe['port']}{probe['path']}"
                where = slots.address(record["slot"], manifest.services.index(probe["service"]), record["side"])
                asked.append(threading.Thread(target=_get, args=(host, where, probe, answer)))
    for thread in asked:
        thread.start()
    for thread in asked:
        thread.join()


def _process(manifest: Manifest, found: Mapping[str, Any]) -> dict[str, Any]:
    running = {item["service"] for item in found["containers"] if item["state"] == "running"}
    missing = [name for name in manifest.services if name not in running]
    return {"ok": not missing, "detail": f"{', '.join(missing)} not running" if missing else ""}


def _get(host: View, where: IPv4Address, probe: Mapping[str, Any], answer: dict[str, Any]) -> None:
    status = host.get(where, probe["port"], probe["path"], seconds=PROBE_SECONDS)
    ok = status == probe["expect"]
    said = f"answered {status}" if status else "did not answer"
    answer |= {"ok": ok, "status": status, "detail": "" if ok else f"{said} on {probe['path']}"}


def _json(host: View, path: str) -> dict[str, Any] | None:
    data = host.read(path)
    try:
        return None if data is None else dict(json.loads(data))
    except (ValueError, TypeError) as error:
        raise Failed(f"{path} cannot be read: {error}", code="tenant-file-unreadable") from error


def _or(problems: list[str], read: Any, otherwise: Any) -> Any:
    """The result of `read`; after a failure the other value, with the problem noted, so that the rest is still
    reported."""
    try:
        return read()
    except Failed as failed:
        problems.append(failed.message)
        return otherwise
