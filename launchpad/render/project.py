"""The Compose project of a release: the settings that every service gets, and the app's own.

It is written as JSON, which is also YAML: the host judges it with the standard library before Compose reads it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from ruamel.yaml.error import YAMLError

from launchpad.errors import InventoryError
from launchpad.fleet.model.app import App
from launchpad.fleet.reading.tree import PlainYaml
from launchpad.render.templates import TemplateSource

CELL = "compose/_cell/compose.yaml"


def project(app: App, templates: TemplateSource, values: Mapping[str, Any]) -> str:
    """The text of compose.yaml. InventoryError for a missing template, or one that does not render to YAML."""
    own = f"compose/{app.template}/compose.yaml"
    cell, said = _mapping(CELL, templates, values), _mapping(own, templates, values)
    services = said.get("services") or {}
    for name in services:
        if name not in app.services:
            raise InventoryError(
                f"{templates.path(own + '.j2')}: {app.name} has no service {name}",
                code="no-such-service",
                hint=f"add it under services: of the app, or use one of {', '.join(app.services)}",
            )
        if "logging" in (services[name] or {}):
            raise InventoryError(
                f"{templates.path(own + '.j2')}: services.{name}.logging: the tenant's tier limits the log",
                code="template-sets-logging",
                hint="remove logging here, and write log: {size: 10MiB, files: 3} into the tier",
            )
    return json.dumps(_merged(cell, said), indent=2, ensure_ascii=False) + "\n"


def _mapping(name: str, templates: TemplateSource, values: Mapping[str, Any]) -> dict[str, Any]:
    found = templates.find(name)
    if found is None:
        raise InventoryError(
            f"template {name}.j2 is missing",
            code="compose-template-missing",
            hint=f"write {templates.path(name + '.j2')}",
        )
    text = templates.render(found, "compose.yaml", values)
    path = templates.path(found)
    try:
        document = _document(text)
    except YAMLError as error:
        raise InventoryError(
            f"{path}: does not render to YAML: {_place(error)}",
            code="template-not-yaml",
            hint="write {{ value }} without quotes: Launchpad adds the quotes",
        ) from error
    if not isinstance(document, dict):
        raise InventoryError(
            f"{path}: must be a mapping, with services:",
            code="template-without-services",
            hint=f"see {templates.path(CELL + '.j2')}",
        )
    plain: dict[str, Any] = _plain(document, str(path), "")
    return plain


@lru_cache(maxsize=256)
def _document(text: str) -> object:
    """Cached, because a rollout's plan renders each tenant several times."""
    return PlainYaml(typ="safe", pure=True).load(text)


def _place(error: YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error)
    return f"{problem}, line {mark.line + 1} of the rendered text" if mark else str(problem)


def _plain(value: Any, path: str, at: str) -> Any:
    """The document as JSON; InventoryError for YAML's other types."""
    if isinstance(value, dict):
        for key in value:
            if not isinstance(key, str):
                raise InventoryError(
                    f"{path}: {at or 'the top'} has the key {key!r}, which is not text",
                    code="template-key-not-text",
                    hint="quote it",
                )
        return {key: _plain(item, path, f"{at}.{key}".lstrip(".")) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item, path, f"{at}[{index}]") for index, item in enumerate(value)]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise InventoryError(
        f"{path}: {at} is a {type(value).__name__}, not text", code="template-value-not-text", hint="quote it"
    )


def _merged(cell: Any, own: Any) -> Any:
    """Merge both: mappings key by key, lists one after the other, otherwise the app's own value."""
    if isinstance(cell, dict) and isinstance(own, dict):
        both = dict(cell)
        for key, item in own.items():
            both[key] = _merged(cell[key], item) if key in cell else item
        return both
    if isinstance(cell, list) and isinstance(own, list):
        return cell + own
    return own
