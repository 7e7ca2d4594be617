"""The likely cause of a failed operation: the first answer of the host's analysers, asked right after the failure."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from launchpad.fleet.model.host import Host
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.diagnosing.collected import UNKNOWN, Diagnosis
from launchpad.workspace import Workspace

SECONDS = 10
"""How long to wait; an older or slow host gives no cause, and the error is printed alone."""


def likely_cause(workspace: Workspace, host: Host, outcome: Outcome | None) -> Diagnosis | None:
    """The first cause that the host finds for the operation's failure; None when it finds none or does not answer.
    Never raises: the operation's own error counts."""
    if outcome is None or not outcome.tenant or outcome.outcome == "cancelled":
        return None
    body = {"tenant": outcome.tenant, "quick": True} | ({"operation": outcome.id} if outcome.id else {})
    with suppress(Exception):
        with hosts_of(workspace).reach(host) as runner:
            said = runner.ask("diagnose", body, seconds=SECONDS)
        found = (diagnosis_from(item) for item in said["diagnoses"])
        return next((item for item in found if item.cause != UNKNOWN and outcome.message not in item.message), None)
    return None


def diagnosis_from(plain: Mapping[str, Any]) -> Diagnosis:
    """A host's diagnosis, each text on one line: whoever controls the host wrote the words."""
    told = {name: " ".join(str(plain.get(name, "")).split()) for name in ("cause", "message", "tenant")}
    evidence = (" ".join(str(item).split()) for item in plain.get("evidence", ()))
    return Diagnosis(**told, hint=plain.get("hint") or "", evidence=tuple(evidence))
