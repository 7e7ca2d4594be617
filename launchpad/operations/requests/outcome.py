"""The outcome of an operation, as data and as an error."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from launchpad.errors import LaunchpadError, StepFailed
from launchpad.runner.diagnosing.collected import Diagnosis
from launchpad.runner.hint import Next
from launchpad.runner.protocol import BESIDE
from launchpad.runner.wire.operation_bodies import OutcomeReply

GOOD = frozenset({"done", "unchanged", "incomplete", "running"})
"""The successful outcomes. `incomplete`: the change is done, and the next operation finishes a minor rest."""

OF_ANOTHER_RELEASE = frozenset({"upgrade", "rollback", "restore", "import", "rehearse"})


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The outcome of an operation: done, unchanged, incomplete, undone, cancelled; or `running` when it is not followed
    to its end."""

    host: str
    tenant: str
    id: str
    kind: str
    outcome: str
    message: str = ""
    lines: tuple[str, ...] = ()
    """The log lines that show why the operation failed."""
    release: str = ""
    seconds: float | None = None

    def as_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"lines": list(self.lines)}


class OperationFailed(StepFailed):
    """The operation was undone or cancelled: the tenant or host is in the state from before the operation."""

    def __init__(self, text: str, *, code: str = "", hint: str = "", outcome: Outcome | None = None) -> None:
        super().__init__(text, code=code, hint=hint)
        self.outcome = outcome
        self.likely_cause: Diagnosis | None = None
        """What the host sees as the cause."""

    def as_dict(self) -> dict[str, object]:
        cause = self.likely_cause.plain() if self.likely_cause else None
        return super().as_dict() | {
            "operation": self.outcome.as_json() if self.outcome else None,
            "likely_cause": cause,
        }


def outcome_from_reply(reply: OutcomeReply, *, host: str, tenant: str, kind: str) -> Outcome:
    """The outcome in a reply; OperationFailed when the operation did not succeed."""
    outcome = Outcome(
        host=host,
        tenant=tenant,
        id=reply.id,
        kind=kind,
        outcome=reply.outcome,
        message=reply.message,
        lines=reply.lines,
        release=reply.release,
        seconds=reply.seconds,
    )
    if outcome.outcome not in GOOD:
        raise _failed(outcome)
    return outcome


def _failed(outcome: Outcome) -> LaunchpadError:
    subject = outcome.tenant or outcome.host
    reason = f": {outcome.message}" if outcome.message else ""
    hint = Next("logs", outcome.tenant) if outcome.tenant else Next("history", outcome.host)
    if outcome.kind in OF_ANOTHER_RELEASE:  # after an undo the logs are the old release's
        hint = Next("history", outcome.tenant, "--steps")
    if outcome.outcome == "cancelled":
        message = f"{subject}: {outcome.kind} was cancelled and undone"
        return OperationFailed(message, code="operation-cancelled", hint=Next("history", subject), outcome=outcome)
    if outcome.kind == "update":  # what apt installed stays
        return OperationFailed(
            f"{subject}: the updates failed{reason}", code="updates-failed", hint=hint, outcome=outcome
        )
    if outcome.kind in BESIDE:
        message = f"{subject}: {outcome.kind} failed{reason}"
        return OperationFailed(
            message, code="operation-beside-failed", hint=Next("backups list", subject), outcome=outcome
        )
    return OperationFailed(
        f"{subject}: {outcome.kind} failed and was undone{reason}",
        code="operation-failed-and-undone",
        hint=hint,
        outcome=outcome,
    )
