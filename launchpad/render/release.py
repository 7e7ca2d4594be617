"""Render a tenant's release: the files, and the manifest that names them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from launchpad.errors import InventoryError
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.model.tenant import Tenant
from launchpad.render.project import project
from launchpad.render.templates import TemplateSource
from launchpad.render.values import values_of
from launchpad.runner.hint import Next
from launchpad.runner.protocol import Action, Probe, Release, Service, digest_of

CELL_FILES = ("passwd", "group")


@dataclass(frozen=True)
class Rendered:
    """A release and the text of its files, by path."""

    release: Release
    files: Mapping[str, str]


def render_release(fleet: Fleet, tenant: Tenant, *, templates: TemplateSource, secrets: Mapping[str, int]) -> Rendered:
    """The release for the tenant: the same inventory always gives the same text and the same digest.

    `secrets` maps the names of the tenant's secrets to their versions, never to values. InventoryError with the file
    and a hint when something is missing: an image's digest, a secret, a template, a variable.
    """
    app = fleet.app(tenant.app)
    _judge_secrets(app, tenant, secrets)
    values = values_of(fleet, tenant)
    files = {path: templates.render(name, path, values) for path, name in _sources(app, templates).items()}
    files["compose.yaml"] = project(app, templates, values)
    files = dict(sorted(files.items()))
    return Rendered(_release(fleet, tenant, secrets=secrets, files=files), files)


def _judge_secrets(app: App, tenant: Tenant, secrets: Mapping[str, int]) -> None:
    declared = {str(spec.name) for spec in app.secrets}
    for spec in app.secrets:
        if spec.required and spec.name not in secrets:
            raise InventoryError(
                f"{tenant.name} has no secret {spec.name}, which {app.name} needs",
                code="secret-missing-in-release",
                hint=Next("secret set", tenant.name, spec.name),
            )
    for name in sorted(set(secrets) - declared):
        raise InventoryError(
            f"{tenant.name} has a secret {name}, which {app.name} does not take",
            code="secret-not-taken",
            hint=Next("secret remove", tenant.name, name),
        )


def _sources(app: App, templates: TemplateSource) -> dict[str, str]:
    """The template of each file except compose.yaml: the app's own, otherwise the common one."""
    own = f"compose/{app.template}"
    wanted: dict[str, tuple[str, ...]] = {path: (f"{own}/{path}", f"compose/_cell/{path}") for path in CELL_FILES}
    if app.secrets:
        wanted["entrypoint.sh"] = (f"{own}/entrypoint.sh", "compose/_cell/entrypoint.sh")
    if app.web:
        wanted["site.caddy"] = (f"{own}/site.caddy", "caddy/site.caddy")
    for file in app.files:
        wanted[str(file.path)] = (f"{own}/{file.template}",)
    found = {}
    for path, names in sorted(wanted.items()):
        name = templates.find(*names)
        if name is None:
            raise InventoryError(
                f"{app.name}: the template of {path} is missing",
                code="template-missing",
                hint=f"write {templates.path(names[0])}",
            )
        found[path] = name
    return found


def _release(fleet: Fleet, tenant: Tenant, *, secrets: Mapping[str, int], files: Mapping[str, str]) -> Release:
    app = fleet.app(tenant.app)
    return Release(
        tenant=str(tenant.name),
        slot=tenant.slot,
        epoch=tenant.epoch,
        app=str(app.name),
        version=str(tenant.version),
        strategy=app.strategy,
        services=_services(fleet, tenant),
        web=f"{app.web.service}:{app.web.port}" if app.web else "",
        domains=tuple(map(str, tenant.domains)) if app.web else (),
        volumes=tuple(map(str, app.volumes)),
        disk_mb=fleet.tier(tenant.tier).disk.mb,
        egress=app.egress,
        egress_ports=tuple(sorted(set(app.egress_ports))),
        secrets=dict(sorted(secrets.items())),
        probes=tuple(
            Probe(
                kind=probe.kind,
                service=str(probe.service or ""),
                port=probe.port or 0,
                path=str(probe.path or ""),
                expect=probe.expect,
            )
            for probe in app.probes
        ),
        actions=tuple(
            Action(
                name=str(action.name),
                service=str(action.service),
                argv=tuple(map(str, action.argv)),
                timeout_seconds=action.timeout.seconds,
            )
            for action in app.actions
        ),
        start_seconds=app.timings.start.seconds,
        steady_seconds=app.timings.steady.seconds,
        stop_seconds=app.timings.stop.seconds,
        files={path: digest_of(text.encode()) for path, text in files.items()},
        real_in_rehearsals=tuple(
            str(spec.name) for spec in app.secrets if spec.rehearse == "real" and spec.name in secrets
        ),
    )


def _services(fleet: Fleet, tenant: Tenant) -> tuple[Service, ...]:
    app = fleet.app(tenant.app)
    images, limits = app.images(tenant.version), app.limits(fleet.tier(tenant.tier))
    return tuple(
        Service(
            name=str(name),
            image=str(images[name]),
            memory_mb=limits[name].memory_mb,
            cpus=limits[name].cpus,
            pids=limits[name].pids,
        )
        for name in app.services
    )
