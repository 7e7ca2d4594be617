"""The checks of the watch, except tenants' containers, which `launchpad.runner.watch` handles itself.

A new check is a module here with a `Check` class, listed in `CHECKS`.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from launchpad.runner.account import WATCH, Finding
from launchpad.runner.facts import Fact, Grade, fact_of
from launchpad.runner.watching.alert_check import AlertCheck
from launchpad.runner.watching.caddy_check import CaddyCheck
from launchpad.runner.watching.certificate_check import CertificateCheck
from launchpad.runner.watching.check import Check
from launchpad.runner.watching.cost_check import CostCheck
from launchpad.runner.watching.firewall_check import FirewallCheck
from launchpad.runner.watching.flood_check import FloodCheck
from launchpad.runner.watching.host_check import HostCheck
from launchpad.runner.watching.machine_check import MachineCheck
from launchpad.runner.watching.peer_check import PeerCheck
from launchpad.runner.watching.room_check import RoomCheck
from launchpad.runner.watching.tenant_check import TenantCheck

if TYPE_CHECKING:
    from launchpad.runner.account import Account

CHECKS: tuple[type[Check], ...] = (
    FirewallCheck,
    CaddyCheck,
    HostCheck,
    CertificateCheck,
    RoomCheck,
    MachineCheck,
    TenantCheck,
    FloodCheck,
    PeerCheck,
    CostCheck,
    AlertCheck,
)


def begin(checks: list[Check], account: Account) -> None:
    """Start each check's thread, which runs as long as the process."""
    for check in checks:
        threading.Thread(target=_go_on, args=(check, account), name=check.name, daemon=True).start()


def _go_on(check: Check, account: Account) -> None:
    while True:
        look_once(check, account)
        check.pause()


def look_once(check: Check, account: Account) -> None:
    """Run the check once and store its findings. A failed check is a finding, and never ends the watch."""
    from launchpad.runner.engine import reason

    try:
        findings = list(check.look())
        health = [*check.health, *well(check, findings)]
    except Exception as error:
        findings, health = [Finding(WATCH, f"{check.name} cannot be checked: {reason(error)}")], []
    try:
        account.see(check.name, findings, check.facts, health)
    except Exception as error:  # a full /run: the account becomes stale, which `status` reports
        print(f"the watch's findings cannot be written: {reason(error)}", file=sys.stderr, flush=True)


def well(check: Check, findings: Iterable[Finding]) -> Iterator[Fact]:
    """A fact for each of the check's layers without a finding."""
    wrong = {fact_of(item, tenant="", at=0.0).layer for item in findings}
    for layer, message in check.fine.items():
        if layer not in wrong:
            yield Fact(layer, Grade.ok, message)
