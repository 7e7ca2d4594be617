"""Check that each tenant's names have a certificate, and why one is missing: from Caddy's storage and Caddy's log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from launchpad.runner import paths
from launchpad.runner.account import Finding, read_account
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed
from launchpad.runner.moving.sealed_certificates import valid
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.tenant_record import read_tenant
from launchpad.runner.view import View
from launchpad.runner.watching.check import Check

if TYPE_CHECKING:
    from launchpad.runner.account import Account

NAME = "certificates"
CADDY = "launchpad-caddy"
GRACE_SECONDS = 60.0
"""Seconds for which a new name may lack a certificate, unless Caddy logs a reason earlier."""
USUAL_SECONDS, SOON_SECONDS = 30.0, 5.0
"""Seconds between checks, and while a certificate is missing."""
LATE_SHARE = 6
"""Caddy renews in the last third of the validity; with less than 1/6 left, a renewal is late."""
LONGEST_REASON = 300
DAY = 86400.0
_AROUND = re.compile(
    r"^(?:(?:Obtain|Renew|solving challenges?|authorization failed): )*|urn:ietf:params:acme:error:| \(ca=[^)]*\)$"
)
_NAMED = re.compile(r"\[([^\]\s]+)\] ")


class CertificateCheck(Check):
    """The facts: domain → {"tenant", "until" or null, "since" when it is missing, "why"}."""

    name = NAME
    every = USUAL_SECONDS

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        before = read_account(host)[1].get(NAME) or {}
        self._since = {domain: item["since"] for domain, item in before.items() if item["since"]}
        self._why = {domain: item["why"] for domain, item in before.items() if item["why"]}
        self._heard = 0.0

    def look(self) -> Iterable[Finding]:
        now = self.host.now()
        served = dict(names_served(self.host))
        until = {domain: valid(self.host, domain) for domain in served}
        ill = {domain: what for domain, validity in until.items() if (what := wrong(validity, now))}
        self._since = {domain: self._since.get(domain, now) for domain in ill}
        self.every = SOON_SECONDS if ill else USUAL_SECONDS
        self._why = {domain: why for domain, why in self._why.items() if domain in ill}
        if ill:
            begun = self.host.now()
            said = reasons(self.host, self._heard or begun - DAY)
            self._why |= {domain: why for domain, why in said.items() if domain in ill}
            self._heard = begun - 1
        self.facts = {
            domain: {
                "tenant": tenant,
                "until": ends[1] if (ends := until[domain]) else None,
                "since": self._since.get(domain, 0.0),
                "why": self._why.get(domain, ""),
            }
            for domain, tenant in served.items()
        }
        self.health = [
            _good(domain, served[domain], ends, now) for domain, ends in until.items() if ends and domain not in ill
        ]
        return [
            self._finding(domain, what, tenant=served[domain], is_valid=(until[domain] or (0, 0))[1] > now)
            for domain, what in ill.items()
            if until[domain] or domain in self._why or now - self._since[domain] >= GRACE_SECONDS
        ]

    def _finding(self, domain: str, what: str, *, tenant: str, is_valid: bool) -> Finding:
        why = self._why.get(domain) or "Caddy's log gives no reason"
        hint = Next("certificates", tenant, "--retry")
        return Finding(
            "renewal" if is_valid else "certificate",
            f"{domain} {what} ({why})",
            hint,
            tenant=tenant,
            since=self._since[domain],
        )


def _good(domain: str, tenant: str, validity: tuple[float, float], now: float) -> Fact:
    begins, ends = validity
    left, whole = ends - now, ends - begins
    message = f"{domain} has a certificate"
    return Fact(
        Layer.edge, Grade.ok, message, tenant=tenant, subject=f"certificate {domain}", value=left, unit="s", limit=whole
    )


def names_served(host: View) -> Iterator[tuple[str, str]]:
    """Each domain that Caddy serves for a tenant of this host, and the tenant."""
    for tenant in filter(is_tenant_name, host.names(paths.TENANTS)):
        try:
            record = read_tenant(host, tenant)
        except Failed:
            continue  # still check the other tenants' names
        if record is None or record.retired or host.read(paths.site(tenant)) is None or not may_run(host, record):
            continue
        for domain in record.domains:
            yield domain, tenant


def wrong(validity: tuple[float, float] | None, now: float) -> str:
    """The problem of a certificate with this validity; empty for none."""
    if validity is None:
        return "has no certificate"
    begins, ends = validity
    if ends <= now:
        return "has an expired certificate"
    return "has a certificate whose renewal is late" if ends - now < (ends - begins) / LATE_SHARE else ""


def reasons(host: View, since: float) -> dict[str, str]:
    """Domain → the last reason since then for which Caddy could not get its certificate."""
    found: dict[str, str] = {}
    for line in host.log(CADDY, since=since, tail=None, follow=False):
        if '"level":"error"' in line.text and '"logger":"tls.' in line.text:
            domain, why = _reason(line.text)
            if domain:
                found[domain] = why
    return found


def _reason(text: str) -> tuple[str, str]:
    try:
        said: Mapping[str, Any] = json.loads(text)
        error = str(said.get("error") or "")
        named = _NAMED.match(error)
        domain = str(said.get("identifier") or (named[1] if named else ""))
    except (ValueError, AttributeError):
        return "", ""
    # Each layer of Caddy prefixes the name and its own action again.
    why = _AROUND.sub("", error.replace(f"[{domain}] ", "").replace(f"{domain}: ", ""))
    if said.get("msg") not in ("could not get certificate from issuer", "will retry", "job failed") or not why:
        return "", ""
    return ("", "") if "context canceled" in why else (domain, why[:LONGEST_REASON])
