"""Releases for the in-memory host: as hardened as the judge wants them, as small as can be."""

from __future__ import annotations

import json
from typing import Any, Literal

from launchpad.runner import slots
from launchpad.runner.protocol import Action, Probe, Release, Service, digest_of, release_as_json

MEGABYTE = 1 << 20


def image(name: str) -> str:
    """An image's full name; the same name gives the same digest."""
    return f"registry.example.com/{name}@{digest_of(name.encode())}"


def release(
    tenant: str = "alice",
    *,
    slot: int = 7,
    app: str = "beacon:1",
    strategy: Literal["swap", "beside"] = "swap",
    domains: tuple[str, ...] = ("alice.example.com",),
    egress: Literal["open", "none"] = "open",
) -> tuple[Release, dict[str, str]]:
    """A release of two services with a volume, a secret and a site, and its files. `app` is a name and a version."""
    services = tuple(
        Service(name=name, image=image(f"{app}-{name}"), memory_mb=64, cpus=0.5, pids=64) for name in ("web", "store")
    )
    addresses = " ".join(f"{slots.address(slot, 0, side)}:8080" for side in ("a", "b"))
    files = {
        "compose.yaml": json.dumps(compose(tenant, slot, services), indent=1),
        "site.caddy": f"{', '.join(domains)} {{\n\treverse_proxy {addresses}\n}}\n",
    }
    made = Release(
        tenant=tenant,
        slot=slot,
        app=app.split(":")[0],
        version=app.split(":")[1],
        strategy=strategy,
        services=services,
        web="web:8080",
        domains=domains,
        volumes=("state",),
        disk_mb=64,
        egress=egress,
        secrets={"BEACON_TOKEN": 1},
        probes=(Probe(kind="process"), Probe(kind="ready", service="web", port=8080, path="/startupz")),
        actions=(Action(name="quiet", service="web", argv=("quiet",)),),
        start_seconds=20,
        steady_seconds=2,
        stop_seconds=10,
        files={path: digest_of(text.encode()) for path, text in files.items()},
    )
    return made, files


def compose(tenant: str, slot: int, services: tuple[Service, ...]) -> dict[str, Any]:
    """compose.yaml already in the form that Compose itself would resolve it to."""
    uid = slots.inner_uid(slot)
    cells = {}
    for service in services:
        cells[service.name] = {
            "image": service.image,
            "user": f"{uid}:{uid}",
            "read_only": True,
            "cap_drop": ["ALL"],
            "security_opt": ["no-new-privileges:true"],
            "mem_limit": str(service.memory_mb * MEGABYTE),
            "memswap_limit": str(service.memory_mb * MEGABYTE),
            "cpus": service.cpus,
            "pids_limit": service.pids,
            "restart": "no",
            "stop_grace_period": "10s",
            "logging": {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}},
            "labels": {
                "launchpad.tenant": tenant,
                "launchpad.release": "${LAUNCHPAD_RELEASE}",
                "launchpad.side": "${LAUNCHPAD_SIDE}",
            },
            "networks": {"default": {"ipv4_address": f"${{LAUNCHPAD_ADDRESS_{service.name.upper()}}}"}},
            "volumes": [
                {
                    "type": "bind",
                    "source": f"/srv/launchpad/tenants/{tenant}/data/state",
                    "target": "/data",
                    "bind": {"create_host_path": False},
                },
                {"type": "bind", "source": "${LAUNCHPAD_SECRETS}", "target": "/run/secrets", "read_only": True},
            ],
        }
    return {"services": cells, "networks": {"default": {"name": f"lp-{tenant}", "external": True}}}


def deploy_body(
    identifier: str,
    made: tuple[Release, dict[str, str]],
    *,
    revision: str = "r1",
    ancestors: tuple[str, ...] = (),
    **extra: Any,
) -> dict[str, Any]:
    """The body of a submit request that deploys the release."""
    value, files = made
    operation = {
        "kind": "deploy",
        "tenant": value.tenant,
        "release": release_as_json(value),
        "files": files,
        "inventory": {"revision": revision, "ancestors": [revision, *ancestors]},
    }
    secrets = {
        name: {"version": version, "value": f"secret-of-{value.tenant}"} for name, version in value.secrets.items()
    }
    return {"id": identifier, "operation": operation | extra, "secrets": secrets, "follow": False}
