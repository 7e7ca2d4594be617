"""Makes a bundle: collect, redact, analyse, and refuse to give out one in which a secret stands."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from secrets import token_bytes
from typing import Any

import launchpad
from launchpad.runner import paths
from launchpad.runner.diagnosing.analysis import analyse
from launchpad.runner.diagnosing.collected import Collected, Diagnosis
from launchpad.runner.diagnosing.collectors import AT_ONCE, COLLECTORS, collect
from launchpad.runner.diagnosing.desk import Desk, Examined
from launchpad.runner.diagnosing.known_secrets import known_secrets_of
from launchpad.runner.diagnosing.leaks import leaks
from launchpad.runner.diagnosing.redactor import Redactor
from launchpad.runner.hint import Next, hint_from_json
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.record import Record

FORMAT = "launchpad-bundle-1"
CASE = "the case's key"
LARGEST = 5 << 20
"""Bytes of a bundle, compressed."""


class Bundle(Record):
    """What leaves the host."""

    data: bytes
    """The bundle as a file: JSON, compressed."""
    manifest: Mapping[str, Any]
    diagnoses: tuple[Diagnosis, ...]
    """For the operator: with names and addresses, without secrets."""


def make_bundle(desk: Desk, *, tenant: str, case: bytes, redacting: type[Redactor] = Redactor) -> Bundle:
    """The tenant's bundle, or the whole host's. Without a case's key the mapping of names is this bundle's alone.
    Refused when a secret stands in what would be given out, however it was redacted."""
    host = desk.host
    begun = host.elapsed()
    with ThreadPoolExecutor(1) as pool:  # to open what is sealed takes as long as to look
        knowing = pool.submit(known_secrets_of, host)
        sections, missing = collect(desk, COLLECTORS)
        known = knowing.result()
    name = _name_of(host)
    collected = Collected(host=name, tenant=tenant, at=host.now(), sections=sections)
    diagnoses = analyse(collected)
    values = dict(known.values) | ({CASE: [case.hex()]} if case else {})
    redactor = redacting(
        values, key=case or token_bytes(32), names=_names(host, sections, desk), kept=(name, *desk.tenants)
    )
    bare = redactor.tree(
        {
            "sections": sections,
            "diagnoses": [item.as_json() for item in diagnoses],
            "missing": {item.section: item.why for item in missing},
            "unread": known.unread,
        }
    )
    manifest = {
        "made_at": collected.at,
        "seconds": round(host.elapsed() - begun, 3),
        "by": launchpad.__version__,
        "sections": {part: len(json.dumps(own)) for part, own in bare["sections"].items()},
        "missing": bare.pop("missing"),
        "removed": {kind: redactor.removed[kind] for kind in ("secrets", "tokens", "addresses", "names")},
        "searched": len(values),
        "unread": bare.pop("unread"),
    }
    whole = {"format": FORMAT, "manifest": manifest, "host": name, "tenant": tenant, "at": collected.at} | bare
    text = json.dumps(whole, indent=1, ensure_ascii=False).encode(errors="replace")
    told = redactor.secrets([item.as_json() for item in diagnoses])
    refuse_leaks(text, values, what="the bundle")
    refuse_leaks(json.dumps([told, manifest]).encode(), values, what="the answer")
    data = gzip.compress(text, 6, mtime=0)
    if len(data) > LARGEST:
        raise Refused(
            f"the bundle has {len(data) >> 20} MiB, more than {LARGEST >> 20}", code="bundle-too-large", kind="step"
        )
    return Bundle(data=data, manifest=manifest, diagnoses=tuple(_diagnosis(item) for item in told))


def likely_causes(desk: Desk, *, tenant: str) -> list[Diagnosis]:
    """What is seen at once, for an operation that has just failed; without secrets."""
    known = known_secrets_of(desk.host, sealed=False)
    sections, _ = collect(desk, AT_ONCE)
    found = analyse(Collected(host=_name_of(desk.host), tenant=tenant, at=desk.host.now(), sections=sections))
    told = Redactor(known.values, key=b"").secrets([item.as_json() for item in found])
    refuse_leaks(json.dumps(told).encode(), known.values, what="the answer")
    return [_diagnosis(item) for item in told]


def refuse_leaks(data: bytes, secrets: Mapping[str, Iterable[str]], *, what: str) -> None:
    """Refused when one of the secrets stands in the bytes."""
    found = leaks(data, secrets)
    if found:
        first = f"{found[0].secret} ({found[0].form})"
        more = f" and {len(found) - 1} others" if len(found) > 1 else ""
        message = f"{what} is not given out: the secret {first}{more} stands in it"
        raise Refused(
            message,
            code="secret-in-bundle",
            kind="step",
            hint=Next("status") + "; please report this bug, without the host's files",
        )


def _name_of(host: Examined) -> str:
    """What operators call the host."""
    settings = stored_settings(host).settings
    return settings.identity.host if settings else host.name()


def _names(host: Examined, sections: Mapping[str, Any], desk: Desk) -> set[str]:
    """What is mapped though no pattern tells it from a word: users, operators, other tenants, domains."""
    found = {name for name in host.names(paths.TENANTS) if name not in desk.tenants}
    settings = (sections.get("settings") or {}).get("settings") or {}
    for person in (*settings.get("operators", ()), *settings.get("allowed_signers", ())):
        found.add(str(person.get("name", "")))
    found |= set(map(str, settings.get("admins", ())))
    passwd = (host.read("/etc/passwd") or b"").decode(errors="replace")
    users = (line.split(":") for line in passwd.splitlines())
    found |= {user[0] for user in users if len(user) > 2 and user[2].isdigit() and 1000 <= int(user[2]) < 60_000}
    for own in (sections.get("tenants") or {}).values():
        found |= set((own.get("record") or {}).get("domains", ()))
        found |= {str(item.get("who", "")) for item in own.get("operations", ())}
    return found - set(desk.tenants)


def _diagnosis(plain: Mapping[str, Any]) -> Diagnosis:
    return Diagnosis(**{**plain, "hint": hint_from_json(plain["hint"]), "evidence": tuple(plain["evidence"])})
