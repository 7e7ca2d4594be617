"""The tenant's record: one type, and the file that it is."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launchpad.runner import engine, paths
from launchpad.runner.host import Failed
from launchpad.runner.protocol import record_as_json, record_from_json
from launchpad.runner.tenant_record import TenantRecord, read_tenant
from launchpad.runner.verbs.submit import submit
from tests.runner.verbs.view import CALLER, MemoryView, deployed, record_of

GOLDEN = Path(__file__).parent / "golden" / "tenant.json"


def test_the_golden_file_is_read_and_written_again() -> None:
    plain = json.loads(GOLDEN.read_text())
    record = record_from_json(TenantRecord, plain, "record")
    assert record.domains == ("alice.example.com",) and record.secrets == {"BEACON_TOKEN": 1}
    assert record_as_json(record) == plain
    assert plain.keys() == TenantRecord.FIELDS.keys()


def test_a_file_without_the_fields_that_have_a_default_is_read() -> None:
    plain = json.loads(GOLDEN.read_text())
    for name in ("before", "rolled_back_from", "epoch", "came_from"):
        del plain[name]
    record = record_from_json(TenantRecord, plain, "record")
    assert (record.before, record.rolled_back_from, record.epoch, record.came_from) == ((), "", 1, "")


def test_a_key_of_a_newer_runner_is_passed_over() -> None:
    """So that boot and the watch still start the tenant after an older runner came back."""
    host = deployed()
    host.write(paths.record("alice"), json.dumps(record_of(host) | {"of_the_future": 1}).encode(), mode=0o600)
    record = read_tenant(host, "alice")
    assert record is not None and record.is_to_run


@pytest.mark.parametrize("kind", ["", "stop", "retire"])
def test_what_an_operation_writes_is_read_with_the_same_values(kind: str) -> None:
    host = deployed()
    if kind:
        operation = {"kind": kind, "tenant": "alice"} | ({"purge": False} if kind == "retire" else {})
        list(submit(host, {"id": f"operation-{kind}", "operation": operation, "follow": False}, CALLER))
        engine.carry_out(host, f"operation-{kind}")
    record = read_tenant(host, "alice")
    assert record is not None
    plain = record_as_json(record)
    written = record_of(host)
    assert {name: plain[name] for name in written} == written
    assert record.is_to_run is (kind == "")


def test_a_tenant_that_was_never_deployed_has_no_record() -> None:
    assert read_tenant(MemoryView(), "alice") is None


@pytest.mark.parametrize(
    ("data", "code", "what"),
    [
        (b"{torn", "tenant-file-unreadable", "Expecting"),
        (b"[]", "tenant-record-unreadable", "expected an object"),
        (b'{"tenant": "alice"}', "tenant-record-unreadable", "missing key"),
        (b'{"tenat": "alice"}', "tenant-record-unreadable", "missing key"),
    ],
)
def test_a_damaged_record_fails_with_the_files_path(data: bytes, code: str, what: str) -> None:
    host = deployed()
    host.write(paths.record("alice"), data, mode=0o600)
    with pytest.raises(Failed, match=what) as failed:
        read_tenant(host, "alice")
    assert failed.value.code == code and paths.record("alice") in failed.value.message
