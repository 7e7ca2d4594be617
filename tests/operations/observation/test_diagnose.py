"""A bundle on the operator's side: kept, shared, and read again."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from launchpad.errors import HostError, InventoryError
from launchpad.fleet.sealing.age import new_identity
from launchpad.fleet.words.malformed import Malformed
from launchpad.operations.observation.diagnose import diagnose, read_bundle, save, share
from launchpad.runner import paths
from tests.operations.one_examined import one_examined
from tests.runner.diagnosing.examined import writes


def text_of(data: bytes) -> str:
    return gzip.decompress(data).decode()


def test_a_tenant_s_bundle_is_kept_for_this_user_alone_and_says_the_cause(tmp_path: Path) -> None:
    workspace, hosts = one_examined(tmp_path)
    hosts.host.quotas[paths.data("alice")] = (64 << 20, 64 << 20)
    found = diagnose(workspace, "alice")
    assert (found.host, found.tenant) == ("web-1", "alice")
    assert [item.cause for item in found.diagnoses] == ["quota-full"]
    path = save(workspace, found)
    assert path.parent == workspace.state / "bundles" and path.stat().st_mode & 0o777 == 0o600
    assert "alice.example.com" not in text_of(path.read_bytes())
    again = read_bundle(path, identity=workspace.settings.identity)
    assert again.diagnoses == found.diagnoses


def test_a_host_s_bundle_has_all_its_tenants(tmp_path: Path) -> None:
    workspace, _ = one_examined(tmp_path)
    found = diagnose(workspace, "web-1")
    assert found.tenant == "" and set(json.loads(text_of(found.data))["sections"]["tenants"]) == {"alice", "bob"}


def test_a_preview_brings_no_bundle(tmp_path: Path) -> None:
    workspace, _ = one_examined(tmp_path)
    found = diagnose(workspace, "alice", preview=True)
    assert found.data == b"" and found.manifest["bytes"] > 0
    assert not (workspace.state / "bundles").exists()


def test_bundles_of_a_case_have_the_same_names_and_not_its_key(tmp_path: Path) -> None:
    workspace, hosts = one_examined(tmp_path)
    writes(hosts.host, "alice", "visitor 198.51.100.23 came")

    def log(case: str) -> Any:
        return json.loads(text_of(diagnose(workspace, "alice", case=case).data))["sections"]["tenants"]["alice"]["log"]

    assert log("ticket-7") == log("ticket-7") != log("ticket-8")
    key = workspace.state / "cases/ticket-7.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert key.read_text().strip() not in text_of(diagnose(workspace, "alice", case="ticket-7").data)


@pytest.mark.parametrize("case", ["../x", "a/b", ".hidden", "x" * 65])
def test_a_case_has_a_plain_name(tmp_path: Path, case: str) -> None:
    with pytest.raises(Malformed):
        diagnose(one_examined(tmp_path)[0], "alice", case=case)


def test_a_shared_bundle_is_sealed_for_the_workspace_or_for_who_was_named(tmp_path: Path) -> None:
    workspace, _ = one_examined(tmp_path)
    found = diagnose(workspace, "alice")
    path = save(workspace, found)
    shared = share(workspace, found, path)
    assert read_bundle(shared, identity=workspace.settings.identity).tenant == "alice"
    text, recipient = new_identity()
    other = tmp_path / "other"
    other.write_text(text)
    shared = share(workspace, found, path, recipients=[recipient])
    assert shared.stat().st_mode & 0o777 == 0o600
    assert read_bundle(shared, identity=other).tenant == "alice"
    with pytest.raises(Exception, match="not sealed for you"):
        read_bundle(shared, identity=workspace.settings.identity)


@pytest.mark.parametrize(
    "content",
    [b"", b"text", gzip.compress(b"[]"), gzip.compress(b"{}"), gzip.compress(b'{"format":"launchpad-bundle-1"}')[:-4]],
    ids=["empty", "text", "a list", "no format", "cut"],  # not by the bytes: gzip writes the time
)
def test_another_file_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(InventoryError, match="is not a bundle"):
        read_bundle(tmp_path / "file", identity=tmp_path / "identity")


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InventoryError, match=r"gone\.json\.gz cannot be read"):
        read_bundle(tmp_path / "gone.json.gz", identity=tmp_path / "identity")


def test_a_bundle_that_did_not_arrive_whole_is_none(tmp_path: Path) -> None:
    workspace, hosts = one_examined(tmp_path)

    class Losing(type(hosts)):  # type: ignore[misc]
        def reach(self, host: Any) -> Any:
            way = super().reach(host)

            class Cut:
                def __enter__(self) -> Any:
                    runner = way.__enter__()
                    whole = runner.exchange
                    runner.exchange = lambda *words, **more: list(whole(*words, **more))[1:]
                    return runner

                def __exit__(self, *ended: object) -> None:
                    way.__exit__(*ended)

            return Cut()

    with pytest.raises(HostError, match="arrived incomplete"):
        diagnose(replace(workspace, hosts=Losing(hosts.host)), "alice")
