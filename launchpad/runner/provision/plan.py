"""Plan a provision: every wanted step, without the steps whose result already exists."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, assert_never

from launchpad.runner.context import Context
from launchpad.runner.provision import effects
from launchpad.runner.provision.file_text import kernel_values, text
from launchpad.runner.provision.settings_record import SETTINGS, HostSettings, settings_from_json, stored_settings
from launchpad.runner.provision.steps import (
    AddUser,
    ChangeAccess,
    DisableUnits,
    EnableUnits,
    EndLogins,
    HostStep,
    InstallPackages,
    KeepOthersOut,
    LookAgain,
    MakeFolders,
    MakeStorage,
    PutFiles,
    RecordSettings,
    RunCaddy,
    SetKernel,
    UseCaddyfile,
)
from launchpad.runner.provision.wanted_steps import SYSCTL, wanted_steps
from launchpad.runner.system import MachineFacts, ProvisionHost, storage_source
from launchpad.runner.visits import Visits

KERNEL_RULES = "the firewall rules in the kernel differ from Launchpad's"
HIGHER_IS_TIGHTER = ("kernel.kptr_restrict", "kernel.perf_event_paranoid", "kernel.yama.ptrace_scope")
RANGES = ("/etc/subuid", "/etc/subgid")


@dataclass(frozen=True)
class Observed:
    """The input of the plan: the machine's facts, and for each wanted step what `look` saw."""

    facts: MachineFacts
    serial: int
    """The serial of the new settings."""
    ranges: Mapping[str, str]
    looked: Sequence[Mapping[str, Any]]


def planned_provision(host: ProvisionHost, value: object) -> list[HostStep]:
    """The steps that bring this host to these settings; Refused when the settings are not sound."""
    settings = settings_from_json(value)
    return plan_provision(settings, observe(host, settings))


def plan_provision(settings: HostSettings, observed: Observed) -> list[HostStep]:
    """Pure. Empty when there is nothing to do."""
    steps = wanted(settings, observed)
    found = [step for step, before in zip(steps, observed.looked, strict=True) if needed(step, before)]
    return [*found, LookAgain()] if found else []


def wanted(settings: HostSettings, observed: Observed) -> list[HostStep]:
    """Every step for a host with these settings, needed or not, in the order of `observed.looked`."""
    return wanted_steps(settings, observed.facts, observed.ranges, serial=observed.serial)


def observe(host: ProvisionHost, settings: HostSettings) -> Observed:
    """Read everything that the plan depends on."""
    facts = host.system.facts(tuple(kernel_values(text(SYSCTL))))
    ranges = {path: (host.read(path) or b"").decode(errors="replace") for path in RANGES}
    stored = stored_settings(host)
    serial = stored.serial if stored.settings == settings else stored.serial + 1
    context = looking(host)
    steps = wanted_steps(settings, facts, ranges, serial=serial)
    return Observed(facts, serial, ranges, [effects.look(step, context) for step in steps])


def looking(host: ProvisionHost) -> Context:
    """A context for `look` alone, without an operation; progress lines are dropped."""
    return Context(host, "", {}, lambda *_, **__: None, lambda: False, Visits())


def needed(step: HostStep, before: Mapping[str, Any]) -> bool:
    """Whether what `look` saw differs from the step's result."""
    return any(True for _ in deviations(step, before))


def deviations(step: HostStep, before: Mapping[str, Any]) -> Iterator[str]:
    """Every difference between what `look` saw and the step's result, as sentences for people: `status` shows them, and
    a provision repairs them."""
    match step:
        case InstallPackages():
            yield from (f"the package {name} is not installed" for name in before["missing"])
        case AddUser():
            user = before["user"]
            if user is None:
                yield f"the user {step.name} is missing"
            elif (user["home"], user["login_shell"]) != (step.home, step.login_shell):
                yield f"the user {step.name} has another home or shell"
            elif 0 < step.uid != user["uid"]:
                yield f"the user {step.name} has the uid {user['uid']}, not {step.uid}"
        case MakeFolders():
            for path, item in before["folders"].items():
                if item != [step.mode, step.uid]:
                    yield f"the folder {path} {'has another mode or owner' if item else 'is missing'}"
        case PutFiles():
            yield from _changed(before["files"], {path: _file(text, step.mode) for path, text in step.files.items()})
        case SetKernel():
            for key, value in step.values.items():
                if not _holds(key, now := before["values"][key], value):
                    yield f"the kernel's {key} is {now}, not {value}"
        case EnableUnits():
            yield from _units(step, before)
        case DisableUnits():
            found = (name for name, unit in before["units"].items() if unit != [False, False])
            yield from (f"{name} runs or starts at boot, though the settings do not want it" for name in found)
        case MakeStorage():
            if before["source"] != storage_source(step.device) or not before["quotas"]:
                yield f"the tenants' storage is on {before['source'] or 'nothing'}, or has no quotas"
            elif before["size_mb"] < step.loop_mb:
                yield f"the tenants' storage has {before['size_mb']} MiB, not {step.loop_mb}"
        case RunCaddy():
            yield from _text_changed(before["files"], {effects.COMPOSE: step.compose})
            if before["running"] != step.image:
                yield f"Caddy runs another image: {before['running']}" if before["running"] else "Caddy does not run"
            elif not before["answers"]:
                yield "Caddy runs and does not answer"
        case UseCaddyfile():
            yield from _text_changed(before["files"], effects.caddy_files(step))
        case RecordSettings():
            yield from _text_changed(before["files"], {SETTINGS: step.text})
            if before.get("credentials"):
                yield "credentials of backup targets or alert destinations are missing on the host"
        case EndLogins():
            if before["logins"]:
                yield f"{len(before['logins'])} logins are open with keys that are no longer accepted"
        case ChangeAccess():
            wanted = {path: _file(text, step.modes.get(path, 0o644)) for path, text in step.files.items()}
            yield from _changed({path: before["files"][path] for path in step.files}, wanted)
            if not before["firewall"]:
                yield KERNEL_RULES
            yield from before["sshd"]
        case KeepOthersOut():
            yield from (item["message"] for item in before["others"])
        case LookAgain():
            return
        case _:
            assert_never(step)


def _changed(now: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    for path, file in wanted.items():
        if now[path]["text"] is None:
            yield f"{path} is missing"
        elif now[path] != file:
            yield f"{path} was changed"


def _text_changed(now: Mapping[str, Any], wanted: Mapping[str, str]) -> Iterator[str]:
    for path, content in wanted.items():
        if now[path]["text"] != content:
            yield f"{path} {'is missing' if now[path]['text'] is None else 'was changed'}"


def _units(step: EnableUnits, before: Mapping[str, Any]) -> Iterator[str]:
    for name in (*step.units, *step.later):
        enabled, active = before["units"][name]
        if name in step.units and not active:
            yield f"{name} does not run"
        elif not before["works"].get(name, True):
            yield f"{name} runs and does not answer"
        elif not enabled:
            yield f"{name} is not enabled at boot"


def _holds(key: str, now: str | None, wanted: str) -> bool:
    """Whether the kernel's value is the wanted one, or higher where higher is stricter."""
    if now in (wanted, None):
        return True
    return key in HIGHER_IS_TIGHTER and str(now).isdecimal() and int(str(now)) > int(wanted)


def differences(host: ProvisionHost, steps: Sequence[HostStep]) -> list[str]:
    """A unified diff for every file that the steps would change."""
    context = looking(host)
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
            yield from effects.caddy_files(step).items()


def _difference(path: str, old: str | None, new: str) -> Iterator[str]:
    lines = [] if old is None else old.splitlines(keepends=True)
    name = "/dev/null" if old is None else path
    for line in difflib.unified_diff(lines, new.splitlines(keepends=True), name, path):
        yield line if line.endswith("\n") else f"{line}\n"


def _file(content: str, mode: int) -> dict[str, Any]:
    return {"text": content, "mode": mode}
