"""A bundle of a host in memory: what is in it, what is not, and that one in which a secret stands is not given out."""

from __future__ import annotations

import gzip
import json
import os
from typing import Any

import pytest
from measurement import record

from launchpad.runner import paths
from launchpad.runner.diagnosing.analysis import analyse
from launchpad.runner.diagnosing.bundle import likely_causes, make_bundle
from launchpad.runner.diagnosing.collected import Collected
from launchpad.runner.diagnosing.collectors import COLLECTORS
from launchpad.runner.diagnosing.desk import Desk
from launchpad.runner.diagnosing.redactor import Redactor
from launchpad.runner.protocol import Refused
from tests.runner.diagnosing.examined import ExaminedHost, examined, writes
from tests.runner.diagnosing.seeding import ENCODINGS, holds, secrets

CASE = bytes(range(32))
REASON = "minutes of counting, whose kinds the other tests ask: scripts/evidence asks for it"
evidence = pytest.mark.skipif("LAUNCHPAD_EVIDENCE" not in os.environ, reason=REASON)


def made(
    host: ExaminedHost, *, tenant: str = "alice", case: bytes = CASE, redacting: type[Redactor] = Redactor
) -> tuple[str, Any]:
    """A bundle's text, and its document."""
    desk = Desk(host=host, tenants=(tenant,) if tenant else ("alice", "bob"))
    text = gzip.decompress(make_bundle(desk, tenant=tenant, case=case, redacting=redacting).data).decode()
    return text, json.loads(text)


def test_a_bundle_has_every_section_and_a_healthy_tenant_no_diagnosis() -> None:
    _, found = made(examined())
    assert found["manifest"]["missing"] == {}
    assert set(found["sections"]) == set(COLLECTORS) - {"files", "log", "leads", "certificates", "operations"}
    assert found["diagnoses"] == []
    alice = found["sections"]["tenants"]["alice"]
    assert alice["record"]["running"] is True and alice["quota"] == [10 << 20, 64 << 20]
    assert set(alice) >= {"files", "leads", "operations", "probes", "drift", "targets", "manifest"}
    assert "bob" not in found["sections"]["tenants"]


def test_a_collector_that_fails_is_a_line_in_the_manifest() -> None:
    _, found = made(examined(hanging={"nft", "journalctl"}))
    assert set(found["manifest"]["missing"]) == {"network", "journal", "kernel"}
    assert "did not end" in found["manifest"]["missing"]["network"]


def test_a_host_without_docker_still_gives_a_bundle_that_names_the_cause() -> None:
    _, found = made(examined(docker_down=True))
    assert found["diagnoses"][0]["cause"] == "docker-down"
    assert "log" in found["manifest"]["missing"]


def test_seeded_secrets_are_in_no_bundle() -> None:
    """500 secrets in 13 forms each, where apps, programs and people leave secrets."""
    values = secrets(500, 11)
    host = examined()
    for number, value in enumerate(values):
        tenant = ("alice", "bob")[number % 2]
        host.write(f"{paths.RUN}/{tenant}/0123456789ab/SEEDED_{number}", value.encode())
    forms = [encode(value) for value in values for encode in (str.__str__, *ENCODINGS.values())]
    for number, form in enumerate(forms):
        match number % 6:
            case 0:
                writes(host, "alice", f"[agent] request failed, sent {form}!")
            case 1:
                host.programs["journalctl"] = (
                    host.programs.get("journalctl", "") + f"sudo: COMMAND=/bin/x --key={form}\n"
                )
            case 2:
                host.programs["ps"] += f"7 root 1 1 {form}\n"
            case 3:
                host.programs["ss"] = host.programs.get("ss", "") + f'tcp users:(("{form}"))\n'
            case 4:
                host.write(f"/var/lib/launchpad/operations/operation-of-alice/x{number}", form.encode())
                writes(host, "alice", json.dumps({"env": {"K": form}, "stack": form}))
            case _:
                host.programs["nft"] += f"# {form}\n"
    names = {f"S{number}": value for number, value in enumerate(values)}
    text, found = made(host, tenant="")
    leaked = [name for name, value in names.items() if holds(text, value)]
    record("ops-bundle-leaks", len(leaked), n=len(forms))
    assert leaked == []
    assert found["manifest"]["removed"]["secrets"] > 300
    assert found["manifest"]["searched"] >= 500


def test_without_the_redactor_the_bundle_is_refused() -> None:
    """The check of the finished bytes does not know how the redactor works, or whether it does."""
    for form in (str.__str__, *ENCODINGS.values()):
        host = examined()
        host.write(f"{paths.RUN}/alice/0123456789ab/KEY", b"q7Zr1Lw9Xc4Vb8Nm2Ks6")
        writes(host, "alice", f"[agent] sent {form('q7Zr1Lw9Xc4Vb8Nm2Ks6')} away")
        with pytest.raises(Refused, match=r"is not given out: the secret alice/KEY") as refused:
            made(host, redacting=Blind)
        assert "q7Zr" not in str(refused.value)
        made(host)  # with it the very same host gives one


class Blind(Redactor):
    """Takes nothing out."""

    def tree(self, value: Any) -> Any:
        return json.loads(json.dumps(value))

    secrets = tree


def test_a_sealed_secret_of_a_stopped_tenant_is_known_too() -> None:
    host = examined()
    host.seal(f"{paths.vault('alice')}/OLD@3.cred", "alice.OLD.3", b"an-older-value-that-nobody-runs-with")
    writes(host, "alice", "still here: an-older-value-that-nobody-runs-with")
    text, _ = made(host)
    assert "nobody-runs" not in text


def test_what_cannot_be_opened_is_named_and_not_its_value() -> None:
    host = examined()
    host.seal(f"{paths.vault('alice')}/OLD@3.cred", "another name", b"x" * 20)
    assert made(host)[1]["manifest"]["unread"] == ["alice/OLD@3"]


def test_a_target_s_credentials_and_the_keys_of_backups_and_hosts_are_secrets() -> None:
    host = examined()
    host.seal(
        "/etc/launchpad/targets/offsite@1.cred",
        "target-offsite",
        json.dumps({"REST_PASSWORD": "pass-of-the-target"}).encode(),
    )
    host.seal(f"{paths.backup('bob')}/key.cred", "bob.backup-key", b"the-key-of-bobs-backups")
    host.write("/etc/ssh/ssh_host_ed25519_key", b"-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXkPRIVATEPART\n")
    host.write(
        f"{paths.CADDY}/data/certificates/acme/alice.example.com/alice.example.com.key", b"MHcCAQEEIPrivateKeyOfCaddy\n"
    )
    writes(
        host,
        "alice",
        "pass-of-the-target",
        "the-key-of-bobs-backups",
        "b3BlbnNzaC1rZXkPRIVATEPART",
        "MHcCAQEEIPrivateKeyOfCaddy",
    )
    text, _ = made(host)
    for value in ("pass-of-the-target", "the-key-of-bobs", "PRIVATEPART", "PrivateKeyOfCaddy"):
        assert value not in text


def test_names_and_addresses_are_mapped_alike_in_bundles_of_one_case() -> None:
    host = examined()
    writes(host, "alice", "visitor 198.51.100.23 at alice.example.com, forwarded for bob by root@mail.example.com")
    one, _ = made(host)
    again, _ = made(host)
    other, _ = made(host, case=b"\1" * 32)
    for text in (one, again, other):
        assert not any(
            word in text for word in ("198.51.100.23", "alice.example.com", "mail.example.com", "203.0.113.7", '"bob"')
        )
        assert CASE.hex() not in text
    lines = [json.loads(text)["sections"]["tenants"]["alice"]["log"] for text in (one, again, other)]
    assert lines[0] == lines[1] != lines[2]
    assert lines[0] != json.loads(made(host, case=b"")[0])["sections"]["tenants"]["alice"]["log"]


def test_message_bodies_stay_on_the_host() -> None:
    host = examined()
    writes(host, "alice", '[telegram] inbound from 4711 text="my mother is ill"')
    text, _ = made(host)
    assert "mother" not in text and "inbound from 4711" in text


def test_a_bundle_is_analysed_again_from_its_file_with_the_same_result() -> None:
    host = examined(caddy_down=True)
    host.quotas[paths.data("alice")] = (64 << 20, 64 << 20)
    host.led["alice.example.com"] = frozenset({"198.51.100.9"})
    _, found = made(host)
    again = analyse(Collected(host=found["host"], tenant=found["tenant"], at=found["at"], sections=found["sections"]))
    causes = ["caddy-down", "quota-full"]
    assert [item.cause for item in again][:2] == causes == [item["cause"] for item in found["diagnoses"]][:2]


def test_an_operation_that_failed_is_judged_at_once_without_secrets() -> None:
    host = examined()
    host.write(f"{paths.RUN}/alice/0123456789ab/KEY", b"q7Zr1Lw9Xc4Vb8Nm2Ks6")
    host.quotas[paths.data("alice")] = (64 << 20, 64 << 20)
    first, *_ = likely_causes(Desk(host=host, tenants=("alice",)), tenant="alice")
    assert first.cause == "quota-full"


def busy(seed: int) -> ExaminedHost:
    """A host whose alice has 60 secrets and writes 300 lines with random words in them."""
    host = examined()
    for number, value in enumerate(secrets(60, seed)):
        host.write(f"{paths.RUN}/alice/0123456789ab/K{number}", value.encode())
    words = secrets(300, 1000 + seed)
    writes(host, "alice", *(f"[agent/embedded] embedded run done: runId={word} durationMs=12" for word in words))
    return host


@pytest.mark.parametrize("seed", range(5))
def test_busy_healthy_tenants_get_their_bundle(seed: int) -> None:
    assert made(busy(seed))[1]["diagnoses"] == []


@evidence
def test_of_two_hundred_bundles_of_busy_healthy_tenants_none_is_refused() -> None:
    refused = accused = 0
    for seed in range(200):
        try:
            accused += made(busy(2000 + seed))[1]["diagnoses"] != []
        except Refused:
            refused += 1
    record("ops-bundles-refused", refused, n=200)
    assert (refused, accused) == (0, 0)
