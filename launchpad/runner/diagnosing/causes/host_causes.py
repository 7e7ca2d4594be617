"""Causes in the host itself: clock, firewall, settings, updates."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.diagnosing.collected import Collected, Diagnosis, stamp
from launchpad.runner.hint import Next, hint_from_json

MOST_SKEW = 2.0
"""Seconds."""
_FIREWALL = frozenset({"firewall", "gate"})
_OTHERS_TEXT = (
    "docker caddy dns resolver disk inodes memory load clock certificate apps boot reboot updates targets process "
    "ready edge provider channel data"
)
_OTHERS = frozenset(_OTHERS_TEXT.split())
"""What other analysers look at themselves, or what is no cause."""


def clock_wrong(collected: Collected) -> Iterator[Diagnosis]:
    """The host's clock is wrong, or nothing keeps it right."""
    clock = collected.get("clock", otherwise={})
    runs, synchronised, offset = (clock.get(name) for name in ("runs", "synchronised", "offset"))
    is_off = isinstance(offset, (int, float)) and abs(offset) > MOST_SKEW
    jumped = _jumps(collected)
    seen = [] if collected.tenant else collected.get("account", "findings", otherwise=[])
    told = [str(item.get("message", "")) for item in seen if item.get("subject") == "clock"]
    if not is_off and runs is not False and not told and not jumped:
        return
    what, cause = "nothing keeps the host's clock right", "clock"
    hint: str = Next("provision", collected.host) + f"; as root on {collected.host}: chronyc tracking"
    if is_off:
        what = f"the host's clock is wrong by {abs(offset or 0):.0f} s"
    elif told and runs is not False:
        what, cause = f"nothing keeps the host's clock right ({told[0]})", "time-server"
        hint = f"as root on {collected.host}: chronyc sources; then open UDP port 123 in the provider's firewall"
    elif jumped and runs is not False:
        what = "the host's clock jumped, as after a pause of the virtual machine"
    yield Diagnosis(
        cause=cause,
        message=f"{what}: certificates, tokens and signatures fail at a wrong time",
        hint=hint,
        evidence=(
            f"chrony runs: {_yes(runs)}, synchronised: {_yes(synchronised)}, offset: {offset} s",
            *told,
            *jumped[-2:],
        ),
    )


def _yes(value: object) -> str:
    return "yes" if value is True else "no" if value is False else "not known"


def _jumps(collected: Collected) -> list[str]:
    """What chrony wrote of a jump in the last hour; what it corrected at boot is none."""
    uptime = collected.get("machine", "uptime", otherwise=0.0) or RECENT_SECONDS + BOOT_SECONDS
    begun = collected.at - min(RECENT_SECONDS, uptime - BOOT_SECONDS)
    lines = (line for line in collected.get("journal", otherwise=[]) if "chronyd" in line and stamp(line) >= begun)
    return [line for line in lines if (found := _JUMP.search(line)) and float(found[1] or MOST_JUMP) >= MOST_JUMP]


RECENT_SECONDS, BOOT_SECONDS, MOST_JUMP = 3600.0, 300.0, 60.0
_JUMP = re.compile(r"(?i)(?:forward|backward) time jump detected|system clock wrong by -?(\d+(?:\.\d+)?) seconds")


def firewall(collected: Collected) -> Iterator[Diagnosis]:
    """The firewall or the gate before tenants is not as Launchpad made it."""
    found = [item for item in collected.get("account", "findings", otherwise=[]) if item.get("subject") in _FIREWALL]
    messages = [str(item.get("message", "")) for item in found]
    if collected.get("network", "gate") is False and collected.get("docker", "answers") is not False:
        messages.append("the traffic gate was changed by hand")
    if messages:
        yield Diagnosis(
            cause="firewall",
            message=f"the firewall is not as Launchpad made it: {messages[0]}",
            hint=Next("provision", collected.host),
            evidence=tuple(messages[:4]),
        )


def settings_changed(collected: Collected) -> Iterator[Diagnosis]:
    """Somebody changed what a provision made; the watch says what, and a provision brings it back."""
    for item in collected.get("account", "findings", otherwise=[]):
        subject, hint = str(item.get("subject", "")), hint_from_json(item.get("hint", ""))
        if subject in _OTHERS | _FIREWALL or item.get("tenant") or not hint.startswith(Next("provision")):
            continue
        yield Diagnosis(
            cause="watch-down" if subject == "watch" else "settings-changed",
            message=str(item.get("message", "")),
            hint=Next("provision", collected.host),
            evidence=(f"{subject}: {item.get('message', '')}",),
        )


def update_pending(collected: Collected) -> Iterator[Diagnosis]:
    """An update waits for a reboot."""
    if collected.get("updates", "reboot") is True:
        names = ", ".join(collected.get("updates", "packages", otherwise=[])[:5])
        yield Diagnosis(
            cause="update-pending",
            message=f"an update waits for a reboot{f' ({names})' if names else ''}",
            hint="when tenants can wait: " + Next("maintain", collected.host, "--reboot"),
            evidence=(names or "/run/reboot-required",),
        )
