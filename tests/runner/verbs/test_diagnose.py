"""The verb: what is asked wrongly is refused, and the pieces are the bundle."""

from __future__ import annotations

import base64
import gzip
import json
from typing import Any

import pytest

from launchpad.runner import paths
from launchpad.runner.protocol import Refused, digest_of
from launchpad.runner.verbs.diagnose import diagnose
from tests.runner.diagnosing.examined import ExaminedHost, examined
from tests.runner.verbs.view import CALLER


def asked(host: ExaminedHost, **body: Any) -> tuple[bytes, dict[str, Any]]:
    """The bundle, and the reply."""
    *pieces, said = json.loads(json.dumps(list(diagnose(host, body, CALLER))))
    return b"".join(base64.b64decode(piece["data"]) for piece in pieces), said["body"]


def test_the_pieces_are_the_bundle_and_the_reply_says_what_is_wrong() -> None:
    host = examined(caddy_down=True)
    data, said = asked(host, tenant="alice", case="ab" * 32)
    assert (len(data), digest_of(data)) == (said["bytes"], said["digest"])
    assert json.loads(gzip.decompress(data))["tenant"] == "alice"
    assert [item["cause"] for item in said["diagnoses"]] == ["caddy-down"]


def test_a_preview_has_the_manifest_and_no_bundle() -> None:
    data, said = asked(examined(), tenant="alice", preview=True)
    assert data == b"" and said["bytes"] > 0 and "machine" in said["manifest"]["sections"]


def test_without_a_tenant_the_bundle_is_the_whole_host_s() -> None:
    data, _ = asked(examined())
    assert set(json.loads(gzip.decompress(data))["sections"]["tenants"]) == {"alice", "bob"}


def test_the_quick_answer_names_the_cause_with_names_and_without_a_bundle() -> None:
    host = examined()
    host.quotas[paths.data("alice")] = (64 << 20, 64 << 20)
    data, said = asked(host, tenant="alice", quick=True, operation="operation-of-alice")
    assert data == b"" and said["diagnoses"][0]["message"].startswith("alice's data fills its quota")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"tenant": "nobody"}, "nobody is not on this host"),
        ({"tenant": "../x"}, "is not on this host"),
        ({"case": "xyz"}, "case: expected 32 bytes in hex"),
        ({"case": "abcd"}, "case: expected 32 bytes in hex"),
        ({"quick": True, "operation": "../../etc"}, "not an operation's id"),
        ({"everything": True}, "unknown key"),
    ],
)
def test_what_is_asked_wrongly_is_refused(body: dict[str, Any], message: str) -> None:
    with pytest.raises(Refused, match=message):
        asked(examined(), **body)
