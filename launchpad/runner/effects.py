"""Run a tenant's steps, and undo them: the only place where a tenant's operation changes a host.

before = look(step, context)     what undo needs; only reads; journaled before anything changes
apply(step, context)             runs the step; idempotent; Failed when that is not possible
undo(step, before, context)      restores what `look` saw; idempotent
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, assert_never

from launchpad.runner import generation_records, paths, rehearsal, slots, steps
from launchpad.runner.cell import make_network, network, place, project, put_record, side_of, start, stop_seconds
from launchpad.runner.context import Context
from launchpad.runner.generation_records import Generation
from launchpad.runner.hint import Next
from launchpad.runner.host import Failed, Host
from launchpad.runner.protocol import Refused, release_from_json
from launchpad.runner.waiting import addresses, await_idle, await_probes, bring_back, drain, soak

Before = Mapping[str, Any]


def judge_pulled(context: Context) -> None:
    """Failed when an image declares a volume where its release mounts nothing. An image's volumes are known only after
    the pull; at this point the tenant still runs."""
    from launchpad.runner.upgrade_plan import check_volumes  # late: most operations pull nothing

    if "release" not in context.operation:
        return  # a release that ran here before
    try:
        release = release_from_json(context.operation["release"])
        check_volumes(context.host, release, context.operation["files"]["compose.yaml"])
    except Refused as refused:
        raise Failed(f"{refused.message}; {refused.hint}", code=refused.code) from refused


def look(step: steps.TenantStep, context: Context) -> dict[str, Any]:
    """What undo needs to restore the present state. Reads only; JSON."""
    host = context.host
    match step:
        case steps.PlaceRelease():
            return {"existed": bool(host.names(paths.release(step.tenant, step.release)))}
        case steps.MakeNetwork():
            return {"existed": host.has_network(network(step.tenant))}
        case steps.HoldTraffic() | steps.OpenTraffic():
            return {"open": not host.open_addresses().isdisjoint(addresses(step))}
        case steps.Mute():
            return {"muted": not host.muted_addresses().isdisjoint(addresses(step))}
        case steps.KeepNew():
            return {"at": host.now()}
        case steps.StartSide():
            secrets = bool(host.names(paths.secrets(step.tenant, step.release)))
            return look_at_side(host, step) | {"secrets": secrets}
        case steps.StopSide():
            return look_at_side(host, step)
        case steps.Switch():
            return {"target": host.target(paths.current(step.tenant))}
        case steps.PutSite() | steps.DropSite():
            return {"site": text_or_none(host.read(paths.site(step.tenant)))}
        case steps.Record():
            return {"record": text_or_none(host.read(paths.record(step.tenant)))}
        case _:
            return {}


def apply(step: steps.TenantStep, context: Context) -> None:
    """Run the step. Failed says what could not be done and why."""
    host = context.host
    match step:
        case steps.PlaceRelease():
            place(host, release_from_json(context.operation["release"]), context.operation["files"])
        case steps.MakeData():
            make_data(host, step)
            generation_records.allow(host, step.tenant, disk_mb=step.disk_mb)
        case steps.PullImage():
            host.pull(step.image, context.say)
            judge_pulled(context)
        case steps.MakeNetwork():
            make_network(host, step.tenant, step.slot, internal=step.internal)
        case steps.HoldTraffic():
            if step.after:
                host.wait(step.after)
            host.close_traffic(addresses(step))
        case steps.OpenTraffic():
            host.open_traffic(addresses(step))
        case steps.AwaitIdle():
            await_idle(step, context)
        case steps.Drain():
            drain(step, context)
        case steps.StopSide():
            host.stop(project(step.tenant, step.side), step.seconds)
        case steps.StartSide():
            start(host, tenant=step.tenant, short=step.release, side=step.side)
        case steps.Rehearse():
            rehearsal.rehearse(step, context)
        case steps.TakeGeneration():
            generation_records.take(host, generation_of(step, context))
            generation_records.allow(host, step.tenant, disk_mb=step.quota_mb or step.disk_mb)
        case steps.RestoreData():
            generation_records.put_back(host, step.tenant, step.generation, disk_mb=step.disk_mb)
            make_data(host, step)
        case steps.Mute():
            host.mute(addresses(step))
        case steps.Unmute():
            host.unmute(addresses(step))
        case steps.KeepNew():
            pass
        case steps.Soak():
            soak(step, context)
        case steps.AwaitProbes():
            await_probes(step, context)
        case steps.Switch():
            host.link(paths.current(step.tenant), f"releases/{step.release}")
        case steps.PutSite():
            put_site(host, step.tenant, host.read(f"{paths.release(step.tenant, step.release)}/site.caddy"))
        case steps.DropSite():
            put_site(host, step.tenant, None)
        case steps.Record():
            put_record(host, step.tenant, step.record)
        case steps.Commit():
            pass
        case steps.RemoveSide():
            host.down(project(step.tenant, step.side), step.seconds)
        case steps.ClearSecrets():
            for name in host.names(f"{paths.RUN}/{step.tenant}"):
                if name != step.keep:
                    host.remove(f"{paths.RUN}/{step.tenant}/{name}")
        case steps.RemoveNetwork():
            host.remove_network(network(step.tenant))
        case steps.PruneReleases():
            for name in host.names(paths.releases(step.tenant)):
                if name not in step.keep:
                    host.remove(paths.release(step.tenant, name))
        case steps.PruneGenerations():
            for name in step.drop:
                generation_records.drop(host, step.tenant, name)
            if step.disk_mb:
                generation_records.allow(host, step.tenant, disk_mb=step.disk_mb)
        case steps.Purge():
            host.remove(f"{paths.RUN}/{step.tenant}")
            host.remove(paths.tenant(step.tenant))
        case _:
            assert_never(step)


def undo(step: steps.TenantStep, before: Before, context: Context) -> str:
    """Restore what `look` saw, and return a sentence for the operator, or "". Steps after the commit are never
    undone."""
    host = context.host
    match step:
        case steps.Rehearse():
            rehearsal.clear(host, step)
        case steps.TakeGeneration():
            take_back_data(host, step)
        case steps.KeepNew():
            return keep_new(step, before, context)
        case steps.Mute() if not before["muted"]:
            unmute(host, step)
        case steps.PlaceRelease() if not before["existed"]:
            host.remove(paths.release(step.tenant, step.release))
        case steps.MakeNetwork() if not before["existed"]:
            host.remove_network(network(step.tenant))
        case steps.HoldTraffic() if before["open"]:
            host.open_traffic(addresses(step))
        case steps.OpenTraffic() if not before["open"]:
            host.close_traffic(addresses(step))
        case steps.StopSide() if before["running"]:
            bring_back(step, before["release"], context)
        case steps.StartSide():
            take_back(host, step, before)
        case steps.Switch():
            if before["target"] is None:
                host.remove(paths.current(step.tenant))
            else:
                host.link(paths.current(step.tenant), before["target"])
        case steps.PutSite() | steps.DropSite():
            put_site(host, step.tenant, bytes_or_none(before["site"]))
        case steps.Record():
            if before["record"] is None:
                host.remove(paths.record(step.tenant))
            else:
                host.write(paths.record(step.tenant), before["record"].encode(), mode=0o600)
        case _:
            pass
    return ""


# --- what the steps are made of ---------------------------------------------------------------------------------------


def look_at_side(host: Host, step: steps.StopSide | steps.StartSide) -> dict[str, Any]:
    mine = side_of(host, step.tenant, step.side)
    running = any(item.state in ("running", "restarting") for item in mine)
    return {"existed": bool(mine), "running": running, "release": mine[0].release if mine else ""}


def take_back(host: Host, step: steps.StartSide, before: Before) -> None:
    """Undo a start: remove containers that did not exist before, stop those that were stopped, and clear their
    secrets."""
    if not before["existed"]:
        host.down(project(step.tenant, step.side), stop_seconds(host, step.tenant, step.release))
    elif not before["running"]:
        host.stop(project(step.tenant, step.side), stop_seconds(host, step.tenant, step.release))
    if not before["secrets"]:
        host.remove(paths.secrets(step.tenant, step.release))


def make_data(host: Host, step: steps.MakeData | steps.RestoreData) -> None:
    host.folder(paths.tenant(step.tenant), mode=0o711)
    uid = slots.host_uid(step.slot)
    host.make_data(paths.data(step.tenant), volumes=step.volumes, disk_mb=step.disk_mb, uid=uid)


def generation_of(step: steps.TakeGeneration | steps.KeepNew, context: Context) -> Generation:
    """The record of the generation that the step takes now."""
    return Generation(
        id=step.generation,
        tenant=step.tenant,
        release=step.release,
        version=step.version,
        app=step.app,
        at=context.host.now(),
        why=step.why if isinstance(step, steps.TakeGeneration) else "soak",
        operation=context.identifier,
        disk_mb=step.disk_mb,
    )


def take_back_data(host: Host, step: steps.TakeGeneration) -> None:
    """Undo a generation. Without its record the data was not changed since."""
    if step.guards and host.read(paths.generation_record(step.tenant, step.generation)) is not None:
        generation_records.put_back(host, step.tenant, step.generation, disk_mb=step.disk_mb)
    generation_records.drop(host, step.tenant, step.generation)
    with suppress(Failed):  # a failed cleanup must not stop the undo
        generation_records.allow(host, step.tenant, disk_mb=step.disk_mb)


def keep_new(step: steps.KeepNew, before: Before, context: Context) -> str:
    """Stop the new release and keep its data as a generation; returns how to restore that data."""
    host = context.host
    host.stop(project(step.tenant, step.side), step.seconds)
    generation_records.take(host, generation_of(step, context))
    begun, ended = (utc(at) for at in (before["at"], host.now()))
    return (
        f"data written from {begun} to {ended} is kept as generation {step.generation}: "
        f"once {step.app} {step.version} runs again, `"
        + Next("restore", step.tenant, "--generation", step.generation)
        + "` restores it"
    )


def unmute(host: Host, step: steps.Mute) -> None:
    """Undo a mute after the muted side has stopped."""
    if any(item.state == "running" for item in side_of(host, step.tenant, step.side)):
        raise Failed(f"{step.tenant}: side {step.side} is still running", code="other-side-runs")
    host.unmute(addresses(step))


def utc(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(at))


def text_or_none(data: bytes | None) -> str | None:
    return None if data is None else data.decode()


def bytes_or_none(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def put_site(host: Host, tenant: str, text: bytes | None) -> None:
    """Write the tenant's site file and load it into Caddy; a file that Caddy rejects is removed."""
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
                raise Failed(f"{tenant}: Caddy rejects its site", code="caddy-rejects-site")
        except Failed:
            if old is None:
                host.remove(path)
            elif old != text:
                host.write(path, old, mode=0o644)
            raise
