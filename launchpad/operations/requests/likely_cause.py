"""What a host thinks why an operation failed, asked right after the failure: the first answer of its analysers."""

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
"""An older host, or a slow one, answers nothing: the error stands for itself."""


def likely_cause(workspace: Workspace, host: Host, outcome: Outcome | None) -> Diagnosis | None:
    """The first cause that the host sees for this operation's end; None when it sees none or does not answer. Never an
    error: the operation's own is the one that counts."""
    if outcome is None or not outcome.tenant or outcome.outcome == "cancelled":
        return None
    body = {"tenant": outcome.tenant, "quick": True} | ({"operation": outcome.id} if outcome.id else {})
    with suppress(Exception):
        with hosts_of(workspace).reach(host) as runner:
            said = runner.ask("diagnose", body, seconds=SECONDS)
        found = (diagnosis_from(item) for item in said["diagnoses"])
        return next((item for item in found if item.cause != UNKNOWN), None)
    return None


def diagnosis_from(plain: Mapping[str, Any]) -> Diagnosis:
    """A host's diagnosis, each text on one line: whoever controls the host wrote the words."""
    told = {name: " ".join(str(plain.get(name, "")).split()) for name in ("cause", "message", "hint", "tenant")}
    evidence = (" ".join(str(item).split()) for item in plain.get("evidence", ()))
    return Diagnosis(**told, evidence=tuple(evidence))
