"""The values for templates: plain names and numbers, never a secret's value."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from launchpad.errors import InventoryError
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.render.quoting import HostValue
from launchpad.runner import paths, slots

SECRETS_TARGET = "/run/secrets"


def values_of(fleet: Fleet, tenant: Tenant) -> dict[str, Any]:
    """The names that an app's templates may use:

    app         name, version, secrets (names that it takes), stop_seconds
    tenant      name, slot, domains
    variables   the tenant's, with the app's defaults; one that has neither is undefined
    services    in order: name, image, memory_mb, cpus, pids, address
    uid, user   the tenant's uid inside its containers, and `uid:uid`
    gateway     the address from which Caddy comes
    proxies     what the app may trust as its proxy: `gateway`, and from where its clone is asked in a rehearsal
    origins     https:// and each domain
    tier        memory_mb, tmp_mb, log_mb, log_files
    web         service, port, ready_path, ready_status, addresses (of both sides); none for an app without a site
    address(service)                     where another service answers; both sides share a network, so never by name
    volume(name, at=), file(path, at=)   mounts of the tenant's data and of a file of the release
    project, network, release, side, secrets   what compose.yaml of every cell says
    """
    app, tier, host = fleet.app(tenant.app), fleet.tier(tenant.tier), fleet.host(tenant.host)
    uid = slots.inner_uid(tenant.slot)
    return {
        "app": {
            "name": app.name,
            "version": tenant.version,
            "secrets": tuple(spec.name for spec in app.secrets),
            "stop_seconds": app.timings.stop.seconds,
        },
        "tenant": {"name": tenant.name, "slot": tenant.slot, "domains": tenant.domains},
        "variables": fleet.variables(tenant),
        "services": _services(app, fleet, tenant),
        "uid": uid,
        "user": f"{uid}:{uid}",
        "gateway": str(slots.gateway(tenant.slot)),
        "proxies": (str(slots.gateway(tenant.slot)), str(slots.clone_gateway(tenant.slot))),
        "origins": tuple(f"https://{domain}" for domain in tenant.domains),
        "tier": {
            "memory_mb": tier.memory.mb,
            "tmp_mb": tier.tmp_mb,
            "log_mb": tier.log.size.mb,
            "log_files": tier.log.files,
        },
        "web": _web(app, tenant),
        "stream_close_delay_seconds": host.caddy.stream_close_delay.seconds,
        "address": _addresses(app),
        "volume": _volume(app, tenant),
        "file": _file,
        "project": HostValue(f"lp-{tenant.name}-${{LAUNCHPAD_SIDE}}"),
        "network": f"lp-{tenant.name}",
        "release": HostValue("${LAUNCHPAD_RELEASE}"),
        "side": HostValue("${LAUNCHPAD_SIDE}"),
        "secrets": _bind(HostValue("${LAUNCHPAD_SECRETS}"), SECRETS_TARGET, read_only=True),
    }


def _services(app: App, fleet: Fleet, tenant: Tenant) -> tuple[dict[str, Any], ...]:
    images = app.images(tenant.version)
    limits = app.limits(fleet.tier(tenant.tier))
    return tuple(
        {
            "name": name,
            "image": images[name],
            "memory_mb": limits[name].memory_mb,
            "cpus": limits[name].cpus,
            "pids": limits[name].pids,
            "address": _address(name),
        }
        for name in app.services
    )


def _address(service: str) -> HostValue:
    """The service's address on the starting side, which the host fills in."""
    return HostValue(f"${{LAUNCHPAD_ADDRESS_{service.upper().replace('-', '_')}}}")


def _addresses(app: App) -> Callable[[str], HostValue]:
    def address(service: str) -> HostValue:
        if service not in app.services:
            raise InventoryError(
                f"{app.name} has no service {service}", code="no-such-service", hint=f"one of {', '.join(app.services)}"
            )
        return _address(service)

    return address


def _web(app: App, tenant: Tenant) -> dict[str, Any] | None:
    if app.web is None:
        return None
    web = app.web
    ready = next((probe for probe in app.probes if probe.kind == "ready" and probe.service == web.service), None)
    index = list(app.services).index(web.service)
    return {
        "service": web.service,
        "port": web.port,
        "ready_path": ready.path if ready else None,
        "ready_status": ready.expect if ready else 200,
        "addresses": tuple(f"{slots.address(tenant.slot, index, side)}:{web.port}" for side in ("a", "b")),
    }


def _volume(app: App, tenant: Tenant) -> Callable[..., Mapping[str, Any]]:
    def volume(name: str, at: str) -> Mapping[str, Any]:
        """The mount of one of the tenant's volumes."""
        if name not in app.volumes:
            raise InventoryError(
                f"{app.name} has no volume {name}",
                code="no-such-volume",
                hint=f"volumes: [{', '.join([*app.volumes, name])}]",
            )
        return _bind(f"{paths.data(tenant.name)}/{name}", at, read_only=False)

    return volume


def _file(path: str, at: str) -> Mapping[str, Any]:
    """The mount of a file of the release."""
    return _bind(f"./{path}", at, read_only=True)


def _bind(source: str, target: str, *, read_only: bool) -> dict[str, Any]:
    return {
        "type": "bind",
        "source": source,
        "target": target,
        "read_only": read_only,
        "bind": {"create_host_path": False, "propagation": "rprivate"},
    }
