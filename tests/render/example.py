"""A small fleet for the tests of rendering and judging: one OpenClaw, one beacon, pinned images, fixed numbers."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from launchpad.fleet.keeping.store import shipped_apps
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.reading.inventory_files import Snapshot
from launchpad.fleet.reading.parse import parse
from launchpad.render.release import Rendered, render_release
from launchpad.render.templates import TemplateSource

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"

SECRETS = {
    "alice": {"OPENCLAW_GATEWAY_TOKEN": 1, "ANTHROPIC_API_KEY": 3},
    "bea": {"BEACON_TOKEN": 2},
}

TEXTS = {
    "launchpad.yaml": "operators: []\n",
    "inventory/hosts.yaml": """
web-1:
  address: 203.0.113.7
  resources: {memory: 8GiB, cpus: 4, disk: 60GiB}
  caddy:
    acme_email: ops@example.com
    acme_ca: https://acme.example.com:14000/dir
    acme_ca_root: acme-root.pem
    stream_close_delay: 30s
""",
    "inventory/tiers.yaml": """
light: {memory: 256MiB, cpus: 0.5, pids: 128, disk: 1GiB}
standard: {memory: 2GiB, cpus: 2, pids: 512, disk: 10GiB, log: {size: 20MiB, files: 5}}
""",
    "inventory/apps/openclaw.yaml": f"""
extends: openclaw
images:
  2026.9.6: {{gateway: 'ghcr.io/openclaw/openclaw:2026.9.6@sha256:{"1" * 64}'}}
""",
    "inventory/tenants/alice.yaml": """
slot: 7
app: openclaw
version: 2026.9.6
tier: standard
host: web-1
domains: [alice.example.com, gateway.alice.example]
variables: {model: anthropic/claude-sonnet-4-5}
""",
    "inventory/tenants/bea.yaml": """
slot: 8
app: beacon
version: 1.0.0
tier: light
host: web-1
domains: [bea.example.com]
""",
}


def beacon_app() -> str:
    """The example workspace's own app, with a digest for its image."""
    text = (ROOT / "inventory/apps/beacon.yaml").read_text()
    return text.replace("beacon:1.0.0", f"beacon:1.0.0@sha256:{'2' * 64}")


def fleet_of(changes: Mapping[str, str] | None = None, *, templates: Path = TEMPLATES) -> Fleet:
    """The example fleet, with some of its files written otherwise."""
    texts = {**TEXTS, "inventory/apps/beacon.yaml": beacon_app(), **(changes or {})}
    files = {name: text.encode() for name, text in texts.items()}
    return parse(Snapshot(files), shipped_apps([templates]))


@lru_cache
def example_fleet() -> Fleet:
    """The example fleet as it stands; frozen, so the tests may share it."""
    return fleet_of()


def rendered(tenant: str, fleet: Fleet | None = None, *, workspace: Path | None = None) -> Rendered:
    """The tenant's release from the shipped templates, and the workspace's where it has some."""
    if fleet is None and workspace is None:
        return example_release(tenant)
    fleet = fleet or example_fleet()
    templates = TemplateSource(workspace=workspace, shipped=TEMPLATES)
    return render_release(fleet, fleet.tenant(tenant), templates=templates, secrets=SECRETS.get(tenant, {}))


@lru_cache
def example_release(tenant: str) -> Rendered:
    """The tenant's release as the example has it; rendered once for all tests."""
    return rendered(tenant, example_fleet())
