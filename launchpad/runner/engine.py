"""Run an operation from its journal: forward, or back, from the point where the last process died.

    carry_out(host, id)    the operation's unit
    settle(host, subject)  the first act of a new operation, under the lock
    settle_all(host)       the boot unit

Before the Commit step a failure or a cancel undoes every begun step, in reverse order. After the commit an operation
only goes forward. A process that resumes an operation starts again at the first step (or at the commit, when the
operation has passed it), because steps are idempotent and a reboot empties tmpfs and stops containers: the journal's
`step-done` may no longer be true.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from typing import Any

from launchpad.runner.context import Cancelled, Context
from launchpad.runner.hint import Next
from launchpad.runner.host import RUN_PROVISION, Busy, Failed, Host
from launchpad.runner.journal import Journal, open_journals, outline, subject
from launchpad.runner.protocol import BESIDE, NEVER_RESUMED, Refused
from launchpad.runner.step import Step, step_name
from launchpad.runner.steps import Commit
from launchpad.runner.visits import Visits

MOST_ATTEMPTS = 3
"""After so many deaths before the commit, the next process undoes the operation. An operation that runs beside its
tenant, or for another host, is undone after its first death: a boot must not wait for it, and it can be repeated."""
LOCK_SECONDS = 120
TAKE_OVER = BESIDE | {"deploy", "retire", "provision", "prune"}
"""The kinds of operations that may replace an earlier operation that cannot end, because their plans start from the
present state."""


class NotSettled(Exception):
    """The operation can be neither finished nor undone now (Docker is down, the disk is full); try again later."""

    def __init__(self, message: str, *, way_on: str = "") -> None:
        super().__init__(message)
        self.way_on = way_on
        """The command for an operation that may replace this one, if no data is at risk or an undo is impossible; empty
        when only a later try helps."""


def carry_out(host: Host, identifier: str) -> None:
    """Take the subject's lock, and finish or undo the operation. NotSettled when that has to be tried again."""
    journal = Journal(host, identifier)
    asked = journal.asked()
    if asked is None:
        raise Refused(f"there is no operation {identifier}", code="operation-vanished", kind="state")
    owner = {"operation": identifier, "who": asked["who"], "since": host.now(), "kind": asked["operation"]["kind"]}
    with host.lock(subject(asked["operation"]), owner, seconds=LOCK_SECONDS):
        bring_to_end(host, journal)


def settle(host: Host, name: str, *, before: str = "") -> None:
    """Finish or undo every open operation on the subject, before an operation of the kind `before` begins; the caller
    holds the lock. NotSettled, unless the new operation may replace the open one."""
    for journal in list(open_journals(host)):
        asked = journal.asked()
        if asked is None or subject(asked["operation"]) != name:
            continue
        try:
            bring_to_end(host, journal)
        except NotSettled as error:
            if not error.way_on or before not in TAKE_OVER:
                raise
            journal.finish("undone", f"{error}; a later {before} took over")


def settle_all(host: Host, *, only: str = "") -> list[str]:
    """Finish or undo every open operation, or those on one subject; returns the ids that are still open. Damaged
    operations are skipped: no later try helps, and the watch reports them."""
    left = []
    for journal in list(open_journals(host)):
        asked = journal.asked()
        if (only and (asked is None or subject(asked["operation"]) != only)) or journal.damage():
            continue
        try:
            carry_out(host, journal.identifier)
        except Exception:  # one failure must not stop the others
            left.append(journal.identifier)
    return left


def damaged(host: Host) -> Iterator[tuple[Mapping[str, Any], NotSettled]]:
    """Each open operation that can be neither finished nor undone, because one of its files cannot be read."""
    for journal in open_journals(host):
        if (damage := journal.damage()) and (asked := journal.asked()) is not None:
            yield asked["operation"], _hopeless(journal.identifier, asked["operation"], damage)


def _hopeless(identifier: str, operation: Mapping[str, Any], damage: str) -> NotSettled:
    message = f"{operation['kind']} {identifier} can be neither finished nor undone: {damage}"
    return NotSettled(message, way_on=_way_on(operation))


def _way_on(operation: Mapping[str, Any]) -> str:
    """The command for an operation that may replace this one."""
    if "tenant" not in operation:
        return RUN_PROVISION
    return Next("backup" if operation["kind"] in BESIDE else "deploy", operation["tenant"])


def bring_to_end(host: Host, journal: Journal) -> None:
    """Go forward or back until the operation has an outcome. NotSettled when neither is possible now."""
    asked = journal.asked()
    if asked is None or journal.outcome() is not None:
        return
    operation = asked["operation"]
    if damage := journal.damage():
        raise _hopeless(journal.identifier, operation, damage)
    plan = journal.plan()
    past = journal.events()
    names = [item["event"] for item in past]
    finished = next((item for item in past if item["event"] == "operation-finished"), None)
    if finished is not None:  # the process died between the last event and the outcome's file
        journal.finish(finished["outcome"], finished["message"])
        return
    attempt = names.count("operation-started") + names.count("operation-resumed") + 1
    if attempt == 1:
        who = {"operation": journal.identifier, "kind": operation["kind"], "tenant": operation.get("tenant", "")}
        journal.add("operation-started", **who, who=asked["who"], **{"from": asked["from"]}, steps=outline(plan))
    else:
        journal.add("operation-resumed", attempt=attempt)
    run = Run(host, journal, plan, past)
    if "committed" in names:
        run.forward(run.commit)
    elif "undo-started" in names:
        run.back(next(item for item in past if item["event"] == "undo-started"))
    elif attempt > 1 and operation["kind"] in NEVER_RESUMED:
        run.back(journal.add("undo-started", outcome="undone", reason="the operation's process was killed", lines=[]))
    elif attempt > MOST_ATTEMPTS:
        run.back(
            journal.add(
                "undo-started", outcome="undone", reason=f"the process was killed {MOST_ATTEMPTS} times", lines=[]
            )
        )
    else:
        run.forward(0)


class Run:
    """One process's attempt to run an operation."""

    def __init__(self, host: Host, journal: Journal, plan: Sequence[Step], past: Sequence[dict[str, Any]]) -> None:
        self.host = host
        self.journal = journal
        self.operation = (journal.asked() or {})["operation"]
        self.plan = plan
        self.commit = next((index for index, step in enumerate(plan) if isinstance(step, Commit)), len(plan))
        """The index of the Commit step; the plan's length for a plan without one."""
        self.index = 0
        self.begun = {item["index"]: item["before"] for item in past if item["event"] == "step-started"}
        self.done = {item["index"] for item in past if item["event"] == "step-done"}
        self.visits = Visits()
        self.undone = {item["index"] for item in past if item["event"] == "step-undone"}

    def context(self) -> Context:
        def emit(event: str, **fields: Any) -> None:
            self.journal.add(event, index=self.index, **fields)

        return Context(self.host, self.journal.identifier, self.operation, emit, self.cancelled, self.visits)

    def cancelled(self) -> bool:
        return self.index < self.commit and self.journal.cancel_asked()

    def forward(self, first: int) -> None:
        for index in range(first, len(self.plan)):
            self.index = index
            try:
                if self.cancelled():
                    raise Cancelled
                self.step(self.plan[index])
            except Cancelled:
                self.back(self.journal.add("undo-started", outcome="cancelled", reason="cancelled", lines=[]))
                return
            except Exception as error:
                if index > self.commit:
                    self.leave(error)
                    return
                self.fail(error)
                return
        self.journal.finish("done")

    def step(self, step: Step) -> None:
        begun = self.host.elapsed()
        name = step_name(type(step))
        if isinstance(step, Commit):
            self.journal.add("committed")
            return
        if step.once and self.index in self.done:
            return  # the new release's data must stay, and a second rehearsal would cost time
        if self.index not in self.begun:
            before = effects(type(step)).look(step, self.context())
            self.journal.add("step-started", index=self.index, step=name, title=step.title, before=before)
            self.begun[self.index] = before
        effects(type(step)).apply(step, self.context())
        self.journal.add("step-done", index=self.index, step=name, seconds=round(self.host.elapsed() - begun, 3))

    def fail(self, error: Exception) -> None:
        message, lines = reason(error), list(getattr(error, "lines", ()))
        name = step_name(type(self.plan[self.index]))
        self.journal.add("step-failed", index=self.index, step=name, message=message, lines=lines)
        self.back(self.journal.add("undo-started", outcome="undone", reason=message, lines=lines))

    def leave(self, error: Exception) -> None:
        """End with `incomplete`: a failure after the commit leaves only small things (an old side, a folder), which the
        next operation's plan removes."""
        name = step_name(type(self.plan[self.index]))
        lines = list(getattr(error, "lines", ()))
        self.journal.add("step-failed", index=self.index, step=name, message=reason(error), lines=lines)
        self.journal.finish("incomplete", f"done except {name}: {reason(error)}", lines)

    def back(self, undoing: dict[str, Any]) -> None:
        """Undo every begun step, last one first. A step that cannot be undone now does not stop the undo of the others,
        such as the old release's start; then NotSettled, and the next try undoes all of them again.

        A barrier step is different: the old release must never start on the new release's data. So a failed undo of a
        barrier ends this try, and a barrier is undone at most once, because the old release has written to its data
        since. An `expected` step is undone even when it never began, because its data may have arrived from outside."""
        failed, way_on = "", _way_on(self.operation)
        begun = {index: {} for index, step in enumerate(self.plan) if step.expected} | self.begun
        for index in sorted(begun, reverse=True):
            self.index, step = index, self.plan[index]
            if not step.undone or (step.barrier and index in self.undone):
                continue
            name = step_name(type(step))
            try:
                note = effects(type(step)).undo(step, begun[index], self.context())
            except Exception as error:
                self.journal.add("undo-failed", index=self.index, step=name, message=reason(error))
                failed = failed or f"cannot undo {name} yet: {reason(error)}"
                way_on = way_on if step.superseded else ""
                if step.barrier:
                    break
            else:
                self.journal.add("step-undone", index=self.index, step=name, **({"note": note} if note else {}))
        if failed:
            raise NotSettled(failed, way_on=way_on)
        notes = [item["note"] for item in self.journal.events() if item["event"] == "step-undone" and "note" in item]
        message = "; ".join([undoing["reason"], *dict.fromkeys(notes)])
        self.journal.finish(undoing["outcome"], message, undoing["lines"])


def effects(kind: type[Step]) -> Any:
    """The module that runs this kind of step: `effects` beside its `steps`, with `look`, `apply` and `undo`. Imported
    late, because most operations use one family."""
    return import_module(kind.__module__.removesuffix("steps") + "effects")


def reason(error: Exception) -> str:
    """One line for people. For a bug: its type and place, never its values, which may be secret."""
    if isinstance(error, (Failed, Refused)):
        return error.message
    if isinstance(error, Busy):
        return f"{error.name} is locked by {error.owner.get('operation') or error.owner}"
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = f"{frame.tb_frame.f_code.co_name}:{frame.tb_lineno}" if frame else "?"
    return f"bug in the runner: {type(error).__name__} in {where}"
