"""Check the host itself: differences from its provision, and problems that no provision repairs (name servers, reboot).

Uses provision's own plan, so `launchpad provision` repairs what is found here.
"""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from launchpad.runner import booting, paths
from launchpad.runner.account import RUN_PROVISION, THE_HOST, Finding
from launchpad.runner.engine import damaged
from launchpad.runner.facts import Layer
from launchpad.runner.hint import HERE, Next
from launchpad.runner.host import Files
from launchpad.runner.provision.plan import KERNEL_RULES, deviations, observe, wanted
from launchpad.runner.provision.settings_record import stored_settings
from launchpad.runner.provision.steps import ChangeAccess, EnableUnits, HostStep, RunCaddy
from launchpad.runner.provision.wanted_steps import FIREWALL
from launchpad.runner.step import step_name
from launchpad.runner.system import ProvisionHost
from launchpad.runner.view import View
from launchpad.runner.watching.check import Check

_UNITS = {"docker": "docker", "chrony": "clock"}
REBOOT_FOR = f"{paths.REBOOT}.pkgs"
DNS_SECONDS = 1.5
"""For each of two questions."""
SOON_SECONDS = 15.0
_QUESTION = b"\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00" + b"\x00" + b"\x00\x02\x00\x01"
"""A query for the root's name servers, which every resolver can answer."""


class HostCheck(Check):
    name = THE_HOST
    fine: ClassVar[Mapping[Layer, str]] = {
        Layer.settings: "as the last provision left them",
        Layer.resolver: "a name server answers",
        Layer.reboot: "no update waits for one",
    }
    _was_busy = _found = False

    def pause(self) -> None:
        # Check again soon: a finding may be short, such as a service that is restarting.
        self.every = SOON_SECONDS if self._found else Check.every
        super().pause()

    def is_wanted(self, looked: float) -> bool:
        return super().is_wanted(looked) or (self._was_busy and not self._is_busy())

    def _is_busy(self) -> bool:
        """Whether an operation or a boot changes the host: their changes are not drift."""
        return self.host.lock_owner("host") is not None or booting.is_going_on(self.host)

    def look(self) -> list[Finding]:
        host: Any = self.host
        self._was_busy = self._is_busy()
        resolvers = host.system.facts(()).resolvers
        self.facts = {"resolvers": list(resolvers)}
        found = [] if self._was_busy else [*look_at_host(host), *_name_servers(resolvers)]
        self._found = bool(found)
        return [*found, *pending_reboot(host), *unsettled(host)]


def _name_servers(addresses: Sequence[str]) -> Iterator[Finding]:
    if not addresses:
        yield Finding("dns", "the host has no name server, so its tenants cannot resolve names")
    elif not any(answers(address) for address in addresses):
        yield Finding("dns", f"no name server answers ({', '.join(addresses)})")


def look_at_host(host: ProvisionHost) -> Iterator[Finding]:
    """Everything that a provision with the host's own settings would repair."""
    settings = stored_settings(host).settings
    if settings is None:
        yield Finding("provision", "the last provision did not finish", RUN_PROVISION)
        return
    observed = observe(host, settings)
    now, named = observed.facts.resolvers, _named_in(host)
    if others := named is not None and named != now:
        message = f"the firewall lets tenants use the name servers {_listed(named)}, but the host uses {_listed(now)}"
        yield Finding("resolvers", message, RUN_PROVISION)
    for step, before in zip(wanted(settings, observed), observed.looked, strict=True):
        if isinstance(step, RunCaddy) and not before["asked"]:
            # Its container outlives Docker, and another check asks Caddy itself.
            before = {**before, "running": step.image, "answers": True}
        for message in deviations(step, before):
            if not others or not message.startswith((FIREWALL, KERNEL_RULES)):
                yield Finding(_subject(step, message), message, RUN_PROVISION)


def _subject(step: HostStep, message: str) -> str:
    """Of what differs: a unit that does not run is the trouble of whatever it keeps."""
    match step:
        case ChangeAccess():
            return "access"
        case EnableUnits():
            return _UNITS.get(message.partition(".service")[0], "units")
        case RunCaddy():
            return "caddy"
    return step_name(type(step))


def _named_in(host: Files) -> tuple[str, ...] | None:
    """The name servers that the firewall's file lets tenants use; None for a file that says nothing of them."""
    found = re.search(r"set resolvers \{[^}]*?elements = \{ ([^}]*) \}", (host.read(FIREWALL) or b"").decode())
    return tuple(found[1].split(", ")) if found else None


def _listed(addresses: tuple[str, ...] | None) -> str:
    return ", ".join(addresses or ()) or "none"


def answers(address: str, *, port: int = 53, seconds: float = DNS_SECONDS) -> bool:
    """Whether this name server answers one of two questions: a packet may be lost, and a busy server be late."""
    number = os.urandom(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.settimeout(seconds)
        for _ in range(2):
            try:
                asked.connect((address, port))
                asked.send(number + _QUESTION)
                if asked.recv(4096)[:2] == number:
                    return True
            except OSError:
                continue
    return False


def unsettled(host: View) -> Iterator[Finding]:
    """The operations that can be neither finished nor undone."""
    for operation, error in damaged(host):
        yield Finding("operation", str(error), error.way_on, tenant=operation.get("tenant", ""))


def pending_reboot(host: Files) -> Iterator[Finding]:
    if host.read(paths.REBOOT) is not None:
        names = sorted(set((host.read(REBOOT_FOR) or b"").decode(errors="replace").split()))
        of = f" of {', '.join(names)}" if names else ""
        yield Finding("reboot", f"an update{of} needs a reboot", Next("maintain", HERE, "--reboot"))
