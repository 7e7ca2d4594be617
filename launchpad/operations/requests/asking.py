"""Ask a host's runner: a record for the request's body, a record for the reply."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from launchpad.errors import StateError
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Refused, Some, reply_from_json
from launchpad.workspace import Runner

if TYPE_CHECKING:
    from launchpad.runner.wire.body import Answer, Question
    from launchpad.runner.wire.line import AnswerLine

AnyLine = TypeVar("AnyLine", bound="AnswerLine")


def ask(runner: Runner, question: Question[Answer], *, seconds: float | None = 60) -> Answer:
    """The runner's reply. StateError when the reply cannot be understood; a refusal is raised as its error."""
    return understood(question.REPLY, runner.ask(question.VERB, question.sent(), seconds=seconds), host=runner.name)


def listen(
    runner: Runner,
    question: Question[Answer],
    *kinds: type[AnyLine],
    seconds: float | None = None,
) -> Iterator[AnyLine | Answer]:
    """The lines of these kinds as they come, then the reply. Errors as of `ask`."""
    by_type = {kind.TYPE: kind for kind in kinds}
    for item in runner.exchange(question.VERB, question.sent(), seconds=seconds):
        if item["type"] == "reply":
            yield understood(question.REPLY, item["body"], host=runner.name)
        elif kind := by_type.get(item["type"]):
            yield understood(kind, item, host=runner.name)


def understood(kind: type[Some], body: Mapping[str, Any], *, host: str) -> Some:
    """The reply that a host's runner sent; StateError when it cannot be understood: no reason to ask again."""
    try:
        return reply_from_json(kind, body, "reply")
    except Refused as refused:
        text = f"the host's answer cannot be read: {refused.message}"
        raise StateError(text, code="reply-unreadable", hint=Next("provision", host), host=host) from refused
