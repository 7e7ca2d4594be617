"""One connection to a host in memory: the operator's side on one end, the runner's own verbs on the other."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Generic, TypeVar

from launchpad.errors import HostError
from launchpad.runner import engine
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Refused
from launchpad.ssh.replies import error_from_line, tamed
from tests.memory.host import MemoryHost

AnyHost = TypeVar("AnyHost", bound=MemoryHost)
ADDRESS = "192.0.2.7"
"""The operator's."""


@dataclass
class MemoryRunner(Generic[AnyHost]):
    """Answers as the real runner does. An operation is carried out in this very process, once it is followed."""

    host: AnyHost
    name: str
    operator: str = "alice"
    asked: list[str] = field(default_factory=list)
    """The verbs, in order, of all connections that share it."""

    def exchange(
        self, verb: str, body: Mapping[str, Any], *, seconds: float | None = None, incoming: Iterable[bytes] = ()
    ) -> Iterator[dict[str, Any]]:
        self.asked.append(verb)
        try:
            for line in self._answers(verb, json.loads(json.dumps(body)), incoming):
                yield tamed(json.loads(json.dumps(line)), self.name)
        except Refused as refused:
            raise error_from_line(refused.as_line(), host=self.name) from refused
        except Failed as failed:
            raise HostError(failed.message, code=failed.code, host=self.name) from failed

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        return dict([line["body"] for line in self.exchange(verb, body) if line["type"] == "reply"][-1])

    def _answers(self, verb: str, body: dict[str, Any], incoming: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        if verb == "submit" and body["follow"]:
            (begun,) = self._answer(verb, body | {"follow": False})
            if begun["body"]["outcome"] == "unchanged":
                yield begun
                return
            verb, body = "follow", {"id": body["id"], "after": 0}
        if verb == "follow":
            self._carry_out(body["id"])
        yield from self._answer(verb, body, incoming)

    def _answer(self, verb: str, body: Mapping[str, Any], incoming: Iterable[bytes] = ()) -> Iterator[dict[str, Any]]:
        answer = getattr(import_module(f"launchpad.runner.verbs.{verb}"), verb)
        yield from answer(self.host, body, Caller(self.operator, ADDRESS, incoming=incoming))

    def _carry_out(self, identifier: str) -> None:
        """What the operation's unit does meanwhile."""
        journal = Journal(self.host, identifier)
        if journal.asked() is not None and journal.outcome() is None:
            engine.carry_out(self.host, identifier)
