"""JSON documents with the usual parts of JSON5: read and replace values by their keys."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.archives.opening import ArchiveRefused
from launchpad.fleet.model.layout import KeyPath

_TOKEN = re.compile(
    r"""(?P<space>[\s\ufeff]+|//[^\n]*|/\*[\s\S]*?\*/)|(?P<double>"(?:[^"\\\n]|\\[\s\S])*")"""
    r"""|(?P<single>'(?:[^'\\\n]|\\[\s\S])*')|(?P<mark>[\[\]{}:,])|(?P<word>[A-Za-z0-9_$.+-]+)"""
)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_CONSTANTS = frozenset({"true", "false", "null"})


def parsed(text: bytes, *, where: str) -> Any:
    """The document; ArchiveRefused, with the line, when the text cannot be parsed."""
    try:
        plain = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ArchiveRefused(f"{where}: the text is not UTF-8", code="archive-text-not-utf-8") from error
    try:
        return json.loads(plain)
    except RecursionError as error:
        raise ArchiveRefused(f"{where}: the document is nested too deeply", code="archive-text-too-deep") from error
    except ValueError as error:
        line = getattr(error, "lineno", 1)
    try:
        return json.loads(_plain_json(plain, where))
    except (ValueError, RecursionError):
        # without its cause, which would quote the text
        raise ArchiveRefused(
            f"{where}:{line}: the text is neither JSON nor JSON5", code="archive-text-not-json"
        ) from None


def _plain_json(text: str, where: str) -> str:
    """The same document as plain JSON: without comments, trailing commas, single quotes and unquoted keys."""
    tokens: list[str] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise ArchiveRefused(
                f"{where}:{text.count(chr(10), 0, at) + 1}: the text is neither JSON nor JSON5",
                code="archive-text-not-json",
            )
        at = match.end()
        kind, found = str(match.lastgroup), match[0]
        if kind in ("double", "single"):
            tokens.append(_string(found, quote=found[0]))
        elif kind == "word":
            tokens.append(found if _NUMBER.fullmatch(found) or found in _CONSTANTS else json.dumps(found))
        elif kind == "mark":
            if found in "]}" and tokens and tokens[-1] == ",":
                tokens.pop()
            tokens.append(found)
    return " ".join(tokens)


def _string(token: str, *, quote: str) -> str:
    """The string in JSON."""
    body = re.sub(r"\\(\r\n|[\s\S])", _unescaped, token[1:-1])
    return '"' + (body if quote == '"' else body.replace('"', '\\"')) + '"'


def _unescaped(match: re.Match[str]) -> str:
    """An escape in JSON: JSON's own escapes stay, line continuations are joined, others stand for their character."""
    letter = match[1]
    if letter in ("\n", "\r\n", "\r"):
        return ""
    return f"\\{letter}" if letter in '"\\/bfnrtu' else letter


def written(document: Any) -> bytes:
    """The document as JSON."""
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def values_at(document: Any, key: KeyPath) -> Iterator[tuple[Any, Any]]:
    """Each (object, value) for the key; the object has the value under the key's last part."""
    yield from _walk(document, key.parts)


def _walk(document: Any, parts: tuple[str, ...]) -> Iterator[tuple[Any, Any]]:
    if not isinstance(document, dict):
        return
    names = list(document) if parts[0] == "*" else [parts[0]]
    for name in names:
        if name not in document:
            continue
        if len(parts) == 1:
            yield document, document[name]
        else:
            yield from _walk(document[name], parts[1:])


def replaced(document: dict[str, Any], name: str, instead: Mapping[str, Any]) -> None:
    """Replace one key by others in its place."""
    items = list(document.items())
    document.clear()
    for key, value in items:
        if key == name:
            document.update(instead)
        elif key not in document:
            document[key] = value
