"""Plan a move's operations on this host: prepare for a tenant, depart, arrive, forward its requests.

Requests are judged and refused before anything changes; the plans themselves are pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from typing import Any

from launchpad.runner import generation_records, paths, slots
from launchpad.runner import plan as plans
from launchpad.runner.caller import Caller
from launchpad.runner.capacity import check_memory
from launchpad.runner.deploy_plan import (
    check_replaces,
    check_secrets,
    judge_resolved,
    neighbours,
    recorded,
    seal,
)
from launchpad.runner.hint import Next
from launchpad.runner.host import Host
from launchpad.runner.journal import Journal
from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.moving import sealed_certificates, tombstone
from launchpad.runner.moving.forward import forward
from launchpad.runner.moving.steps import AdoptData, DropReceived, Entomb, MoveStep, PlaceCertificates, PutForward
from launchpad.runner.moving.tombstone import Tombstone
from launchpad.runner.protocol import (
    Refused,
    Release,
    inventory_from_json,
    record_as_json,
    record_from_json,
    release_from_json,
)
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.steps import (
    AwaitIdle,
    AwaitProbes,
    ClearSecrets,
    Commit,
    Drain,
    DropSite,
    HoldTraffic,
    MakeData,
    MakeNetwork,
    Mute,
    OpenTraffic,
    PlaceRelease,
    PullImage,
    PutSite,
    Record,
    RemoveSide,
    RestoreData,
    Soak,
    StartSide,
    StopSide,
    Switch,
    TakeGeneration,
    TenantStep,
    Unmute,
)
from launchpad.runner.upgrade_plan import check_images

WHY = "move"
SPARE_MB = 512
_HOST = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)*")

Steps = list[TenantStep | MoveStep]
Planned = tuple[list[Any], dict[str, Any]]


def planned_prepare(host: Host, operation: Mapping[str, Any], secrets: Mapping[str, Any]) -> Planned:
    """Judge whether the tenant can run here, and plan to fetch its images, certificates and site. Requests that come
    before the tenant wait."""
    release, files = _judged(host, operation)
    seen = plans.see(host, release.tenant, release)
    if seen.serving:
        raise Refused(
            f"{release.tenant} already runs on this host", code="already-on-host", kind="state", hint=Next("status")
        )
    check_memory(host, release, hint="free memory, or choose another host", what="the tenant")
    check_images(host, seen, release)
    room = host.room(paths.ROOT) >> 20
    if release.disk_mb + SPARE_MB > room:
        message = f"{release.tenant}: its data can take {release.disk_mb} MiB, but only {room} MiB are free"
        raise Refused(message, code="no-room-for-data", kind="state", hint="free space, or choose another host")
    certified, others = _certified(release, secrets)
    if others:
        raise Refused(f"prepare: secret {min(others)[:64]!r} must not come before the tenant arrives")
    site = files.get("site.caddy")
    if not _may_wait(host, seen, release, certified):
        site = None
    elif site is not None and not seen.intact:
        judge_resolved(host, release, files)
    if wanting := sealed_certificates.wanting(host, certified):
        sealed_certificates.keep(host, release.tenant, wanting)
    return list(plan_prepare(seen, release, site, certified=bool(wanting))), {"release": release.short}


def _may_wait(host: Host, seen: plans.Seen, release: Release, certified: Mapping[str, Any]) -> bool:
    """Whether the tenant's requests may wait here: every name has a certificate (otherwise no client gets so far), and
    this host does not forward the requests."""
    known = certified.keys() | sealed_certificates.found(host, release.domains).keys()
    return known >= set(release.domains) and (seen.record is None or bool(seen.record["retired"]))


def plan_prepare(seen: plans.Seen, release: Release, site: str | None, *, certified: bool) -> Steps:
    """Pure. Without a site no requests wait. The site comes last, when nothing else can fail: Caddy is loaded once now,
    and not at the arrival."""
    tenant = release.tenant
    steps: Steps = [PullImage(image=image) for image in sorted({item.image for item in release.services} - seen.images)]
    if certified:
        steps.append(PlaceCertificates(tenant=tenant, domains=release.domains))
    if site is not None and (site != seen.site or certified):
        if not seen.intact:
            steps.append(PlaceRelease(tenant=tenant, release=release.short))
        # The gate rejects packets for addresses without a container; otherwise they would leave by the default route.
        steps.append(HoldTraffic(tenant=tenant, slot=release.slot, side="a"))
        if seen.site is not None:  # from an earlier try: Caddy would keep the certificate that it read then
            steps.append(DropSite(tenant=tenant))
        steps.append(PutSite(tenant=tenant, release=release.short))
    return [*steps, Commit()] if steps else []


# --- the old host -----------------------------------------------------------------------------------------------------


def planned_depart(host: Host, journal: Journal, operation: Mapping[str, Any], caller: Caller) -> Planned:
    """Stop the tenant, keep its data as a generation, and write the tombstone. Nothing to do when the tenant already
    moved to that host."""
    tenant, to, address = operation["tenant"], operation["to"], operation["address"]
    seen = plans.see(host, tenant)
    record = seen.record
    if record is None or record["retired"]:
        raise Refused(f"{tenant} is not deployed on this host", code="not-deployed", kind="state", hint=Next("status"))
    _judge_place(to, address)
    gone = tombstone.in_force(host, record, tenant=tenant, slot=record["slot"])
    if gone is not None:
        if gone.to != to:
            message = f"{tenant} already moved from this host to {gone.to}"
            raise Refused(
                message, code="already-moved", kind="state", hint=Next("move", tenant, "--to", gone.to) + ", or --back"
            )
        return [], {"release": record["release"]}
    check_replaces(record, operation)
    if not seen.data:
        raise Refused(f"{tenant}: has no data on this host", code="nothing-to-move", kind="state")
    known = tombstone.known_epoch(host, record, tenant=tenant, slot=record["slot"])
    epoch = max(known, _epoch(operation["above"])) + 1
    stone = Tombstone(
        tenant=tenant,
        slot=record["slot"],
        epoch=epoch,
        to=to,
        address=str(ip_address(address)),
        generation=journal.identifier,
        app=record["app"],
        version=record["version"],
        release=record["release"],
        at=host.now(),
        operation=journal.identifier,
        by=caller.operator,
        running=bool(record["running"]),
    )
    return list(plan_depart(seen, stone, ahead=operation.get("ahead", False))), {"release": record["release"]}


def plan_depart(seen: plans.Seen, stone: Tombstone, *, ahead: bool = False) -> Steps:
    """Pure. The tombstone comes directly before the commit, so an undo removes it first. With `ahead`, new requests are
    forwarded from the beginning, because they wait on the new host."""
    record, tenant = seen.record, stone.tenant
    assert record is not None
    slot, side = record["slot"], seen.side
    steps: Steps = []
    if ahead and seen.site is not None and record["domains"]:
        steps.append(PutForward(tenant=tenant, domains=tuple(record["domains"]), address=stone.address))
    if any(item.state in ("running", "restarting") for item in seen.containers):
        door = list(plans.close_door(seen, tenant, slot, stop_seconds=record["stop_seconds"]))
        idle = [step for step in door if isinstance(step, AwaitIdle)]
        # Forwarded requests wait on the new host, so opening the gate here again would not help them.
        rest = [step.but(again=0) if isinstance(step, Drain) else step for step in door if step not in idle]
        stop = StopSide(tenant=tenant, side=side, seconds=record["stop_seconds"])
        steps = [*idle, *steps, *rest, stop]
    else:
        steps.append(HoldTraffic(tenant=tenant, slot=slot, side=side))
    return [
        *steps,
        TakeGeneration(
            tenant=tenant,
            generation=stone.generation,
            why=WHY,
            release=record["release"],
            version=record["version"],
            app=record["app"],
            disk_mb=record["disk_mb"],
        ),
        Record(tenant=tenant, record=dict(record) | {"running": False}),
        Entomb(tenant=tenant, tombstone=record_as_json(stone)),
        Commit(),
        ClearSecrets(tenant=tenant),
    ]


def planned_forward(host: Host, operation: Mapping[str, Any]) -> Planned:
    """Forward the tenant's requests to the host that the tombstone names, and to no other."""
    tenant = operation["tenant"]
    record = plans.read_record(host, tenant)
    stone = None
    if record is not None and not record["retired"]:
        stone = tombstone.in_force(host, record, tenant=tenant, slot=record["slot"])
    if record is None or stone is None or stone.epoch != operation["epoch"]:
        raise Refused(
            f"{tenant} did not move from this host with epoch {operation['epoch']}", code="did-not-move", kind="state"
        )
    domains = tuple(record["domains"])
    site = host.read(paths.site(tenant))
    if site is None or site.decode(errors="replace") == forward(host, domains, stone.address):
        return [], {}
    return [PutForward(tenant=tenant, domains=domains, address=stone.address), Commit()], {}


# --- the new host -----------------------------------------------------------------------------------------------------


def planned_arrive(
    host: Host, journal: Journal, operation: Mapping[str, Any], secrets: Mapping[str, Any], caller: Caller
) -> Planned:
    """Accept the tenant with the receipt of its old host."""
    release, files = _judged(host, operation)
    tenant = release.tenant
    receipt = receipt_from_json(operation["receipt"], release)
    seen = plans.see(host, tenant, release)
    known = tombstone.known_epoch(host, seen.record, tenant=tenant, slot=release.slot)
    if seen.record is not None and tombstone.epoch_of(seen.record) == known == receipt.epoch:
        return [], {"release": seen.record["release"]}
    if receipt.epoch <= known:
        raise Refused(
            f"{tenant}: the receipt has epoch {receipt.epoch}, but this host has already seen epoch {known}",
            code="epoch-seen",
            kind="state",
            hint=Next("move", tenant, "--to", "HOST"),
        )
    adopted = _judge_data(seen, receipt, release)
    certified, given = _certified(release, secrets)
    check_secrets(host, release, given, known=False)
    inventory = inventory_from_json(operation["inventory"])
    record = recorded(host, journal, release, inventory.revision, caller) | {
        "epoch": receipt.epoch,
        "came_from": operation["from"],
        "before": [],
        "running": receipt.running,
    }
    site = files.get("site.caddy")
    if not seen.intact:
        judge_resolved(host, release, files)
    for name in release.secrets:
        if name in given:
            seal(host, release, name, given[name])
    if certified:
        sealed_certificates.keep(host, tenant, certified)
    ran = not receipt.fenced and receipt.release == release.short
    steps: Steps = list(
        plan_arrive(seen, release, record, site=site, adopted=adopted, identifier=journal.identifier, ran=ran)
    )
    old = tombstone.read(host, tenant)
    if old is not None and old.slot == release.slot:
        # The tenant came back: from now on only the epoch counts, also after a purge of the record with a higher epoch.
        came_back = old.but(epoch=receipt.epoch, to="", address="")
        steps.append(Entomb(tenant=tenant, tombstone=record_as_json(came_back)))
    if ran and release.steady_seconds:
        steps += plan_watch(steps, release)
    return steps, {"release": release.short}


def plan_watch(steps: Steps, release: Release) -> Steps:
    """Pure. The started release is watched with open traffic and after the commit, as the last step: it ran before, and
    an undo to the old host would lose data written here. A reboot may have stopped it."""
    started = [step for step in steps if isinstance(step, StartSide)]
    watches = [
        Soak(tenant=item.tenant, slot=item.slot, release=item.release, side=item.side, seconds=release.steady_seconds)
        for item in started
    ]
    return [*started, *watches]


def plan_arrive(
    seen: plans.Seen,
    release: Release,
    record: Mapping[str, Any],
    *,
    site: str | None,
    adopted: str,
    identifier: str,
    ran: bool = False,
) -> Iterator[TenantStep | MoveStep]:
    """Pure. Until the commit no request comes in and no traffic goes out, so that an undo loses nothing. Requests wait
    at the site: until the tenant is ready if this release already ran on this data, otherwise until it was ready for
    its steady seconds."""
    tenant, slot = release.tenant, release.slot
    old_there = [item for item in seen.containers if item.side == seen.side]
    side: slots.Side = plans.other(seen.side) if old_there else "a"
    if not seen.intact:
        yield PlaceRelease(tenant=tenant, release=release.short)
    yield from _data(seen, release, adopted=adopted, identifier=identifier)
    if not seen.network:
        yield MakeNetwork(tenant=tenant, slot=slot, internal=release.egress == "none")
    for image in sorted({service.image for service in release.services} - seen.images):
        yield PullImage(image=image)
    yield PlaceCertificates(tenant=tenant, domains=release.domains)
    yield from plans.site_steps(seen, release, site)
    if record["running"]:
        yield Mute(tenant=tenant, slot=slot, side=side)
        yield StartSide(tenant=tenant, slot=slot, release=release.short, side=side)
        yield AwaitProbes(tenant=tenant, slot=slot, release=release.short, side=side, steady=not ran)
    if seen.current != f"releases/{release.short}":
        yield Switch(tenant=tenant, release=release.short)
    yield Record(
        tenant=tenant,
        record=dict(record) | {"release": release.short, "started": release.short, "side": side},
    )
    yield Commit()
    if record["running"]:
        yield OpenTraffic(tenant=tenant, slot=slot, side=side)
        yield Unmute(tenant=tenant, slot=slot, side=side)
    if old_there:
        yield RemoveSide(tenant=tenant, side=seen.side, seconds=release.stop_seconds)
    yield ClearSecrets(tenant=tenant, keep=release.short if record["running"] else "")
    old = tuple(item.id for item in seen.generations if item.why == "received" and item.id != adopted)
    yield DropReceived(tenant=tenant, drop=old)


def _data(seen: plans.Seen, release: Release, *, adopted: str, identifier: str) -> Iterator[TenantStep | MoveStep]:
    tenant, slot, volumes, disk_mb = release.tenant, release.slot, release.volumes, release.disk_mb
    if adopted and seen.data and seen.record is not None:
        old = seen.record
        yield TakeGeneration(
            tenant=tenant,
            generation=identifier,
            why=WHY,
            release=old["release"],
            version=old["version"],
            app=old["app"],
            disk_mb=old["disk_mb"],
            guards=True,
        )
        yield RestoreData(tenant=tenant, slot=slot, generation=adopted, volumes=volumes, disk_mb=disk_mb)
    elif adopted:
        yield AdoptData(tenant=tenant, slot=slot, generation=adopted, volumes=volumes, disk_mb=disk_mb)
    else:
        yield MakeData(tenant=tenant, slot=slot, volumes=volumes, disk_mb=disk_mb)


def planned_decline(host: Host, journal: Journal, operation: Mapping[str, Any], caller: Caller) -> Planned:
    """Promise that the tenant will never start here with this receipt: write a tombstone with a higher epoch, which
    lets the tenant return to its old host. Refused when the tenant has started here."""
    tenant, to, address = operation["tenant"], operation["to"], operation["address"]
    _judge_place(to, address)
    receipt = receipt_from_json(operation["receipt"], None)
    if receipt.tenant != tenant:
        raise Refused(f"decline: the receipt belongs to {receipt.tenant}")
    record = plans.read_record(host, tenant)
    known = tombstone.known_epoch(host, record, tenant=tenant, slot=receipt.slot)
    if known == receipt.epoch + 1 and tombstone.epoch_of(record) < receipt.epoch:
        return [], {}
    if known >= receipt.epoch:
        raise Refused(
            f"{tenant} has already arrived on this host, or this host has seen epoch {known}",
            code="already-arrived",
            kind="state",
            hint=Next("move", tenant, "--to", to) + " moves the tenant with its data",
        )
    stone = receipt.but(
        epoch=receipt.epoch + 1,
        to=to,
        address=str(ip_address(address)),
        generation="",
        at=host.now(),
        operation=journal.identifier,
        by=caller.operator,
        fenced=False,
    )
    drop = tuple(item.id for item in generation_records.kept(host, tenant) if item.why == "received")
    entomb = Entomb(tenant=tenant, tombstone=record_as_json(stone))
    behind: Steps = [DropReceived(tenant=tenant, drop=drop)]
    if (record is None or record["retired"]) and host.read(paths.site(tenant)) is not None:
        behind.insert(0, DropSite(tenant=tenant))  # no requests may wait here from now on
    return [entomb, Commit(), *behind], {}


def receipt_from_json(value: object, release: Release | None) -> Tombstone:
    """The receipt in a request; Refused when it is not valid, or is of another tenant or version than the release."""
    receipt = record_from_json(Tombstone, value, "receipt")
    _epoch(receipt.epoch)
    _judge_place(receipt.to, receipt.address)
    if not is_tenant_name(receipt.tenant) or not slots.FIRST_SLOT <= receipt.slot <= slots.LAST_SLOT:
        raise Refused("receipt: names no tenant")
    if release is None:
        return receipt
    if (receipt.tenant, receipt.slot) != (release.tenant, release.slot):
        raise Refused(f"receipt: belongs to {receipt.tenant} in slot {receipt.slot}")
    if receipt.epoch <= release.epoch:
        raise Refused(
            f"receipt: epoch {receipt.epoch} belongs to an earlier tenant {receipt.tenant}",
            code="receipt-of-earlier-tenant",
            kind="state",
        )
    if not receipt.fenced and (receipt.app, receipt.version) != (release.app, release.version):
        raise Refused(
            f"{release.tenant}: left its old host as {receipt.app} {receipt.version}, "
            f"but the inventory names {release.version}",
            code="version-changed-in-move",
            kind="state",
            hint=f"write version: {receipt.version} in the tenant's file, or " + Next("move", release.tenant, "--back"),
        )
    return receipt


def _judge_data(seen: plans.Seen, receipt: Tombstone, release: Release) -> str:
    """The generation that becomes the tenant's data; empty for data that is already here. Refused when the generation
    has not arrived."""
    if receipt.fenced:
        return ""
    if not receipt.generation:
        if not seen.data or seen.record is None:
            raise Refused(
                f"{release.tenant}: the receipt names no data, and this host has none",
                code="no-data-in-move",
                kind="state",
            )
        return ""
    found = next((item for item in seen.generations if item.id == receipt.generation), None)
    if found is None or (found.app, found.version) != (receipt.app, receipt.version):
        raise Refused(
            f"{release.tenant}: generation {receipt.generation} has not arrived on this host yet",
            code="generation-not-arrived",
            kind="state",
            hint=Next("move", release.tenant, "--to", "HOST"),
        )
    return found.id


def _certified(release: Release, secrets: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The certificates in a request, and its other secrets. Refused for certificates of other domains."""
    others = dict(secrets)
    bundle = others.pop(sealed_certificates.CARRIED_AS, None)
    if not bundle:
        return {}, others
    value = bundle.get("value", "") if isinstance(bundle, dict) else ""
    return sealed_certificates.judged(str(value), release.domains), others


def _judged(host: Host, operation: Mapping[str, Any]) -> tuple[Release, dict[str, str]]:
    release = release_from_json(operation["release"])
    files = dict(operation["files"])
    if release.tenant != operation["tenant"]:
        raise Refused(f"{operation['kind']}: the release belongs to {release.tenant}, not to {operation['tenant']}")
    judge_release(release, files, neighbours=neighbours(host))
    tombstone.refuse_earlier(plans.read_record(host, release.tenant), tenant=release.tenant, epoch=release.epoch)
    return release, files


def _judge_place(to: str, address: str) -> None:
    if len(to) > 63 or _HOST.fullmatch(to) is None:
        raise Refused(f"not a host's name: {to[:60]!r}")
    try:
        ip_address(address)
    except ValueError as error:
        raise Refused(f"not an IP address: {address[:60]!r}") from error


def _epoch(value: Any) -> int:
    if type(value) is not int or not 0 <= value < slots.LATEST_EPOCH:
        raise Refused(f"not an epoch: {str(value)[:30]!r}")
    return value
