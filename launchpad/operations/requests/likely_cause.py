"""The likely cause of a failed operation: the first answer of the host's analysers, asked right after the failure."""

from __future__ import annotations

from contextlib import suppress

from launchpad.fleet.model.host import Host
from launchpad.operations.requests.asking import ask
from launchpad.operations.requests.outcome import Outcome
from launchpad.operations.requests.reaching import hosts_of
from launchpad.runner.diagnosing.collected import UNKNOWN, Diagnosis
from launchpad.runner.wire.streams import Diagnose
from launchpad.workspace import Workspace

SECONDS = 10
"""How long to wait; an older or slow host gives no cause, and the error is printed alone."""


def likely_cause(workspace: Workspace, host: Host, outcome: Outcome | None) -> Diagnosis | None:
    """The first cause that the host finds for the operation's failure; None when it finds none or does not answer.
    Never raises: the operation's own error counts."""
    if outcome is None or not outcome.tenant or outcome.outcome == "cancelled":
        return None
    asked = Diagnose(tenant=outcome.tenant, quick=True, operation=outcome.id)
    with suppress(Exception):
        with hosts_of(workspace).reach(host) as runner:
            said = ask(runner, asked, seconds=SECONDS)
        found = map(on_one_line, said.diagnoses)
        return next((item for item in found if item.cause != UNKNOWN and outcome.message not in item.message), None)
    return None


def on_one_line(told: Diagnosis) -> Diagnosis:
    """A host's diagnosis, each text on one line: whoever controls the host wrote the words."""
    cause, message, tenant = (" ".join(text.split()) for text in (told.cause, told.message, told.tenant))
    evidence = tuple(" ".join(item.split()) for item in told.evidence)
    return Diagnosis(cause=cause, message=message, hint=told.hint, tenant=tenant, evidence=evidence)
