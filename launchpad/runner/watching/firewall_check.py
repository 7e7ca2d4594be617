"""Check and restore the packet filter: the host's own table, the gate in front of tenants, and Docker's rules.

If the kernel supports it, the watch owns the host's table, so that no other program can change it. The watch compares
the whole table, rule for rule, after every change by another program, and every 30 s.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, ClassVar

from launchpad.runner import booting, cell, paths, slots
from launchpad.runner.account import RUN_PROVISION, Finding
from launchpad.runner.facts import Layer
from launchpad.runner.host import Busy, Failed
from launchpad.runner.journal import open_subjects
from launchpad.runner.moving.tombstone import may_run
from launchpad.runner.provision.reverts import CONFIRMED, pending
from launchpad.runner.provision.reverts import FIREWALL as FILE
from launchpad.runner.tenant_record import TenantRecord, read_tenant
from launchpad.runner.view import Gate, RulesetChange
from launchpad.runner.watching.check import POLL_SECONDS, Check

if TYPE_CHECKING:
    from launchpad.runner.account import Account
    from launchpad.runner.view import View

TABLE, GATE = "inet launchpad", "inet launchpad_gate"
DOCKERS = ("ip nat", "ip filter")
OWN_BRIDGE = "docker0"
TRY_SECONDS = 2.0
"""Seconds to try to restore the table before the watch takes the tenants' bridges down."""
PAUSE_SECONDS = 0.2
TOGETHER_SECONDS = 0.03
"""Seconds to wait for more transactions, because programs change the filter in several."""
RELEASED_SECONDS = 2.0
"""Seconds for which the watch releases the table after a request, unless the change comes earlier."""
DOCKER_SECONDS, NETWORK_SECONDS = 1.0, 10.0
"""Rules that are missing for longer were removed by another program. Docker itself never removes the rules of its own
bridge, but removes those of a network one by one before it removes the network."""
RENEWED_SECONDS = 30.0
"""The shortest time between two restarts of Docker."""
SOON_SECONDS = 15.0
"""Docker creates its rules within so many seconds of its start."""
MOST_NAMED = 3


def differences(meant: Sequence[Mapping[str, Any]], held: Sequence[Mapping[str, Any]]) -> list[str]:
    """The differences between the kernel's table and the wanted one, rule for rule, for people."""
    if not held:
        return ["the table is missing"] if meant else []
    wanted, found = _parts(meant), _parts(held)
    names = [*wanted, *(name for name in found if name not in wanted)]
    return [
        _difference(name, wanted.get(name), found.get(name)) for name in names if wanted.get(name) != found.get(name)
    ]


def _difference(name: str, wanted: list[Any] | None, found: list[Any] | None) -> str:
    if wanted is None:
        return f"{name} was added"
    return f"{name} is missing" if found is None else f"{name} was changed"


def _parts(objects: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """The compared parts by name: the table, each chain with its rules, each set, and any other object."""
    parts: dict[str, list[Any]] = {}
    for item in objects:
        ((kind, value),) = item.items()
        if kind == "table":
            flags = [flag for flag in value.get("flags", ()) if flag not in ("owner", "persist")]
            parts["the table"] = [{**value, "flags": flags}]
            continue
        name = f"chain {value['chain']}" if kind == "rule" else f"{kind} {value.get('name', '')}"
        parts.setdefault(name, []).append(item)
    return parts


class FirewallCheck(Check):
    """Keeps the packet filter, and reports when that fails."""

    name = "firewall"
    every = 30.0
    fine: ClassVar[Mapping[Layer, str]] = {Layer.firewall: "every rule is in force"}

    def __init__(self, host: View, account: Account) -> None:
        super().__init__(host, account)
        self._filter = host.filter
        self._loaded: tuple[str, list[dict[str, Any]]] = ("", [])
        """The last text, and the objects that it stands for."""
        self._can_own = True
        self._last: dict[str, Any] | None = None
        """The last repair."""
        self._changes: list[RulesetChange] = []
        self._gate = Gate(whole=False)
        """The last complete gate."""
        self._docker = Docker(host, self)

    def look(self) -> Iterator[Finding]:
        self._hear(0)
        yield from self._see_to_table()
        yield from self._see_to_gate()
        yield from self._docker.see_to()
        self.facts = {"owned": self._can_own, "last": self._last}
        self._changes.clear()

    def pause(self) -> None:
        looked = self.host.elapsed()
        end = looked + (DOCKER_SECONDS if self._docker.missing else self.every)
        while (left := end - self.host.elapsed()) > 0 and not self.is_wanted(looked):
            if self._hear(min(left, POLL_SECONDS)):
                self._filter.release()
                self._hear(RELEASED_SECONDS)
                return
            if self._changes:
                self.host.wait(TOGETHER_SECONDS)
                return

    def blamed(self, *tables: str) -> str:
        """The programs that changed one of these tables since the last check."""
        names = dict.fromkeys(change.by for change in self._changes if change.tables & {*tables})
        return ", ".join(list(names)[:MOST_NAMED]) or "an unknown program"

    def note(self, message: str, *, tenant: str = "") -> None:
        self._last = {"at": self.host.now(), "message": message}
        self.account.note(self.name, message, tenant=tenant)

    def _hear(self, seconds: float) -> bool:
        heard = self._filter.listen(seconds)
        self._changes += heard.changes
        return heard.asked

    # --- the host's own table

    def _see_to_table(self) -> Iterator[Finding]:
        meant = self._meant()
        if meant is None:
            return  # this host was never completely provisioned, or the provision was reverted
        text, objects = meant
        end = self.host.elapsed() + TRY_SECONDS
        while True:
            try:
                self._keep(text, objects)
                break
            except Failed as failed:
                if self.host.elapsed() >= end:
                    self._cut_off()
                    yield Finding(
                        self.name, f"the firewall cannot be restored, so tenants are disconnected: {failed.message}"
                    )
                    return
            self.host.wait(PAUSE_SECONDS)
        self._join_again()

    def _keep(self, text: str, meant: list[dict[str, Any]]) -> None:
        """Compare the table, restore differences, and own the table if possible. Failed when it still differs
        afterwards."""
        wrong = differences(meant, self._filter.held(TABLE))
        if not wrong and (not self._can_own or self._filter.owned()):
            return
        if self._can_own:
            try:
                self._filter.load(text, own=True)
            except Failed:
                self._filter.load(text, own=False)
                self._can_own = False
        else:
            self._filter.load(text, own=False)
        if still := differences(meant, self._filter.held(TABLE)):
            raise Failed(", ".join(still), code="firewall-differs")
        if wrong:
            self.note(f"{self.blamed(TABLE)} changed the firewall ({', '.join(wrong)}); the watch restored it")

    def _meant(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The table's text and its objects: from the file, or, when nft rejects the file, from the last confirmed copy.
        None on a host with neither."""
        self._put_file_back()
        for path in (FILE, CONFIRMED):
            text = (self.host.read(path) or b"").decode(errors="replace")
            if not text:
                continue
            if text == self._loaded[0]:
                return self._loaded
            try:
                self._loaded = (text, self._filter.meant(text))
            except Failed:
                continue
            return self._loaded
        return None

    def _put_file_back(self) -> None:
        """Restore the file from the confirmed copy, unless an operation or a revert is changing the file now."""
        confirmed = self.host.read(CONFIRMED)
        if confirmed in (None, self.host.read(FILE)) or "host" in open_subjects(self.host) or self._reverting():
            return
        self.host.write(FILE, confirmed)
        self.note(f"{FILE} was changed; the watch restored it")

    def _reverting(self) -> bool:
        return any(item.state in ("armed", "waiting") for item in pending(self.host))

    def _cut_off(self) -> None:
        """Take the tenants' bridges down, including new ones; the list is stored for a later watch process."""
        cut = [name for name, up in self._filter.bridges().items() if up and name.startswith("lp-")]
        before = self._cut()
        self.host.write(paths.CUT_OFF, json.dumps([*(before or ()), *cut]).encode(), mode=0o600)
        for name in cut:
            self._filter.set_bridge(name, up=False)
        if before is None:
            self.note("the firewall cannot be restored; the watch disconnected the tenants")

    def _join_again(self) -> None:
        if (cut := self._cut()) is None:
            return
        for name in cut:
            self._filter.set_bridge(name, up=True)
        self.host.remove(paths.CUT_OFF)
        self.note("the firewall is restored; the watch reconnected the tenants")

    def _cut(self) -> list[str] | None:
        """The bridges that the watch took down; None for none."""
        data = self.host.read(paths.CUT_OFF)
        return None if data is None else list(json.loads(data))

    # --- the gate

    def _see_to_gate(self) -> Iterator[Finding]:
        gate = self._filter.gate()
        if not gate.whole:
            self._filter.rebuild_gate(self._gate if self._gate.whole else gate)
            if self._gate.whole or (self.host.names(paths.TENANTS) and not booting.is_going_on(self.host)):
                self.note(f"{self.blamed(GATE)} changed the traffic gate; the watch rebuilt it")
            gate = self._filter.gate()
        starting = booting.is_going_on(self.host)  # the boot opens traffic, tenant by tenant
        there = booting.seen_to(self.host) if starting else self.host.names(paths.TENANTS)
        for name in there:
            if slots.is_tenant_name(name):
                try:
                    self._settle(name, gate)
                except (Failed, Busy, ValueError, KeyError, TypeError):
                    continue  # an operation holds the tenant, and opens and closes the gate itself
        self._gate = self._filter.gate()
        if not self._gate.whole:
            yield Finding(self.name, "another program keeps changing the traffic gate", RUN_PROVISION)

    def _settle(self, name: str, gate: Gate) -> None:
        """Correct the gate's elements for the tenant to its serving side, unless an operation holds the tenant."""
        record = read_tenant(self.host, name)
        if record is None or self._is_right(record, gate):
            return
        with self.host.lock(f"tenant-{name}", {"who": "watch", "kind": "gate", "since": self.host.now()}):
            record = read_tenant(self.host, name)
            if record is None or f"tenant-{name}" in open_subjects(self.host):
                return
            now = self._filter.gate()
            if self._is_right(record, now):
                return
            opened, ports = self._serving(record)
            everybody = _addresses(record.slot, "a") | _addresses(record.slot, "b")
            self.host.close_traffic(sorted((now.open & everybody) - opened))
            self.host.open_traffic(sorted(opened - now.open))
            if ports is not None:
                self.host.let_out(sorted(_addresses(record.slot, record.side)), ports)
        self.note(
            f"{self.blamed(GATE)} changed the addresses in the traffic gate; the watch corrected them", tenant=name
        )

    def _is_right(self, record: TenantRecord, gate: Gate) -> bool:
        opened, ports = self._serving(record)
        everybody = _addresses(record.slot, "a") | _addresses(record.slot, "b")
        side = _addresses(record.slot, record.side)
        mail = {item for item in gate.mail if item[0] in side}
        wanted = mail if ports is None else {(address, port) for address in side for port in ports}
        return gate.open & everybody == opened and mail == wanted

    def _serving(self, record: TenantRecord) -> tuple[frozenset[IPv4Address], Sequence[int] | None]:
        """The tenant's addresses that should get traffic, and the mail ports that its release may reach; None when its
        release cannot be read."""
        serves = record.is_to_run and may_run(self.host, record)
        try:
            ports = cell.read_release(self.host, record.tenant, record.started).egress_ports
        except Failed:
            ports = None
        return _addresses(record.slot, record.side) if serves else frozenset(), ports


def _addresses(slot: int, side: slots.Side) -> frozenset[IPv4Address]:
    return frozenset(slots.address(slot, index, side) for index in range(slots.MOST_SERVICES))


class Docker:
    """Docker's own rules: the expected rules are known from earlier ones, and from Docker's own bridge."""

    def __init__(self, host: View, firewall: FirewallCheck) -> None:
        self._host, self._firewall = host, firewall
        self._most: Counter[str] = Counter()
        """The highest number of rules that named each bridge since Docker created them."""
        self._since: float | None = None
        self._blamed = ""
        self._renewed = float("-inf")

    @property
    def missing(self) -> bool:
        return self._since is not None

    def see_to(self) -> Iterator[Finding]:
        """Make Docker create its rules again when some are missing for longer than Docker's own changes take."""
        now = self._host.elapsed()
        try:
            self._host.docker_version()
        except Failed:
            self._since = None  # Docker creates its rules when it starts
            return
        bridges = [name for name, up in self._host.filter.bridges().items() if up or name == OWN_BRIDGE]
        count = _named(bridges, (item for table in DOCKERS for item in self._host.filter.held(table)))
        lacking = [name for name in bridges if count[name] < max(self._most[name], name == OWN_BRIDGE)]
        self._most = Counter({name: max(self._most[name], count[name]) for name in bridges})
        if not lacking:
            self._since = None
            return
        if self._since is None:
            self._since, self._blamed = now, self._firewall.blamed(*DOCKERS)
        if now - self._since < (DOCKER_SECONDS if OWN_BRIDGE in lacking else NETWORK_SECONDS):
            return
        if now - self._renewed < RENEWED_SECONDS:
            if now - self._since > SOON_SECONDS:
                yield Finding(
                    "docker-rules", f"Docker's firewall rules are missing for {', '.join(lacking)}", RUN_PROVISION
                )
            return
        self._renewed, self._most = now, Counter()
        self._host.filter.renew_docker()
        self._firewall.note(f"{self._blamed} removed Docker's firewall rules; the watch had Docker create them again")


def _named(bridges: Iterable[str], objects: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """The number of rules that name each bridge."""
    rules = [json.dumps(item["rule"]["expr"]) for item in objects if "rule" in item]
    return Counter({name: sum(f'"{name}"' in rule for rule in rules) for name in bridges})
