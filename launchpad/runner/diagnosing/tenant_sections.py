"""The sections about tenants, a function each; `collectors.py` lists them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from launchpad.runner import paths
from launchpad.runner.account import read_account
from launchpad.runner.diagnosing.collected import in_order
from launchpad.runner.diagnosing.desk import TEXT_BYTES, Desk, Examined, lines_of, newest
from launchpad.runner.drift import read_manifest
from launchpad.runner.host import Failed
from launchpad.runner.journal import IDENTIFIER, Journal

LOG_BYTES = 2 << 20
"""Of all tenants' logs together; each tenant gets an equal share, the newest lines."""
MOST_OPERATIONS = 8


def tenants(desk: Desk) -> dict[str, Any]:
    """Each tenant as `observe` has it, with its release, its room, and what is known of its backups."""
    from launchpad.runner.caller import Caller
    from launchpad.runner.verbs.observe import observe

    host = desk.host
    *_, said = observe(host, {"tenants": list(desk.tenants)}, Caller("diagnose"))
    found: dict[str, Any] = {}
    for name, own in said["body"]["tenants"].items():
        manifest = read_manifest(host, name, own["record"]["started"])
        memory = [0, 0]
        for item in own["containers"]:
            with suppress(Failed):
                for index, size in enumerate(host.memory(item["name"])):
                    memory[index] += size
        quota = list(host.quota(paths.data(name))) if host.has_data(paths.data(name)) else [0, 0]
        parts = {"quota": quota, "memory": memory, "manifest": manifest.plain() if manifest else {}}
        found[name] = own | parts | {"targets": dict(_targets(host, name))}
        found[name]["breaker"] = own["breaker"] or {}
    return found


def _targets(host: Examined, tenant: str) -> Iterator[tuple[str, Any]]:
    folder = f"{paths.backup(tenant)}/targets"
    for file in host.names(folder):
        if file.endswith(".json"):
            with suppress(ValueError):
                yield file.removesuffix(".json"), json.loads(host.read(f"{folder}/{file}") or b"{}")


def files(desk: Desk) -> dict[str, Any]:
    """The rendered files of what runs: no secret stands in one, because none does in a release."""
    found: dict[str, dict[str, str]] = {}
    for tenant in desk.tenants:
        record = json.loads(desk.host.read(paths.record(tenant)) or b"{}")
        short, room = str(record.get("started", "")), TEXT_BYTES // max(1, len(desk.tenants) // 4)
        manifest = read_manifest(desk.host, tenant, short) if short else None
        for name in manifest.files if manifest else ():
            text = (desk.host.read(f"{paths.release(tenant, short)}/{name}") or b"").decode(errors="replace")
            room -= len(text)
            found.setdefault(tenant, {})[name] = text if room >= 0 else f"[{len(text)} characters]"
    return found


def log(desk: Desk) -> dict[str, Any]:
    """What tenants' containers wrote in 48 h, without message bodies."""
    found: dict[str, dict[str, list[str]]] = {}
    share = LOG_BYTES // max(1, len(desk.tenants))
    for item in desk.host.containers():
        if item.tenant in desk.tenants:
            lines = found.setdefault(item.tenant, {}).setdefault(item.service or item.name, [])
            lines[:] = in_order([*lines, *newest(lines_of(desk, item.name), share)])
    return found


def leads(desk: Desk) -> dict[str, Any]:
    """Where each tenant's names lead, by the host's own resolver."""
    found: dict[str, dict[str, Any]] = {}
    threads = []
    for tenant in desk.tenants:
        record = json.loads(desk.host.read(paths.record(tenant)) or b"{}")
        for domain in record.get("domains", ()):
            own = found.setdefault(tenant, {})
            own[domain] = None  # not known yet
            thread = threading.Thread(target=_lead, args=(desk.host, domain, own), daemon=True)
            thread.start()
            threads.append(thread)
    for thread in threads:
        thread.join(3)
    return found


def _lead(host: Examined, domain: str, into: dict[str, Any]) -> None:
    into[domain] = sorted(host.leads_to(domain))


def certificates(desk: Desk) -> dict[str, Any]:
    """As the watch sees them: until when each is valid, and what Caddy says of one that is missing."""
    found: dict[str, dict[str, Any]] = {}
    for domain, own in (read_account(desk.host)[1].get("certificates") or {}).items():
        if own.get("tenant") in desk.tenants:
            found.setdefault(own["tenant"], {})[domain] = own
    return found


def operations(desk: Desk) -> dict[str, Any]:
    """The newest operations on each tenant, as their journals have them."""
    names = [desk.operation] if desk.operation else desk.host.names(paths.OPERATIONS)
    found: dict[str, list[dict[str, Any]]] = {}
    for name in filter(IDENTIFIER.fullmatch, names):
        own = Journal(desk.host, name)
        asked, outcome = own.asked(), own.outcome() or {}
        tenant = asked["operation"].get("tenant", "") if asked else ""
        if asked and tenant in desk.tenants:
            what = {key: asked[key] for key in ("id", "who", "at")} | {"kind": asked["operation"]["kind"]}
            done = {key: outcome.get(key) for key in ("outcome", "message", "lines", "seconds")}
            found.setdefault(tenant, []).append(what | done | {"lines": outcome.get("lines") or []})
    return {tenant: sorted(own, key=lambda item: float(item["at"]))[-MOST_OPERATIONS:] for tenant, own in found.items()}
