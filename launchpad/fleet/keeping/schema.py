"""JSON Schemas of the inventory's files, with which editors complete and check them."""

from __future__ import annotations

import ast
import inspect
import json
import textwrap
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from launchpad.fleet.keeping.workspace_files import replace_file
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Defaults
from launchpad.fleet.model.host import Host
from launchpad.fleet.model.target import Target
from launchpad.fleet.model.tenant import Tenant
from launchpad.fleet.model.tier import Tier
from launchpad.fleet.reading.inventory_files import SCHEMAS
from launchpad.fleet.words.names import HostName, ImageName, TargetName, TierName, VersionName
from launchpad.fleet.words.references import ImageReference

KINDS = ("launchpad", "host", "tier", "target", "app", "tenant")
"""The kinds of schema: for launchpad.yaml, hosts.yaml, tiers.yaml, targets.yaml, apps/APP.yaml and
tenants/TENANT.yaml."""

_MODELS: dict[str, type[BaseModel]] = {
    "launchpad": Defaults,
    "host": Host,
    "tier": Tier,
    "target": Target,
    "app": App,
    "tenant": Tenant,
}


def schema(kind: str) -> dict[str, Any]:
    """The schema of one kind of file."""
    record = _MODELS[kind].model_json_schema()
    definitions = record.pop("$defs", {})
    for model in _models_in(_MODELS[kind]):
        _describe(model, definitions.get(model.__name__, record if model is _MODELS[kind] else {}))
    _without_name(record)
    if kind == "host":
        record = _by_name(record, HostName.pattern.pattern)
    elif kind == "tier":
        record = _by_name(record, TierName.pattern.pattern)
    elif kind == "target":
        record = _by_name(record, TargetName.pattern.pattern)
    elif kind == "app":
        record = _extendable(record)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Launchpad: {kind}"}
    return head | {key: value for key, value in record.items() if key != "title"} | {"$defs": definitions}


def write_schemas(root: Path) -> list[Path]:
    """Write every schema into the workspace; return the files."""
    files = []
    for kind in KINDS:
        path = root / SCHEMAS / f"{kind}.json"
        replace_file(path, _text(kind))
        files.append(path)
    return files


@cache
def _text(kind: str) -> bytes:
    return (json.dumps(schema(kind), indent=2, ensure_ascii=False) + "\n").encode()


def _without_name(record: dict[str, Any]) -> None:
    """Remove the name: a record's name is its file's name or its key."""
    if record.get("properties", {}).pop("name", None) is not None:
        record["required"] = [name for name in record.get("required", []) if name != "name"]


def _by_name(record: dict[str, Any], pattern: str) -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": f"^{pattern}$", "maxLength": 32},
        "additionalProperties": record,
    }


def _extendable(record: dict[str, Any]) -> dict[str, Any]:
    """The schema of an app, or of an app that extends another one."""
    images = {
        "type": "object",
        "description": "With extends: replaced images, by version and image name.",
        "propertyNames": {"pattern": f"^{VersionName.pattern.pattern}$"},
        "additionalProperties": {
            "type": "object",
            "propertyNames": {"pattern": f"^{ImageName.pattern.pattern}$"},
            "additionalProperties": {"type": "string", "pattern": f"^{ImageReference.pattern.pattern}$"},
        },
    }
    extends = {"type": "string", "description": "The app that this app extends; keys in this file replace its keys."}
    required = record.pop("required", [])
    properties = {"extends": extends, "images": images} | record.pop("properties")
    alone = {"required": required, "properties": {"images": False}}
    return record | {"properties": properties, "if": {"required": ["extends"]}, "else": alone}


def _models_in(model: type[BaseModel]) -> list[type[BaseModel]]:
    """The model and all models in its fields."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[Any] = [model]
    while waiting:
        kind = waiting.pop()
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            if kind.__name__ not in found:
                found[kind.__name__] = kind
                waiting.extend(field.annotation for field in kind.model_fields.values())
        else:
            waiting.extend(getattr(kind, "__args__", ()))
    return list(found.values())


def _describe(model: type[BaseModel], record: dict[str, Any]) -> None:
    """Copy the docstring below each field into the property's description."""
    properties = record.get("properties", {})
    for name, text in _field_texts(model).items():
        if name in properties:
            properties[name]["description"] = text


def _field_texts(model: type[BaseModel]) -> dict[str, str]:
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    texts: dict[str, str] = {}
    for field, below in zip(body.body, body.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name) and isinstance(below, ast.Expr):
            value = below.value
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                texts[field.target.id] = " ".join(value.value.split())
    return texts
