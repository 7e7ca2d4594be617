"""Quote a value in text so that it stays a value: one quotation for each language of templates."""

from __future__ import annotations

import json
import math
import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

_UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ud800-\udfff]")
_CADDY_ACTIVE = re.compile(r'["\\`{}]')
_PLAIN = re.compile(r"[A-Za-z0-9._:/@+,=-]+")

Quotation = Callable[[object], str]


class Unquotable(ValueError):
    """The value cannot be quoted safely in this language."""


class HostValue(str):
    """`${NAME}`, which Compose fills in on the host: the only text with an unescaped dollar sign."""

    __slots__ = ()

    def __new__(cls, text: str) -> HostValue:
        return super().__new__(cls, text)


def compose(value: object) -> str:
    """A JSON value (also YAML) in which Compose finds no variable."""
    return _json(value, lambda text: text if isinstance(text, HostValue) else text.replace("$", "$$"))


def json_value(value: object) -> str:
    """A JSON value (also YAML and JSON5)."""
    return _json(value, str)


def caddy(value: object) -> str:
    """A quoted word of a Caddyfile, or several for a list; Unquotable for text with a special meaning in Caddy."""
    if isinstance(value, (list, tuple)):
        return " ".join(caddy(item) for item in value)
    text = _word(value)
    if _CADDY_ACTIVE.search(text):
        raise Unquotable(f"{text!r} has a character with a special meaning in a Caddyfile")
    return f'"{text}"'


def shell(value: object) -> str:
    """A word of a POSIX shell, or several for a list."""
    if isinstance(value, (list, tuple)):
        return " ".join(shell(item) for item in value)
    return shlex.quote(_word(value))


def plain(value: object) -> str:
    """The text itself, for a file of an unknown language; Unquotable for special characters."""
    text = _word(value)
    if not _PLAIN.fullmatch(text):
        raise Unquotable(f"{text!r} may have a special meaning in this file; give the template a known file extension")
    return text


def quotation_for(path: str) -> Quotation:
    """The quotation for a file of a release, by its name."""
    name = path.rsplit("/", 1)[-1]
    if path == "compose.yaml":
        return compose
    if name == "Caddyfile" or name.endswith(".caddy"):
        return caddy
    if name.endswith((".yaml", ".yml", ".json", ".json5")):
        return json_value
    return shell if name.endswith(".sh") else plain


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, (str, int, float)):
        raise Unquotable(f"a value of type {type(value).__name__} is not allowed here")
    return str(_judged(value))


def _json(value: object, text: Callable[[str], str]) -> str:
    return json.dumps(_mapped(value, text), ensure_ascii=False, allow_nan=False)


def _mapped(value: object, text: Callable[[str], str]) -> Any:
    """The value as plain JSON with `text` applied to every string, keys included."""
    if isinstance(value, str):
        return str(text(_judged(value)))
    if value is None or isinstance(value, (bool, int, float)):
        return _judged(value)
    if isinstance(value, Mapping):
        return {_mapped(str(key), text): _mapped(item, text) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_mapped(item, text) for item in value]
    raise Unquotable(f"a value of type {type(value).__name__} is not allowed here")


def _judged(value: Any) -> Any:
    if isinstance(value, str) and _UNPRINTABLE.search(value):
        raise Unquotable(f"{value!r} has a line break, a control character or broken Unicode")
    if isinstance(value, float) and not math.isfinite(value):
        raise Unquotable(f"{value} is not a number")
    return value
