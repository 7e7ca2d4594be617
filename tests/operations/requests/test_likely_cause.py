"""What a failed operation says beside its error, and that it never says less because of that."""

from __future__ import annotations

from pathlib import Path

import pytest

from launchpad.errors import HostError
from launchpad.events import ignore
from launchpad.operations.requests.likely_cause import likely_cause
from launchpad.operations.requests.outcome import OperationFailed, Outcome
from launchpad.operations.tenants.restart import restart
from launchpad.runner import paths
from launchpad.runner.diagnosing.collected import Diagnosis
from launchpad.runner.protocol import Refused
from tests.operations.one_examined import ExaminedHosts, one_examined


def failure(folder: Path, *, unable: Exception | None = None) -> tuple[OperationFailed, ExaminedHosts]:
    """The error of a restart of alice, whose app dies at once, on a host with a full quota."""
    workspace, hosts = one_examined(folder)
    hosts.unable = unable
    for image in {box.image for box in hosts.host.boxes.values() if box.tenant == "alice"}:
        hosts.host.behaviours[image] = "crash"
    hosts.host.quotas[paths.data("alice")] = (64 << 20, 64 << 20)
    with pytest.raises(OperationFailed) as failed:
        restart(workspace, "alice", on_event=ignore)
    return failed.value, hosts


def test_the_host_is_asked_for_the_cause_once(tmp_path: Path) -> None:
    error, hosts = failure(tmp_path)
    assert isinstance(error.likely_cause, Diagnosis)
    assert error.likely_cause.cause == "quota-full"
    assert hosts.asked.count("diagnose") == 1
    assert error.as_dict()["likely_cause"]


@pytest.mark.parametrize(
    "unable",
    [
        Refused("no such verb", kind="request"),
        HostError("web-1: the connection broke"),
        KeyError("diagnoses"),
        RuntimeError("a bug in an analyser"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_host_that_cannot_answer_changes_nothing_of_the_error(tmp_path: Path, unable: Exception) -> None:
    error, _ = failure(tmp_path / "one")
    other, hosts = failure(tmp_path / "other", unable=unable)
    assert hosts.asked.count("diagnose") == 1
    assert other.likely_cause is None
    assert (other.message, other.hint, other.exit_code) == (error.message, error.hint, error.exit_code)


def test_who_cancelled_an_operation_knows_the_cause(tmp_path: Path) -> None:
    workspace, hosts = one_examined(tmp_path)
    host = workspace.fleet.load().host("web-1")
    outcome = Outcome(host="web-1", tenant="alice", id="x", kind="deploy", outcome="cancelled")
    assert likely_cause(workspace, host, outcome) is None and hosts.asked == []
