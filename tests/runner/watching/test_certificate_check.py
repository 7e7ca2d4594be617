"""What the watch finds of certificates: missing, and why; expired; not renewed; and what it makes of Caddy's log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.account import Account, Finding, read_account
from launchpad.runner.facts import Grade, Layer, fact_from_json
from launchpad.runner.moving.sealed_certificates import FOLDER, valid
from launchpad.runner.protocol import Refused
from launchpad.runner.verbs.obtain import obtain
from launchpad.runner.view import ContainerLine
from launchpad.runner.watching import look_once
from launchpad.runner.watching.certificate_check import GRACE_SECONDS, CertificateCheck, reasons
from tests.runner.moving.test_sealed_certificates import certificate
from tests.runner.verbs.view import CALLER, MemoryView, answer, deployed, record_of, stamp

DOMAIN = "alice.example.com"
REFUSED = {
    "level": "error",
    "logger": "tls.obtain",
    "msg": "could not get certificate from issuer",
    "identifier": DOMAIN,
    "error": f"[{DOMAIN}] solving challenge: {DOMAIN}: no such name",
}
RETRIED = {
    "level": "error",
    "logger": "tls.obtain",
    "msg": "will retry",
    "error": f"[{DOMAIN}] Obtain: [{DOMAIN}] HTTP 400 urn:ietf:params:acme:error:malformed - no (ca=https://x/dir)",
}


def say(host: MemoryView, *lines: dict[str, Any]) -> None:
    host.written.setdefault("launchpad-caddy", []).extend(
        ContainerLine(stamp(host.now()), json.dumps(line, separators=(",", ":"))) for line in lines
    )


def have(host: MemoryView, since: float, *, domain: str = DOMAIN) -> None:
    """A certificate for 90 days that is valid from then on."""
    text = certificate(datetime.fromtimestamp(since, UTC))
    host.write(f"{FOLDER}/acme.example.com-directory/{domain}/{domain}.crt", text.encode())


def look(host: MemoryView, check: CertificateCheck | None = None) -> list[Finding]:
    return list((check or a_check(host)).look())


def a_check(host: MemoryView) -> CertificateCheck:
    return CertificateCheck(host, Account(host, ("certificates",)))


def test_a_name_with_a_certificate_has_its_end_in_the_facts() -> None:
    host = deployed()
    have(host, host.now() - 86_400)
    check = a_check(host)
    assert look(host, check) == []
    fact = check.facts[DOMAIN]
    assert fact["tenant"] == "alice"
    assert fact["until"] == pytest.approx(host.now() + 89 * 86_400, abs=2)
    assert (fact["since"], fact["why"]) == (0, "")


@pytest.mark.parametrize(
    ("days", "subject", "grade"),
    [(1, "", Grade.ok), (80, "renewal", Grade.warning), (91, "certificate", Grade.critical)],
)
def test_a_certificate_is_a_fact_of_the_edge(days: int, subject: str, grade: Grade) -> None:
    host = deployed()
    have(host, host.now() - days * 86_400)
    account = Account(host, ("certificates",))
    look_once(CertificateCheck(host, account), account)
    (fact,) = [fact_from_json(item) for item in read_account(host)[2]]
    assert (fact.layer, fact.grade, fact.tenant) == (Layer.edge, grade, "alice")
    assert fact.subject == (subject or f"certificate {DOMAIN}")


def test_a_name_without_one_is_a_finding_as_soon_as_caddy_says_why() -> None:
    host = deployed()
    check = a_check(host)
    assert look(host, check) == [], "it may come any moment"
    begun = host.now()
    host.wait(5)
    say(host, REFUSED)
    (found,) = look(host, check)
    assert (found.subject, found.tenant, found.since) == ("certificate", "alice", begun)
    assert found.message == f"{DOMAIN} has no certificate (no such name)"
    assert found.hint == "launchpad certificates alice --retry"
    host.wait(5)
    have(host, host.now())
    assert look(host, check) == []
    assert check.facts[DOMAIN]["why"] == ""


def test_one_of_which_caddy_says_nothing_is_a_finding_after_a_minute() -> None:
    host = deployed()
    check = a_check(host)
    look(host, check)
    host.wait(GRACE_SECONDS)
    (found,) = look(host, check)
    assert "Caddy's log gives no reason" in found.message


def test_one_that_has_expired_and_one_that_is_not_renewed_are_findings() -> None:
    host = deployed()
    have(host, host.now() - 91 * 86_400)
    assert "has an expired certificate" in look(host)[0].message
    have(host, host.now() - 80 * 86_400)
    assert "whose renewal is late" in look(host)[0].message
    have(host, host.now() - 70 * 86_400)
    assert look(host) == [], "Caddy is just about to renew it"


def test_a_watch_that_is_started_again_knows_since_when_and_why() -> None:
    host = deployed()
    account = Account(host, ("certificates",))
    say(host, REFUSED)
    look_once(CertificateCheck(host, account), account)
    begun = host.now()
    host.written.clear()
    host.wait(300)
    (found,) = look(host)
    assert "no such name" in found.message
    assert found.since == pytest.approx(begun, abs=1)
    (kept,) = [item for item in read_account(host)[0] if item.subject == "certificate"]
    assert kept.since == found.since


@pytest.mark.parametrize("what", ["retired", "without a site"])
def test_names_that_caddy_does_not_serve_need_none(what: str) -> None:
    host = deployed()
    if what == "retired":
        host.write(paths.record("alice"), json.dumps(record_of(host) | {"retired": True}).encode())
    else:
        host.remove(paths.site("alice"))
    say(host, REFUSED)
    assert look(host) == []


def test_of_caddys_log_the_last_reason_counts_and_a_reload_is_none() -> None:
    host = deployed()
    cut = RETRIED | {"msg": "job failed", "error": f"{DOMAIN}: obtaining certificate: context canceled"}
    say(host, REFUSED, RETRIED, cut, {"level": "info", "logger": "tls.obtain", "msg": "will retry"})
    assert reasons(host, 0) == {DOMAIN: "HTTP 400 malformed - no"}


# --- asking at once ---------------------------------------------------------------------------------------------------


class Asked(MemoryView):
    """A host whose Caddy does this when it is made to load its configuration."""

    loads: list[str]

    def load_sites(self, *, again: bool = False) -> None:
        super().load_sites(again=again)
        match self.loads.pop(0) if again else "":
            case "obtains":
                have(self, self.now())
            case "refuses":
                say(self, REFUSED)


@pytest.mark.parametrize(
    ("loads", "why"),
    [(["obtains"], ""), (["nothing", "obtains"], ""), (["refuses"], "no such name")],
)
def test_caddy_asks_at_once_and_what_came_of_it_is_told(loads: list[str], why: str) -> None:
    host = Asked()
    host.loads = list(loads)
    deployed(host=host)
    reloads = host.reloads
    found = answer(obtain(host, {"tenant": "alice"}, CALLER))["names"][DOMAIN]
    assert found["why"] == why
    assert (found["until"] is None) == bool(why)
    assert host.reloads == reloads + len(loads)


def test_nothing_is_loaded_where_nothing_is_missing() -> None:
    host = deployed()
    have(host, host.now())
    reloads = host.reloads
    found = answer(obtain(host, {"tenant": "alice"}, CALLER))["names"][DOMAIN]
    assert found["until"] == pytest.approx((valid(host, DOMAIN) or (0, 0))[1])
    assert host.reloads == reloads
    with pytest.raises(Refused):
        answer(obtain(host, {"tenant": "bob"}, CALLER))


def test_the_validity_that_ends_last_counts() -> None:
    host = deployed()
    have(host, host.now() - 80 * 86_400)
    text = certificate(datetime.fromtimestamp(host.now(), UTC) + timedelta(days=1))
    host.write(f"{FOLDER}/another/{DOMAIN}/{DOMAIN}.crt", text.encode())
    assert (valid(host, DOMAIN) or (0, 0))[1] == pytest.approx(host.now() + 91 * 86_400, abs=2)
