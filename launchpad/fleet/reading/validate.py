"""Validate a tree as a model: report every mistake in the inventory's words and with its line."""

from __future__ import annotations

import types
from collections.abc import Mapping
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from launchpad.fleet.model.base import Model
from launchpad.fleet.reading.tree import Tree
from launchpad.fleet.words.malformed import quoted
from launchpad.fleet.words.mistakes import Mistake
from launchpad.fleet.words.nearest import nearest

Record = TypeVar("Record", bound=Model)

_KINDS = {
    "string_type": "text",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "tuple_type": "a list",
    "mapping_type": "a mapping of names to values",
    "dict_type": "a mapping of names to values",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
}
_BOUNDS = {
    "greater_than": "more than {gt:g}",
    "greater_than_equal": "{ge:g} or more",
    "less_than": "less than {lt:g}",
    "less_than_equal": "{le:g} or less",
    "finite_number": "a number",
}


def validate(kind: type[Record], tree: Tree, mistakes: list[Mistake], **given: object) -> Record | None:
    """The record in the tree, with the `given` fields that are not written in the tree; None after mistakes, which are
    added to `mistakes`."""
    value = tree.plain()
    if not isinstance(value, dict):
        mistakes.append(Mistake(tree.place, "not a mapping", "lines of key: value"))
        return None
    clean = True
    for name in given.keys() & value.keys():
        what = f"unknown key {name}"
        mistakes.append(
            Mistake(tree.place_of((name,)), what, "no such key: the name comes from the file or from the key above")
        )
        clean = False
    try:
        record = kind.model_validate(value | given)
    except ValidationError as error:
        errors = error.errors(include_url=False)
        for details in errors:
            if details["type"] != "too_short" or not _has_wrong_items(details["loc"], errors):
                mistakes.extend(_told(kind, tree, details))
        return None
    return record if clean else None


def _has_wrong_items(path: tuple[int | str, ...], errors: list[ErrorDetails]) -> bool:
    """Whether a list is too short only because its items are invalid."""
    return any(details["loc"] != path and details["loc"][: len(path)] == path for details in errors)


def _told(kind: type[Model], tree: Tree, details: ErrorDetails) -> list[Mistake]:
    path = tuple(step for step in details["loc"] if step != "[key]")
    place = tree.place_of(path)
    context: Mapping[str, Any] = details.get("ctx", {})
    key = str(path[-1]) if path else ""
    match details["type"]:
        case "findings":
            findings = context["findings"]
            return [Mistake(tree.place_of((*path, *f.at)), f.what, f.expected, f.hint) for f in findings]
        case "malformed":
            return [Mistake(place, context["what"], context.get("expected", ""), context.get("hint", ""))]
        case "missing":
            return [Mistake(tree.place_of(path[:-1]), f"missing key {dotted(path)}", _described(kind, path))]
        case "extra_forbidden":
            return [_unknown_key(kind, tree, path)]
        case "literal_error":
            return [Mistake(place, f"{dotted(path)} is {shown(details['input'])}", f"{_described(kind, path)}")]
        case "too_short" | "too_long" as length:
            limit = f"at least {context['min_length']}" if length == "too_short" else f"at most {context['max_length']}"
            return [Mistake(place, f"{dotted(path)} has {context['actual_length']} entries", limit)]
    bound = _BOUNDS.get(details["type"], "").format(**context)
    wanted = _KINDS.get(details["type"]) or bound or details["msg"]
    return [Mistake(place, f"{dotted(path)} is {shown(details['input'])}", wanted, _how(details, key))]


def _how(details: ErrorDetails, key: str) -> str:
    value = details["input"]
    if details["type"] == "string_type" and isinstance(value, int | float) and not isinstance(value, bool):
        return f'put it in quotes: {key}: "{value}"' if key and not key.isdigit() else f'put it in quotes: "{value}"'
    if details["type"] == "bool_type" and str(value).lower() in {"yes", "on", "no", "off"}:
        return f"write {'true' if str(value).lower() in {'yes', 'on'} else 'false'}"
    if details["type"] == "tuple_type" and isinstance(value, str):
        return f"write [{value}]"
    return ""


def _unknown_key(kind: type[Model], tree: Tree, path: tuple[str | int, ...]) -> Mistake:
    owner = _annotation_at(kind, path[:-1])
    known = sorted(set(owner.model_fields) - {"name"}) if _is_model(owner) else []
    if _is_model(owner) and "name" in owner.model_fields and len(path) > 1:
        known = sorted(owner.model_fields)
    guess = nearest(str(path[-1]), known)
    hint = f"did you mean {guess}?" if guess else ""
    return Mistake(tree.place_of(path), f"unknown key {dotted(path)}", f"one of {', '.join(known)}", hint)


def _described(kind: type[Model], path: tuple[str | int, ...]) -> str:
    """The allowed values at the path, in words."""
    annotation = _annotation_at(kind, path)
    if get_origin(annotation) is Literal:
        return f"{' or '.join(str(choice) for choice in get_args(annotation))}"
    expected = getattr(annotation, "expected", None) or getattr(annotation, "example", None)
    if isinstance(expected, str):
        return expected
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false"}
    origin = get_origin(annotation)
    if origin is tuple:
        return "a list"
    return words.get(annotation, "a mapping")


def _annotation_at(kind: Any, path: tuple[str | int, ...]) -> Any:
    """The type at a path from a model, without Optional and Annotated; None for an unknown path."""
    found: Any = kind
    for step in path:
        if _is_model(found):
            item = found.model_fields.get(str(step))
            found = item.annotation if item else None
        else:
            arguments = get_args(found)
            found = arguments[-1] if get_origin(found) is not tuple and arguments else (arguments or (None,))[0]
        found = _bare(found)
    return found


def _bare(annotation: Any) -> Any:
    while True:
        if get_origin(annotation) in (Union, types.UnionType):
            annotation = next(item for item in get_args(annotation) if item is not type(None))
        elif hasattr(annotation, "__metadata__"):
            annotation = get_args(annotation)[0]
        else:
            return annotation


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def dotted(path: tuple[str | int, ...]) -> str:
    """Format a path for people: services.web.memory, domains[2]."""
    text = ""
    for step in path:
        text += f"[{step + 1}]" if isinstance(step, int) else f".{step}" if text else str(step)
    return text or "the file"


def shown(value: object) -> str:
    """Format a value for an error: short, on one line, never a whole structure."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, tuple | list):
        return "a list"
    if value is None:
        return "empty"
    if isinstance(value, bool):
        return str(value).lower()
    return quoted(value) if isinstance(value, str) else str(value)[:60]
