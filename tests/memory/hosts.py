"""The way to hosts that are in memory: the operator's side on one end, the runner's own verbs on the other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from launchpad import __version__
from launchpad.errors import HostError
from launchpad.fleet.model.host import Host
from launchpad.runner import engine
from launchpad.runner.caller import Caller
from launchpad.runner.host import Failed
from launchpad.runner.journal import Journal
from launchpad.runner.protocol import Refused
from launchpad.runner.provision.settings import stored_settings
from launchpad.ssh.replies import error_from_line
from tests.memory.system import BareHost


@dataclass
class MemoryRunner:
    """One connection to one host."""

    host: BareHost
    name: str
    digest: str
    asked: list[str]

    def exchange(
        self, verb: str, body: Mapping[str, Any], *, seconds: float | None = None, incoming: Iterable[bytes] = ()
    ) -> Iterator[dict[str, Any]]:
        self.asked.append(verb)
        try:
            yield from self._answers(verb, body, incoming)
        except Refused as refused:
            raise error_from_line(refused.as_line(), host=self.name) from refused
        except Failed as failed:
            raise HostError(f"{self.name}: {failed.message}") from failed

    def ask(self, verb: str, body: Mapping[str, Any], *, seconds: float | None = 60) -> dict[str, Any]:
        return dict([line["body"] for line in self.exchange(verb, body) if line["type"] == "reply"][-1])

    def _answers(self, verb: str, body: Mapping[str, Any], incoming: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        if verb == "hello":
            yield {"type": "reply", "body": {"runner": __version__, "digest": self.digest}}
        elif verb == "observe" and self.digest:
            yield {"type": "reply", "body": {"host": {"settings_digest": stored_settings(self.host).digest}}}
        elif verb == "submit":
            yield from self._submit(body)
        elif verb == "follow":
            yield from self._follow(body)
        else:
            yield from getattr(import_module(f"launchpad.runner.verbs.{verb}"), verb)(
                self.host, body, Caller("alice", incoming=incoming)
            )

    def _submit(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        """Carry the operation out in this very process, then tell it all; one that is not followed, once it is."""
        from launchpad.runner.verbs.submit import submit

        (reply,) = submit(self.host, dict(body) | {"follow": False}, Caller("alice"))
        if reply["body"]["outcome"] == "unchanged" or not body["follow"]:
            yield reply
            return
        yield from self._follow(body)

    def _follow(self, body: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
        engine.carry_out(self.host, body["id"])
        journal = Journal(self.host, body["id"])
        for event in journal.events(after=int(body.get("after", 0))):
            yield {"type": "event"} | event
        yield {"type": "reply", "body": {"id": body["id"]} | (journal.outcome() or {})}


@dataclass
class MemoryHosts:
    """Hosts by name; `digest` is the runner's that they all have."""

    hosts: dict[str, BareHost]
    digest: str
    connections: int = 0
    asked: list[str] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    """Raised, one at a time, by the next connections."""

    @contextmanager
    def reach(self, host: Host) -> Iterator[MemoryRunner]:
        self.connections += 1
        if self.failures:
            raise self.failures.pop(0)
        yield MemoryRunner(self.hosts[str(host.name)], str(host.name), self.digest, self.asked)
