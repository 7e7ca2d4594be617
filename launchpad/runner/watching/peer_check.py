"""Look at another host of the fleet from outside: whether its port 443 answers, and its tenants' names.

When it does not answer, and this host's own network works, the host is silent: this host sends the alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from launchpad.runner.account import Finding, read_account
from launchpad.runner.alerting.peer import Peer
from launchpad.runner.expected import Expectations, expectations
from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import Next
from launchpad.runner.provision.settings_record import HostSettings, stored_settings
from launchpad.runner.watching.check import Check
from launchpad.runner.watching.host_check import answers

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.view import View

NAME = "peer"
OUTSIDE = "outside "
"""The beginning of the subject of a fact about a name."""
HTTPS = 443
USUAL_SECONDS, SOON_SECONDS = 60.0, 25.0
"""Seconds between two looks, and after a look without an answer."""
NAMES_SECONDS = 300.0
REACH_SECONDS, ANSWER_SECONDS = 5.0, 8.0
LONGEST_LOOK = 30.0
"""Seconds after which the other names wait for the next look."""
SILENT_MISSES = 2


class PeerCheck(Check):
    """The facts: {"host", "reached": whether it ever answered, "expected": what the inventory expects, as a digest}."""

    name, every = NAME, USUAL_SECONDS

    @staticmethod
    def resolves(address: str) -> bool:
        """Whether this name server answers."""
        return answers(address)

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        before = read_account(host)[1].get(NAME) or {}
        self._peer = str(before.get("host", ""))
        self._reached = before.get("reached") is True
        self._misses = 0
        self._names: dict[str, Fact] = {}
        self._due: dict[str, float] = {}
        """Name → when it is asked again, by the clock of `elapsed`."""

    def look(self) -> Iterable[Finding]:
        settings = stored_settings(self.host).settings
        peer = settings.peer if settings else None
        known = expectations(self.host)
        facts = {"expected": known.digest}
        if settings is None or peer is None:
            self.facts, self.health = facts, ()
            return []
        if peer.host != self._peer:
            self._peer, self._reached, self._misses = peer.host, False, 0
            self._names.clear()
        problem = self.host.reaches(peer.address, HTTPS, seconds=REACH_SECONDS)
        self.every = SOON_SECONDS if problem else USUAL_SECONDS
        if problem:
            self._names.clear()
            self._due.clear()
            self.health = (self._silence(peer, problem),)
        else:
            self._misses, self._reached = 0, True
            self._ask(peer, settings, known)
            well = Fact(Layer.peer, Grade.ok, f"answers {settings.identity.host} on port 443", host=peer.host)
            self.health = (well.but(subject=NAME), *self._names.values())
        self.facts = {**facts, "host": peer.host, "reached": self._reached}
        return []

    def _silence(self, peer: Peer, problem: str) -> Fact:
        silent = Fact(
            Layer.peer,
            Grade.warning,
            f"{peer.host} does not answer on port 443 ({problem})",
            Next("smoke", peer.host, "--outside-only"),
            subject=NAME,
            host=peer.host,
        )
        if not self._has_network(peer):
            return silent.but(grade=Grade.unknown, message="this host's own network does not work")
        self._misses += 1
        if not self._reached:
            return silent.but(message=f"{silent.message}, and never did: is {peer.address} its public address?")
        return silent.but(grade=Grade.critical) if self._misses >= SILENT_MISSES else silent

    def _has_network(self, peer: Peer) -> bool:
        """Whether a third host answers, or a name server, none of which is on this host itself."""
        if peer.witness and not self.host.reaches(peer.witness, HTTPS, seconds=REACH_SECONDS):
            return True
        return any(self.resolves(address) for address in self.host.system.facts(()).resolvers)

    def _ask(self, peer: Peer, settings: HostSettings, known: Expectations) -> None:
        """Ask for the names that are due, those that wait longest first."""
        listed = known.names if known.peer == peer.host else {}
        whose = {name: tenant for tenant, names in listed.items() for name in names}
        self._names = {name: fact for name, fact in self._names.items() if whose.get(name) == fact.tenant}
        begun = self.host.elapsed()
        for name in sorted(whose, key=lambda name: self._due.get(name, 0.0)):
            now = self.host.elapsed()
            if self._due.get(name, 0.0) > now or now - begun > LONGEST_LOOK:
                break
            fact = self._asked(peer, settings, name, whose[name])
            self._due[name] = now + (NAMES_SECONDS - USUAL_SECONDS / 2 if fact.grade is Grade.ok else 0.0)
            self._names[name] = fact

    def _asked(self, peer: Peer, settings: HostSettings, name: str, tenant: str) -> Fact:
        here, begun = settings.identity.host, self.host.elapsed()
        trust = settings.caddy.acme_root
        said = self.host.ask_outside(peer.address, name, trust=trust, seconds=ANSWER_SECONDS)
        well = f"{name} answers {here} from outside"
        plain = Fact(
            Layer.edge, Grade.ok, well, tenant=tenant, subject=f"{OUTSIDE}{name}", host=peer.host, at=self.host.now()
        )
        if 0 < said.status < 500:
            return plain.but(value=round(self.host.elapsed() - begun, 3), unit="s")
        before = self._names.get(name)
        grade = Grade.critical if before is not None and before.grade is not Grade.ok else Grade.warning
        problem = f"answers {said.status}" if said.status else said.problem
        return plain.but(grade=grade, message=f"{name}, asked from {here}: {problem}", hint=Next("smoke", tenant))
