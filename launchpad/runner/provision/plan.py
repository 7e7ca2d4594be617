"""What is to do so that the host is as its settings say: every wanted step, less those that find it so already."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from launchpad.runner.provision import apply as effects
from launchpad.runner.provision.settings import HostSettings, settings_from_json, stored_settings
from launchpad.runner.provision.steps import (
    AddUser,
    ChangeAccess,
    EnableUnits,
    HostStep,
    InstallPackages,
    MakeFolders,
    MakeStorage,
    PutFiles,
    RecordSettings,
    RunCaddy,
    SetKernel,
    UseCaddyfile,
)
from launchpad.runner.provision.system import Facts, ProvisionHost
from launchpad.runner.provision.text import kernel_values, text
from launchpad.runner.provision.wanted import SYSCTL, storage_source, wanted_steps

HIGHER_IS_TIGHTER = ("kernel.kptr_restrict", "kernel.perf_event_paranoid", "kernel.yama.ptrace_scope")
RANGES = ("/etc/subuid", "/etc/subgid")


@dataclass(frozen=True)
class Looking:
    """A context for looking alone: nothing that changes can be reached through it."""

    host: ProvisionHost
    identifier: str = ""

    def emit(self, *_: object, **__: object) -> None: ...

    def cancelled(self) -> bool:
        return False

    def say(self, text: str) -> None: ...


@dataclass(frozen=True)
class Observed:
    """What the plan is made from: the machine's facts, and for each wanted step what `look` saw."""

    facts: Facts
    serial: int
    """Of the settings that the host would then have."""
    ranges: Mapping[str, str]
    looked: Sequence[Mapping[str, Any]]


def planned_provision(host: ProvisionHost, value: object) -> list[HostStep]:
    """The steps that bring this host to these settings; Refused when the settings are not sound."""
    settings = settings_from_json(value)
    return plan_provision(settings, observe(host, settings))


def plan_provision(settings: HostSettings, observed: Observed) -> list[HostStep]:
    """Pure. Empty when nothing is to do."""
    steps = wanted_steps(settings, observed.facts, observed.ranges, serial=observed.serial)
    return [step for step, before in zip(steps, observed.looked, strict=True) if needed(step, before)]


def observe(host: ProvisionHost, settings: HostSettings) -> Observed:
    """Read all that decides about the plan."""
    facts = host.system.facts(tuple(kernel_values(text(SYSCTL))))
    ranges = {path: (host.read(path) or b"").decode(errors="replace") for path in RANGES}
    stored = stored_settings(host)
    serial = stored.serial if stored.settings == settings else stored.serial + 1
    context = Looking(host)
    steps = wanted_steps(settings, facts, ranges, serial=serial)
    return Observed(facts, serial, ranges, [effects.look(step, context) for step in steps])


def needed(step: HostStep, before: Mapping[str, Any]) -> bool:
    """Whether what `look` saw differs from what the step makes."""
    match step:
        case InstallPackages():
            return bool(before["missing"])
        case AddUser():
            user = before["user"]
            same = user is not None and (user["home"], user["login_shell"]) == (step.home, step.login_shell)
            return not same or (step.uid > 0 and user["uid"] != step.uid)
        case MakeFolders():
            return any(item != [step.mode, step.uid] for item in before["folders"].values())
        case PutFiles():
            return any(before["files"][path] != _file(content, step.mode) for path, content in step.files.items())
        case SetKernel():
            return any(not _holds(key, before["values"][key], value) for key, value in step.values.items())
        case EnableUnits():
            running = any(before["units"][name] != [True, True] for name in step.units)
            return running or any(not before["units"][name][0] for name in step.later)
        case MakeStorage():
            wrong = before["source"] != storage_source(step.device) or not before["quotas"]
            return wrong or before["size_mb"] < step.loop_mb
        case RunCaddy():
            (file,) = before["files"].values()
            return bool(before["running"] != step.image or file["text"] != step.compose)
        case UseCaddyfile():
            (file,) = before["files"].values()
            return bool(file["text"] != step.text)
        case RecordSettings():
            (file,) = before["files"].values()
            return bool(file["text"] != step.text or before["credentials"])
        case ChangeAccess():
            wanted = {path: _file(content, step.modes.get(path, 0o644)) for path, content in step.files.items()}
            return before["files"] != wanted or not before["firewall"]
    assert_never(step)


def _holds(key: str, now: str | None, wanted: str) -> bool:
    """Whether the kernel's value is the wanted one, or is tighter where a higher one is."""
    if now in (wanted, None):
        return True
    return key in HIGHER_IS_TIGHTER and str(now).isdecimal() and int(str(now)) > int(wanted)


def differences(host: ProvisionHost, steps: Sequence[HostStep]) -> list[str]:
    """A unified diff for every file that the steps would change."""
    context = Looking(host)
    found = []
    for step in steps:
        before = effects.look(step, context).get("files", {})
        for path, content in _contents(step):
            found.append("".join(_difference(path, before[path]["text"], content)))
    return [diff for diff in found if diff]


def _contents(step: HostStep) -> Iterator[tuple[str, str]]:
    match step:
        case PutFiles() | ChangeAccess():
            yield from step.files.items()
        case RunCaddy():
            yield effects.COMPOSE, step.compose
        case UseCaddyfile():
            yield effects.CADDYFILE, step.text


def _difference(path: str, old: str | None, new: str) -> Iterator[str]:
    lines = [] if old is None else old.splitlines(keepends=True)
    name = "/dev/null" if old is None else path
    for line in difflib.unified_diff(lines, new.splitlines(keepends=True), name, path):
        yield line if line.endswith("\n") else f"{line}\n"


def _file(content: str, mode: int) -> dict[str, Any]:
    return {"text": content, "mode": mode}
