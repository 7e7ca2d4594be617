"""launchpad diagnose, as it is typed and read."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from launchpad.cli.output import Output
from launchpad.operations.requests.outcome import OperationFailed
from launchpad.runner import paths
from launchpad.runner.diagnosing.collected import Diagnosis
from tests.cli.test_operations import Ran, launchpad
from tests.operations.one_examined import one_examined


@pytest.fixture
def typed(tmp_path: Path):  # type: ignore[no-untyped-def]
    """A command on a host where alice's quota is full."""
    workspace, hosts = one_examined(tmp_path)
    hosts.host.quotas[paths.data("alice")] = (64 << 20, 64 << 20)
    return lambda *words: launchpad(workspace, "diagnose", *words)


def test_each_cause_stands_with_what_to_type_and_the_bundle_is_named(typed) -> None:  # type: ignore[no-untyped-def]
    ran: Ran = typed("alice")
    assert ran.code == 0
    first = ran.out.splitlines()
    assert first[0] == "alice on web-1: 1 cause found"
    assert first[2].startswith("1. alice's data fills its quota of 64 MiB")
    assert first[3].startswith("   type: a tier with more disk in inventory/tenants/alice.yaml")
    assert "taken out or replaced:" in ran.err and ".json.gz" in ran.err


def test_nothing_wrong_is_said(typed) -> None:  # type: ignore[no-untyped-def]
    assert typed("bob").out == "bob on web-1: no cause of a problem was found\n"


def test_a_preview_lists_the_sections_and_writes_nothing(typed, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    ran: Ran = typed("alice", "--preview")
    assert ran.code == 0 and ran.out.splitlines()[0].split() == ["SECTION", "SIZE"]
    assert {"machine", "network", "tenants"} <= {line.split()[0] for line in ran.out.splitlines()}
    assert not list((tmp_path / "fleet/.launchpad").glob("bundles/*"))
    told = "no bundle was written; for the causes and the bundle: launchpad diagnose alice"
    assert ran.err.splitlines()[-1] == told


def test_a_bundle_is_read_again_from_its_file(typed) -> None:  # type: ignore[no-untyped-def]
    made: Ran = typed("alice", "--share", "--json")
    for file in (made.json["bundle"], made.json["shared"]):
        read: Ran = typed("read", file, "--json")
        assert read.json["diagnoses"] == made.json["diagnoses"]


@pytest.mark.parametrize(
    ("words", "code"), [(("nobody",), 3), (("alice", "bob"), 2), (("alice", "--to", "age1x"), 2), (("read", "/no"), 3)]
)
def test_what_is_typed_wrongly_is_refused(typed, words: tuple[str, ...], code: int) -> None:  # type: ignore[no-untyped-def]
    assert typed(*words).code == code


def test_a_failed_operation_prints_the_likely_cause_below_its_error() -> None:
    error = OperationFailed("alice: deploy failed and was undone: web exited with 1", hint="launchpad logs alice")
    said = []
    for cause in (
        None,
        Diagnosis(cause="quota-full", message="alice's data fills its quota", hint="launchpad usage web-1"),
    ):
        error.likely_cause = cause
        out, err = io.StringIO(), io.StringIO()
        Output(json=False, color=False, stdout=out, stderr=err).error(error)
        said.append(err.getvalue())
    assert said[1] == said[0] + "likely cause: alice's data fills its quota\ntype: launchpad usage web-1\n"
    out = io.StringIO()
    Output(json=True, color=False, stdout=out).error(error)
    assert json.loads(out.getvalue())["error"]["likely_cause"]["cause"] == "quota-full"
