"""The JSON Schemas say what the models take."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from launchpad.fleet.keeping.schema import KINDS, schema, write_schemas
from launchpad.fleet.model.app import App
from launchpad.fleet.model.base import Model
from launchpad.fleet.model.fleet import Defaults
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.tier import Tier
from launchpad.fleet.reading.inventory_files import SCHEMAS, schema_line
from launchpad.fleet.reading.tree import read_tree
from launchpad.workspace import SHIPPED_TEMPLATES

ROOT = Path(__file__).resolve().parents[3]
MODELS: dict[str, type[Model]] = {
    "launchpad": Defaults,
    "host": Host,
    "tier": Tier,
    "target": Target,
    "app": App,
    "tenant": Tenant,
}


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_the_model_s_fields_and_no_others(kind: str) -> None:
    found = schema(kind)
    record = found["additionalProperties"] if kind in {"host", "tier", "target"} else found
    assert set(record["properties"]) - {"extends", "images"} == set(MODELS[kind].model_fields) - {"name"}
    assert record["additionalProperties"] is False


@pytest.mark.parametrize("kind", KINDS)
def test_its_patterns_are_whole_and_right(kind: str) -> None:
    found = list(patterns(schema(kind)))
    assert found or kind == "launchpad"
    for pattern in found:
        assert pattern.startswith("^")
        assert pattern.endswith("$")
        re.compile(pattern)


def patterns(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("pattern"), str):
            yield value["pattern"]
        for item in value.values():
            yield from patterns(item)
    elif isinstance(value, list):
        for item in value:
            yield from patterns(item)


def test_it_tells_what_a_field_is_for() -> None:
    properties = schema("host")["$defs"]["CaddyOptions"]["properties"]
    assert "WebSocket" in properties["stream_close_delay"]["description"]


def test_the_example_s_keys_are_all_known() -> None:
    files = {
        "tenant": sorted((ROOT / "inventory/tenants").glob("*.yaml")),
        "app": [*(ROOT / "inventory/apps").glob("*.yaml"), *SHIPPED_TEMPLATES.glob("compose/*/app.yaml")],
    }
    for kind, paths in files.items():
        assert len(paths) >= 2
        for path in paths:
            keys = set(read_tree(path.name, path.read_bytes()).plain())
            record = schema(kind)
            assert keys <= set(record["properties"]), path
            assert set(record.get("required", [])) <= keys


def test_editors_find_it_where_it_is_written(tmp_path: Path) -> None:
    files = write_schemas(tmp_path)
    assert {path.name for path in files} == {f"{kind}.json" for kind in KINDS}
    places = {
        "launchpad": "launchpad.yaml",
        "host": "inventory/hosts.yaml",
        "tier": "inventory/tiers.yaml",
        "app": "inventory/apps/a.yaml",
        "tenant": "inventory/tenants/a.yaml",
    }
    for kind, place in places.items():
        named = schema_line(kind).strip().partition("$schema=")[2]
        assert ((tmp_path / place).parent / named).resolve() == tmp_path / SCHEMAS / f"{kind}.json"
        json.loads((tmp_path / SCHEMAS / f"{kind}.json").read_text())


def test_the_example_names_its_schemas() -> None:
    assert (ROOT / "launchpad.yaml").read_text().startswith(schema_line("launchpad"))
    assert (ROOT / "inventory/hosts.yaml").read_text().startswith(schema_line("host"))
    assert (ROOT / "inventory/tiers.yaml").read_text().startswith(schema_line("tier"))
    for path in (ROOT / "inventory/tenants").glob("*.yaml"):
        assert path.read_text().startswith(schema_line("tenant"))
