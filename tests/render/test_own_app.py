"""An app of one's own is a YAML file and templates: several services, a volume, files in four languages, no Python.

Its variable takes any text at all, and whatever stands in it arrives as that text, or is refused.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from launchpad.errors import InventoryError
from launchpad.fleet.model.fleet import Fleet
from launchpad.render.release import Rendered
from launchpad.runner.judge.manifest import judge_release
from launchpad.runner.judge.resolved_project import judge_compose
from launchpad.runner.judge.site import judge_site
from tests.render.example import fleet_of, rendered
from tests.render.test_quoting import HOSTILE
from tests.render.tools import adapt, compose_command, resolve

APP = f"""
summary: A shop
template: shop
strategy: beside
services:
  web: {{memory: 0.5}}
  worker: {{image: web}}
  data-base: {{image: postgres}}
web: {{service: web, port: 3000}}
volumes: [rows, pictures]
variables:
  title: {{default: "A shop"}}
probes:
  - kind: process
  - {{kind: ready, service: web, port: 3000, path: /up, expect: 204}}
files:
  - {{template: settings.json.j2, path: conf/settings.json}}
  - {{template: settings.yaml.j2, path: conf/settings.yaml}}
  - {{template: start.sh.j2, path: start.sh}}
versions:
  - version: "1"
    images:
      web: ghcr.io/example/shop:1@sha256:{"a" * 64}
      postgres: docker.io/library/postgres:17@sha256:{"b" * 64}
"""

TEMPLATES = {
    "compose.yaml.j2": """
services:
  web:
    command: [/bin/sh, /launchpad/start.sh]
    environment: {TITLE: {{ variables.title }}, DATABASE: {{ address("data-base") }}}
    volumes:
      - {{ volume("pictures", at="/pictures") }}
      - {{ file("conf", at="/conf") }}
      - {{ file("start.sh", at="/launchpad/start.sh") }}
    depends_on:
      data-base: {condition: service_healthy}
  worker:
    command: [work, {{ variables.title }}]
  data-base:
    shm_size: 16m
    volumes:
      - {{ volume("rows", at="/var/lib/postgresql/data") }}
    tmpfs: ["/run/postgresql:size=4m,noexec,nosuid,nodev"]
    healthcheck: {test: [CMD, pg_isready], interval: 5s}
""",
    "settings.json.j2": '{"title": {{ variables.title }}}\n',
    "settings.yaml.j2": "title: {{ variables.title }}\n",
    "start.sh.j2": "#!/bin/sh\nexec shop --title {{ variables.title }}\n",
}


def shop(title: str = "A shop") -> Fleet:
    tenant = {"slot": 12, "app": "shop", "version": "1", "tier": "standard", "host": "web-1"}
    tenant |= {"domains": ["shop.example.com"], "variables": {"title": title}}
    return fleet_of(
        {"inventory/apps/shop.yaml": APP, "inventory/tenants/shop.yaml": json.dumps(tenant, ensure_ascii=False)}
    )


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    return workspace_in(tmp_path)


def workspace_in(place: Path) -> Path:
    folder = place / "compose/shop"
    folder.mkdir(parents=True)
    for name, text in TEMPLATES.items():
        (folder / name).write_text(text)
    return place


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Of the service of a shop with an ordinary title."""
    workspace = workspace_in(tmp_path_factory.mktemp("ordinary"))
    return set(json.loads(rendered("shop", shop(), workspace=workspace).files["compose.yaml"])["services"]["web"])


def judged(result: Rendered) -> None:
    """As on a host."""
    judge_release(result.release, result.files, neighbours={})
    judge_site(adapt(result.files["site.caddy"]), result.release)
    if compose_command() is not None:
        for side in ("a", "b"):
            resolved = resolve(result.files["compose.yaml"], result.release, side)
            judge_compose(resolved, result.release, side=side)


def test_is_rendered_and_accepted_by_the_host(workspace: Path) -> None:
    result = rendered("shop", shop(), workspace=workspace)
    judged(result)
    assert [service.name for service in result.release.services] == ["web", "worker", "data-base"]
    assert (result.release.web, result.release.strategy) == ("web:3000", "beside")
    assert '"10.200.0.194:3000" "10.200.0.200:3000"' in result.files["site.caddy"]
    assert 'health_uri "/up"' in result.files["site.caddy"]
    compose = json.loads(result.files["compose.yaml"])["services"]
    assert compose["web"]["environment"]["DATABASE"] == "${LAUNCHPAD_ADDRESS_DATA_BASE}"
    assert "entrypoint" not in compose["web"], "an app without secrets keeps its image's own"


@pytest.mark.parametrize("title", [text for text in HOSTILE if "\n" not in text])
def test_any_text_arrives_as_that_text(workspace: Path, keys: set[str], title: str) -> None:
    result = rendered("shop", shop(title), workspace=workspace)
    judge_release(result.release, result.files, neighbours={})
    service = json.loads(result.files["compose.yaml"])["services"]["web"]
    assert service["environment"]["TITLE"] == title.replace("$", "$$")
    assert json.loads(result.files["conf/settings.json"]) == {"title": title}
    assert set(service) == keys


@pytest.mark.programs
@pytest.mark.skipif(compose_command() is None, reason="Compose 2 is not here; set LAUNCHPAD_COMPOSE")
def test_compose_reads_every_text_as_that_text(workspace: Path) -> None:
    for title in ("${HOME}", "$(reboot)", '"; privileged: true #', "{{ 7 * 7 }}", "é 漢 😀"):
        result = rendered("shop", shop(title), workspace=workspace)
        resolved = resolve(result.files["compose.yaml"], result.release, "a")
        judge_compose(resolved, result.release, side="a")
        # Compose prints a dollar sign doubled, as it would read it again.
        assert resolved["services"]["worker"]["command"] == ["work", title.replace("$", "$$")]


@pytest.mark.parametrize("title", ["{env.HOME}", "{file./etc/shadow}", 'a" {\n', "`", "\\"])
def test_a_site_takes_no_text_that_caddy_would_read(workspace: Path, title: str) -> None:
    (workspace / "compose/shop/site.caddy.j2").write_text(
        "{{ tenant.domains }} {\n\trespond * {{ variables.title }}\n}\n"
    )
    with pytest.raises(InventoryError, match=r"site\.caddy\.j2:2: |several lines"):
        rendered("shop", shop(title), workspace=workspace)
