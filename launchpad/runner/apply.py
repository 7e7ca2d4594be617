"""Carry a tenant's step out, and undo it: the only place where a tenant's operation changes a host.

before = look(step, context)     what undo will need; read, and journaled before anything changes
apply(step, context)             idempotent; Failed when it could not be done
undo(step, before, context)      idempotent; back to what look saw
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, assert_never

from launchpad.runner import paths, slots
from launchpad.runner.host import Container, Failed, Host
from launchpad.runner.protocol import Release, release_as_json, release_from_json
from launchpad.runner.steps import (
    AwaitProbes,
    ClearSecrets,
    Commit,
    Drain,
    DropSite,
    HoldTraffic,
    MakeData,
    MakeNetwork,
    OpenTraffic,
    PlaceRelease,
    PruneReleases,
    PullImage,
    Purge,
    PutSite,
    Record,
    RemoveNetwork,
    RemoveSide,
    StartSide,
    StopSide,
    Switch,
    TenantStep,
)

NEVER_UNDONE = (MakeData, PullImage, Drain, AwaitProbes, Commit)
"""Steps before the commit that leave nothing to take back, or something that is kept on purpose."""
POLL_SECONDS = 0.25
PROBE_SECONDS = 5.0
Before = Mapping[str, Any]


@dataclass(frozen=True)
class Context:
    """What a step may use: the host, what was asked, and a way to say how it goes."""

    host: Host
    identifier: str
    operation: Mapping[str, Any]
    emit: Callable[..., None]
    """`emit("step-progress", text=…)`: an event, on disk when it returns."""
    cancelled: Callable[[], bool] = lambda: False

    def say(self, text: str) -> None:
        self.emit("step-progress", text=text)


class Cancelled(Exception):
    """Somebody asked for the operation to be undone while a step was waiting."""


def look(step: TenantStep, context: Context) -> dict[str, Any]:
    """What undo will need to bring back what is now. Reads only; JSON."""
    host = context.host
    match step:
        case PlaceRelease():
            return {"existed": bool(host.names(paths.release(step.tenant, step.release)))}
        case MakeNetwork():
            return {"existed": host.has_network(network(step.tenant))}
        case HoldTraffic() | OpenTraffic():
            return {"open": not host.open_addresses().isdisjoint(addresses(step))}
        case StartSide():
            secrets = bool(host.names(paths.secrets(step.tenant, step.release)))
            return look_at_side(host, step) | {"secrets": secrets}
        case StopSide():
            return look_at_side(host, step)
        case Switch():
            return {"target": host.target(paths.current(step.tenant))}
        case PutSite() | DropSite():
            return {"site": text_or_none(host.read(paths.site(step.tenant)))}
        case Record():
            return {"record": text_or_none(host.read(paths.record(step.tenant)))}
        case (
            MakeData()
            | PullImage()
            | Drain()
            | AwaitProbes()
            | Commit()
            | RemoveSide()
            | ClearSecrets()
            | RemoveNetwork()
            | PruneReleases()
            | Purge()
        ):
            return {}
    assert_never(step)


def apply(step: TenantStep, context: Context) -> None:
    """Make it so. Failed says what could not be done and why."""
    host = context.host
    match step:
        case PlaceRelease():
            place(host, release_from_json(context.operation["release"]), context.operation["files"])
        case MakeData():
            folder = paths.data(step.tenant)
            host.folder(paths.tenant(step.tenant), mode=0o711)
            host.make_data(folder, volumes=step.volumes, disk_mb=step.disk_mb, uid=slots.host_uid(step.slot))
        case PullImage():
            host.pull(step.image, context.say)
        case MakeNetwork():
            subnet, gateway = slots.subnet(step.slot), slots.gateway(step.slot)
            bridge = slots.bridge(step.slot)
            host.make_network(
                network(step.tenant), bridge=bridge, subnet=subnet, gateway=gateway, internal=step.internal
            )
        case HoldTraffic():
            if step.after:
                host.wait(step.after)
            host.close_traffic(addresses(step))
        case OpenTraffic():
            host.open_traffic(addresses(step))
        case Drain():
            drain(step, context)
        case StopSide():
            host.stop(project(step.tenant, step.side), step.seconds)
        case StartSide():
            start(host, step)
        case AwaitProbes():
            await_probes(step, context)
        case Switch():
            host.link(paths.current(step.tenant), f"releases/{step.release}")
        case PutSite():
            put_site(host, step.tenant, host.read(f"{paths.release(step.tenant, step.release)}/site.caddy"))
        case DropSite():
            put_site(host, step.tenant, None)
        case Record():
            put_record(host, step.tenant, step.record)
        case Commit():
            pass
        case RemoveSide():
            host.down(project(step.tenant, step.side), step.seconds)
        case ClearSecrets():
            for name in host.names(f"{paths.RUN}/{step.tenant}"):
                if name != step.keep:
                    host.remove(f"{paths.RUN}/{step.tenant}/{name}")
        case RemoveNetwork():
            host.remove_network(network(step.tenant))
        case PruneReleases():
            for name in host.names(paths.releases(step.tenant)):
                if name not in step.keep:
                    host.remove(paths.release(step.tenant, name))
        case Purge():
            host.remove(f"{paths.RUN}/{step.tenant}")
            host.remove(paths.tenant(step.tenant))
        case _:
            assert_never(step)


def undo(step: TenantStep, before: Before, context: Context) -> None:
    """Bring back what `look` saw. Steps behind the commit are never undone."""
    host = context.host
    match step:
        case PlaceRelease() if not before["existed"]:
            host.remove(paths.release(step.tenant, step.release))
        case MakeNetwork() if not before["existed"]:
            host.remove_network(network(step.tenant))
        case HoldTraffic() if before["open"]:
            host.open_traffic(addresses(step))
        case OpenTraffic() if not before["open"]:
            host.close_traffic(addresses(step))
        case StopSide() if before["running"]:
            bring_back(step, before["release"], context)
        case StartSide():
            take_back(host, step, before)
        case Switch():
            if before["target"] is None:
                host.remove(paths.current(step.tenant))
            else:
                host.link(paths.current(step.tenant), before["target"])
        case PutSite() | DropSite():
            put_site(host, step.tenant, bytes_or_none(before["site"]))
        case Record():
            if before["record"] is None:
                host.remove(paths.record(step.tenant))
            else:
                host.write(paths.record(step.tenant), before["record"].encode(), mode=0o600)
        case _:
            pass


# --- what the steps are made of ---------------------------------------------------------------------------------------


def network(tenant: str) -> str:
    """The name of the tenant's Docker network."""
    return f"lp-{tenant}"


def project(tenant: str, side: str) -> str:
    """The name of the Compose project of one side of a tenant."""
    return f"lp-{tenant}-{side}"


def addresses(step: HoldTraffic | OpenTraffic | Drain) -> list[IPv4Address]:
    """Every address of the side, used or not."""
    return [slots.address(step.slot, index, step.side) for index in range(slots.MOST_SERVICES)]


def side_of(host: Host, tenant: str, side: str) -> list[Container]:
    return [item for item in host.containers(tenant) if item.side == side]


def look_at_side(host: Host, step: StopSide | StartSide) -> dict[str, Any]:
    mine = side_of(host, step.tenant, step.side)
    running = any(item.state in ("running", "restarting") for item in mine)
    return {"existed": bool(mine), "running": running, "release": mine[0].release if mine else ""}


def take_back(host: Host, step: StartSide, before: Before) -> None:
    """Undo a start: containers that were not there go, ones that were stopped stop, and so with their secrets."""
    if not before["existed"]:
        host.down(project(step.tenant, step.side), stop_seconds(host, step.tenant, step.release))
    elif not before["running"]:
        host.stop(project(step.tenant, step.side), stop_seconds(host, step.tenant, step.release))
    if not before["secrets"]:
        host.remove(paths.secrets(step.tenant, step.release))


def text_or_none(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def bytes_or_none(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def place(host: Host, release: Release, files: Mapping[str, str]) -> None:
    """The release's folder as the manifest says; `release.json` last, because it is what makes the folder whole."""
    place_files(host, release, files)
    folder = paths.release(release.tenant, release.short)
    host.write(f"{folder}/release.json", json.dumps(release_as_json(release), indent=1).encode(), mode=0o644)


def place_files(host: Host, release: Release, files: Mapping[str, str]) -> None:
    """The files without the manifest. All are 0755: read-only mounts, some of them run, none with a secret in it."""
    for path, text in sorted(files.items()):
        host.write(f"{paths.release(release.tenant, release.short)}/{path}", text.encode(), mode=0o755)


def read_release(host: Host, tenant: str, short: str) -> Release:
    """A release that lies on the host. Failed when it is not there or is not what its folder's name says."""
    data = host.read(f"{paths.release(tenant, short)}/release.json")
    if data is None:
        raise Failed(f"{tenant}: release {short} is not on the host")
    release = release_from_json(json.loads(data))
    if release.short != short:
        raise Failed(f"{tenant}: release {short} was changed on the host (it is {release.short} now)")
    return release


def environment(release: Release, side: slots.Side) -> dict[str, str]:
    """What Compose fills into a release's `${LAUNCHPAD_…}`: known only on the host, the same on every start."""
    found = {
        "LAUNCHPAD_RELEASE": release.short,
        "LAUNCHPAD_SIDE": side,
        "LAUNCHPAD_SECRETS": paths.secrets(release.tenant, release.short),
    }
    for index, service in enumerate(release.services):
        key = "LAUNCHPAD_ADDRESS_" + service.name.upper().replace("-", "_")
        found[key] = str(slots.address(release.slot, index, side))
    return found


def start(host: Host, step: StartSide) -> None:
    release = read_release(host, step.tenant, step.release)
    fill_secrets(host, release)
    host.remove(f"{paths.tenant(step.tenant)}/breaker.json")
    folder = paths.release(step.tenant, step.release)
    host.up(folder, project(step.tenant, step.side), environment(release, step.side))


def fill_secrets(host: Host, release: Release) -> None:
    """The release's secrets as files on tmpfs that only the tenant's mapped uid can read."""
    uid = slots.host_uid(release.slot)
    folder = paths.secrets(release.tenant, release.short)
    host.folder(f"{paths.RUN}/{release.tenant}", mode=0o711)
    host.folder(folder, mode=0o500, uid=uid)
    for name, version in sorted(release.secrets.items()):
        value = host.unseal(sealed(release.tenant, name, version), sealed_as(release.tenant, name, version))
        host.write(f"{folder}/{name}", value, mode=0o400, uid=uid)


def sealed(tenant: str, name: str, version: int) -> str:
    return f"{paths.vault(tenant)}/{name}@{version}.cred"


def sealed_as(tenant: str, name: str, version: int) -> str:
    """The name that a credential is bound to, so that one tenant's cannot be passed off as another's."""
    return f"{tenant}.{name}.{version}"


def stop_seconds(host: Host, tenant: str, short: str) -> int:
    try:
        return read_release(host, tenant, short).stop_seconds
    except Failed:
        return 10


def drain(step: Drain, context: Context) -> None:
    """Until nothing is under way to the side any more, or the time is over."""
    end = context.host.now() + step.seconds
    while (left := context.host.connections(addresses(step), quiet=step.quiet)) and context.host.now() < end:
        check_cancelled(context)
        context.host.wait(POLL_SECONDS)
    if left:
        context.say(f"{left} connections are still open after {step.seconds} s and will be cut")


def await_probes(step: AwaitProbes, context: Context) -> None:
    release = read_release(context.host, step.tenant, step.release)
    host, begun = context.host, context.host.now()
    held_since = 0.0
    starts: tuple[tuple[str, str], ...] = ()
    while True:
        check_cancelled(context)
        now = host.now()
        wrong, running = deciding(host, release, step.side)
        if wrong or running != starts or not held_since:
            held_since, starts = (0.0 if wrong else now), running
        elif now - held_since >= release.steady_seconds:
            return
        late = not held_since and now - begun >= release.start_seconds
        if late or wrong.startswith("!"):
            lines = host.log_lines(project(step.tenant, step.side), 20)
            raise Failed(f"{release.app} {release.version}: {wrong.lstrip('!')}", lines=lines)
        host.wait(POLL_SECONDS)


def deciding(host: Host, release: Release, side: slots.Side) -> tuple[str, tuple[tuple[str, str], ...]]:
    """What is wrong by the deciding probes ("" when they hold; "!" in front when waiting will not mend it), and each
    service with the time it was started."""
    mine = side_of(host, release.tenant, side)
    starts = tuple(sorted((item.service, item.started_at) for item in mine))
    for item in mine:
        if item.state in ("exited", "dead"):
            why = "killed for want of memory" if item.oom_killed else f"exited with {item.exit_code}"
            return f"!{item.service} {why}", starts
    missing = {item.name for item in release.services} - {item.service for item in mine if item.state == "running"}
    if missing:
        return f"{', '.join(sorted(missing))} not running", starts
    for probe in release.probes:
        if probe.kind != "ready":
            continue
        index = [item.name for item in release.services].index(probe.service)
        where = slots.address(release.slot, index, side)
        status = host.get(where, probe.port, probe.path, seconds=PROBE_SECONDS)
        if status != probe.expect:
            answer = f"answered {status}" if status else "did not answer"
            return f"{probe.service} {answer} on {probe.path} (expected {probe.expect})", starts
    return "", starts


def check_cancelled(context: Context) -> None:
    if context.cancelled():
        raise Cancelled


def put_site(host: Host, tenant: str, text: bytes | None) -> None:
    """The tenant's site file, and Caddy runs it; the file that Caddy refuses does not stay."""
    path = paths.site(tenant)
    with host.lock("edge", {"tenant": tenant}, seconds=60):
        old = host.read(path)
        try:
            if text is None:
                host.remove(path)
            elif old != text:
                host.write(path, text, mode=0o644)
            host.load_sites()
            if text is not None and host.read(path) != text:
                raise Failed(f"{tenant}: Caddy refuses its site")
        except Failed:
            if old is None:
                host.remove(path)
            elif old != text:
                host.write(path, old, mode=0o644)
            raise


def put_record(host: Host, tenant: str, record: Mapping[str, Any]) -> None:
    host.write(paths.record(tenant), json.dumps(record, sort_keys=True, indent=1).encode(), mode=0o600)


def bring_back(step: StopSide, short: str, context: Context) -> None:
    """Start the side again as it was, and wait until it answers, so that traffic finds it ready. Its being slow, or
    unhealthy as it may have been before, is said and does not stop the rest of the undoing."""
    host = context.host
    slot = read_release(host, step.tenant, short).slot
    start(host, StartSide(tenant=step.tenant, slot=slot, release=short, side=step.side))
    release = read_release(host, step.tenant, short)
    end = host.now() + release.start_seconds
    while (wrong := deciding(host, release, step.side)[0]) and not wrong.startswith("!") and host.now() < end:
        host.wait(POLL_SECONDS)
    if wrong:
        context.say(f"the old release is back but not healthy: {wrong.lstrip('!')}")
