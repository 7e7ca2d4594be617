"""A packet filter in memory: tables that belong to somebody or to nobody, and hands that change them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from launchpad.runner.host import Failed
from launchpad.runner.view import Gate, RulesetChange, RulesetEvents

if TYPE_CHECKING:
    from tests.memory.host import MemoryHost

FIREWALL = "inet launchpad"
DOCKER = ("ip nat", "ip filter")


def rules(text: str) -> list[dict[str, Any]]:
    """A table whose chains are the text's lines: `NAME: rule; rule`."""
    found: list[dict[str, Any]] = [{"table": {"family": "inet", "name": "launchpad"}}]
    for line in text.splitlines():
        name, _, there = line.partition(": ")
        found.append({"chain": {"name": name}})
        found += [{"rule": {"chain": name, "expr": [rule]}} for rule in there.split("; ") if rule]
    return found


@dataclass
class MemoryFilter:
    host: MemoryHost
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    mine: bool = False
    can_own: bool = True
    refuses: bool = False
    """Whether nothing can be loaded."""
    whole: bool = True
    links: dict[str, bool] = field(default_factory=dict)
    heard: list[RulesetChange] = field(default_factory=list)
    asked: bool = False
    renewed: int = 0

    # --- view.Filter

    def meant(self, text: str) -> list[dict[str, Any]]:
        if "broken" in text:
            raise Failed("nft: syntax error")
        return rules(text)

    def held(self, table: str) -> list[dict[str, Any]]:
        return self.tables.get(table, [])

    def load(self, text: str, *, own: bool) -> None:
        if self.refuses or (own and not self.can_own):
            raise Failed("nft: Operation not supported")
        self.tables[FIREWALL] = self.meant(text)
        if own:
            self.tables[FIREWALL][0]["table"]["flags"] = ["owner", "persist"]
        self.mine = own

    def owned(self) -> bool:
        return self.mine

    def release(self) -> None:
        self.mine = False

    def listen(self, seconds: float) -> RulesetEvents:
        asked, changes = self.asked, tuple(self.heard)
        self.asked = False
        self.heard.clear()
        if not asked and not changes:
            self.host.wait(seconds)
        return RulesetEvents(asked, changes)

    def gate(self) -> Gate:
        return Gate(self.whole, frozenset(self.host.opened), frozenset(self.host.muted), frozenset(self.host.mail))

    def rebuild_gate(self, gate: Gate) -> None:
        self.whole = True
        self.host.opened, self.host.muted, self.host.mail = set(gate.open), set(gate.muted), set(gate.mail)

    def bridges(self) -> Mapping[str, bool]:
        return dict(self.links)

    def set_bridge(self, name: str, *, up: bool) -> None:
        self.links[name] = up

    def renew_docker(self) -> None:
        self.renewed += 1
        self.docker_rules()

    # --- what a test does to it

    def docker_rules(self) -> None:
        for table in DOCKER:
            named = [{"rule": {"chain": "FORWARD", "expr": [{"match": {"right": name}}]}} for name in self.links]
            self.tables[table] = named

    def changed(self, *tables: str, by: str = "nft, process 4321") -> None:
        self.heard.append(RulesetChange(by, frozenset(tables)))

    def flush(self) -> None:
        """`nft flush ruleset`."""
        kept = {FIREWALL: self.tables[FIREWALL]} if self.mine and FIREWALL in self.tables else {}
        self.changed(*(self.tables.keys() - kept.keys()), "inet launchpad_gate")
        self.tables = kept
        self.whole = False
        self.host.opened.clear()
        self.host.muted.clear()
        self.host.mail.clear()
