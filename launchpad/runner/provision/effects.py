"""Run a provision's steps, and undo them: the only place where provisioning changes a host.

The same contract as for tenants: the result of `look` is journaled before anything changes; `apply` and `undo` are
idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, assert_never

from launchpad.runner import paths
from launchpad.runner.account import THE_HOST, is_watched, look_again
from launchpad.runner.alerting import addresses
from launchpad.runner.backups import credentials
from launchpad.runner.context import Context
from launchpad.runner.host import Failed
from launchpad.runner.protocol import Refused, record_as_json, record_from_json
from launchpad.runner.provision import access, steps
from launchpad.runner.provision.file_text import text
from launchpad.runner.provision.fleet_caddyfile import ACME_ROOT, judge_caddyfile, question
from launchpad.runner.provision.reverts import FIREWALL, File, look_at, restore
from launchpad.runner.provision.settings_record import SETTINGS, settings_from_json
from launchpad.runner.reviving import revive_docker
from launchpad.runner.shipping import host_certificate
from launchpad.runner.system import OPERATORS, Other, ProvisionHost, Storage, System, User, provisioned

ROOT = "root"
SUDOERS = "/etc/sudoers"
CADDY_PROJECT = "launchpad-caddy"
CADDY_SECONDS = 30
WATCH = "launchpad-watch.service"
WATCH_SECONDS = 10
"""Seconds to wait for the watch's first account."""
CADDYFILE = f"{paths.CADDY}/Caddyfile"
COMPOSE = f"{paths.CADDY}/compose.yaml"

Before = Mapping[str, Any]


def look(step: steps.HostStep, context: Context) -> dict[str, Any]:
    """The present state: what undo needs, and whether the step is needed. Reads only; JSON."""
    host = provisioned(context)
    system = host.system
    match step:
        case steps.InstallPackages():
            return {"missing": list(system.missing_packages(step.packages))}
        case steps.AddUser():
            user = system.user(step.name)
            return {"user": record_as_json(user) if user else None}
        case steps.MakeFolders():
            owned = {path: system.owned(path) for path in step.folders}
            return {"folders": {path: [item.mode, item.uid] if item else None for path, item in owned.items()}}
        case steps.PutFiles():
            return {"files": _files(host, step.files)}
        case steps.SetKernel():
            return {"values": {key: system.kernel(key) for key in step.values}}
        case steps.EnableUnits() | steps.DisableUnits():
            units = system.units((*step.units, *step.later))
            works = {name: _works(host, name) for name in step.units if units[name].active}
            return {"units": {name: [unit.enabled, unit.active] for name, unit in units.items()}, "works": works}
        case steps.MakeStorage():
            stored = system.storage()
            return {"source": stored.source, "size_mb": stored.size_mb, "quotas": stored.quotas}
        case steps.RunCaddy():
            running = system.container_image(CADDY_PROJECT)
            answers = running is not None and _caddy_answers(host)
            asked = running is not None or system.docker_answers()
            return {"running": running, "answers": answers, "asked": asked, "files": _files(host, [COMPOSE])}
        case steps.UseCaddyfile():
            return {"files": _files(host, caddy_files(step))}
        case steps.ChangeAccess():
            files = _files(host, [*step.files, access.SSHD_CONFIG])
            firewall = system.firewall(step.files[FIREWALL])
            return {"files": files, "firewall": firewall, "sshd": list(system.sshd_strays(text(access.SSHD_CONFIG)))}
        case steps.KeepOthersOut():
            others = [record_as_json(item) for item in _others(step, system)]
            return {"others": others, "files": _files(host, [SUDOERS])}
        case steps.EndLogins():
            return {"logins": list(system.strange_logins(step.keys))}
        case steps.RecordSettings():
            settings = settings_from_json(json.loads(step.text)["settings"])
            holders = (credentials, addresses, host_certificate)
            missing = [item for holder in holders for item in holder.missing(host, settings)]
            return {"files": _files(host, [SETTINGS]), "credentials": missing}
        case steps.LookAgain():
            return {}
    assert_never(step)


def apply(step: steps.HostStep, context: Context) -> None:
    """Run the step. Failed says what could not be done and why."""
    host = provisioned(context)
    system = host.system
    match step:
        case steps.InstallPackages():
            system.install_packages(step.packages, context.say)
        case steps.AddUser():
            system.add_user(User(name=step.name, home=step.home, login_shell=step.login_shell, uid=step.uid or None))
        case steps.MakeFolders():
            for path in step.folders:
                host.folder(path, mode=step.mode, uid=step.uid)
        case steps.PutFiles():
            _put_files(step, host)
        case steps.SetKernel():
            system.set_kernel(step.values)
        case steps.EnableUnits():
            _enable(step, host)
        case steps.DisableUnits():
            for name in step.units:
                system.disable(name)
        case steps.MakeStorage():
            system.make_storage(Storage(loop_mb=step.loop_mb, device=step.device), context.say)
        case steps.RunCaddy():
            _run_caddy(step, context)
        case steps.UseCaddyfile():
            _use_caddyfile(step, host)
        case steps.ChangeAccess():
            access.change(step, context)
        case steps.KeepOthersOut():
            for other in _others(step, system):
                system.keep_out(other, sudoers=_sudoers(step.admins))
        case steps.EndLogins():
            system.end_logins(step.keys)
        case steps.RecordSettings():
            host.write(SETTINGS, step.text.encode())
        case steps.LookAgain():
            look_again(host, THE_HOST)
        case _:
            assert_never(step)


def undo(step: steps.HostStep, before: Before, context: Context) -> None:
    """Restore what `look` saw, except what is harmless or may contain data by now."""
    host = provisioned(context)
    system = host.system
    match step:
        case (
            steps.InstallPackages()
            | steps.MakeFolders()
            | steps.MakeStorage()
            | steps.SetKernel()
            | steps.EndLogins()
            | steps.LookAgain()
        ):
            return
        case steps.AddUser():
            if before["user"] is None:
                system.remove_user(step.name)
        case steps.PutFiles():
            _restore(host, before)
            _tell(step, host)
        case steps.EnableUnits():
            # The units for later do nothing without work, and one of them may run this operation.
            for name in step.units:
                if before["units"][name] == [False, False]:
                    system.disable(name)
        case steps.DisableUnits():
            were = tuple(name for name, state in before["units"].items() if state == [True, True])
            _enable(steps.EnableUnits(units=were), host)
        case steps.RunCaddy():
            _restore(host, before)
            if before["running"]:
                host.up(paths.CADDY, CADDY_PROJECT, {})
            else:
                host.down(CADDY_PROJECT, 10)
        case steps.UseCaddyfile():
            _restore(host, before)
            if before["files"][CADDYFILE]["text"] is not None and system.container_image(CADDY_PROJECT):
                host.load_sites(again=True)
        case steps.ChangeAccess():
            access.undo(_remembered(before), context)
        case steps.KeepOthersOut() | steps.RecordSettings():
            # An operator restores a removed key or uid by hand: the files are kept.
            _restore(host, before)
        case _:
            assert_never(step)


# --- who can log in ---------------------------------------------------------------------------------------------------


def _others(step: steps.KeepOthersOut, system: System) -> tuple[Other, ...]:
    return system.others((ROOT, OPERATORS, *step.admins), sudoers=_sudoers(()))


def _sudoers(admins: Sequence[str]) -> str:
    return text(SUDOERS, admins="\n".join(f"{name}\tALL=(ALL:ALL) NOPASSWD: ALL" for name in admins))


# --- files ------------------------------------------------------------------------------------------------------------


def _files(host: ProvisionHost, names: Mapping[str, str] | list[str]) -> dict[str, Any]:
    return {path: record_as_json(look_at(host, path)) for path in names}


def _remembered(before: Before) -> dict[str, File]:
    return {path: record_from_json(File, item, "before.files") for path, item in before["files"].items()}


def _restore(host: ProvisionHost, before: Before) -> None:
    for path, file in _remembered(before).items():
        restore(host, path, file)


def _put_files(step: steps.PutFiles, host: ProvisionHost) -> None:
    if step.check == "docker" and not host.system.missing_packages(("docker.io",)):
        for content in step.files.values():
            host.system.check("docker", content)
    for path, content in step.files.items():
        host.write(path, content.encode(), mode=step.mode)
    _tell(step, host)


def _enable(step: steps.EnableUnits, host: ProvisionHost) -> None:
    names = (*step.units, *step.later)
    if missing := [name for name in names if not host.system.unit(name).enabled]:
        host.system.enable(missing)
    for name in step.units:
        if not host.system.unit(name).active:
            _start(host, name)
        elif not _works(host, name):
            host.system.act(name, "restart")
    for _ in range(WATCH_SECONDS * 10 if WATCH in step.units else 0):
        if _works(host, WATCH):
            break
        host.wait(0.1)


def _start(host: ProvisionHost, name: str) -> None:
    try:
        host.system.act(name, "start")
    except Failed:
        if name != "docker.service" or not revive_docker(host, who="provision"):
            raise


def _works(host: ProvisionHost, name: str) -> bool:
    """Whether an active unit works: its process may hang, or belong to an older runner."""
    if name == "docker.service":
        return host.system.docker_answers()
    return name != WATCH or is_watched(host, by=host.system.runner())


def _tell(step: steps.PutFiles, host: ProvisionHost) -> None:
    """Restart or reload the units that use the files; a stopped unit reads them at its start."""
    if step.reload_units:
        host.system.reload_units()
    for name in step.restart:
        if host.system.unit(name).active:
            host.system.act(name, "restart")
    for name in step.reload:
        if host.system.unit(name).active:
            host.system.act(name, "reload")


# --- Caddy ------------------------------------------------------------------------------------------------------------


def _run_caddy(step: steps.RunCaddy, context: Context) -> None:
    host = provisioned(context)
    host.close_traffic(())  # the gate has to exist before any container runs
    host.pull(step.image, context.say)
    host.write(COMPOSE, step.compose.encode())
    if host.read(CADDYFILE) is None:
        host.write(CADDYFILE, text(CADDYFILE).encode())
    if host.system.container_image(CADDY_PROJECT) and not _caddy_answers(host):
        host.stop(CADDY_PROJECT, 10)  # Caddy hangs: Compose would not restart it
    host.up(paths.CADDY, CADDY_PROJECT, {})
    for _ in range(CADDY_SECONDS * 10):
        if _caddy_answers(host):
            return
        host.wait(0.1)
    lines = host.log_lines(CADDY_PROJECT, 20)
    raise Failed(f"Caddy does not answer within {CADDY_SECONDS} s", code="caddy-did-not-start", lines=lines)


def _caddy_answers(host: ProvisionHost) -> bool:
    try:
        host.adapt(text(CADDYFILE))
    except Failed:
        return False
    return True


def _use_caddyfile(step: steps.UseCaddyfile, host: ProvisionHost) -> None:
    try:
        judge_caddyfile(host.adapt(question(step.text)))
    except Refused as refused:
        raise Failed(refused.message, code=refused.code) from refused
    for path, content in caddy_files(step).items():
        host.write(path, content.encode())
    host.load_sites(again=True)  # the authority's file changed, but its path in the configuration did not


def caddy_files(step: steps.UseCaddyfile) -> dict[str, str]:
    """The files that the step writes: path → text."""
    return {CADDYFILE: step.text, **({ACME_ROOT: step.root} if step.root else {})}
