"""The codes of the deliberate errors, read from the code alone: for the reference, and for scripts/evidence wire.

A deliberate error is a call of LaunchpadError, of the runner's Refused or Failed, or of a class below one of these. Its
code is the literal argument `code`, or the class's own. The host's refusal without a code is a request that no
Launchpad of its version sends, and has the code of MALFORMED.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

ROOTS = ("LaunchpadError", "Refused", "Failed")
PASSED_ON = "…"
"""The code, or a part of the text, that is known only when the error is raised."""


@dataclass(frozen=True, order=True)
class Site:
    """A place that makes a deliberate error."""

    code: str
    """Empty where the place names none."""
    kind: str
    """The error's class; with the kind of the refusal on a host: `Refused state`."""
    text: str
    hint: str
    """As on a terminal, `…` for what is known only when the error is raised."""
    module: str
    line: int


def sites(trees: Mapping[str, ast.Module]) -> list[Site]:
    """Every place, in order of codes."""
    kinds = _kinds(trees)
    return sorted(site for module, tree in trees.items() for site in _of(module, tree, {}, kinds))


def commands(hint: str) -> str:
    """What a hint asks for: its commands' verbs; two errors with one code have the same."""
    return " ".join(word for before, word in zip(hint.split(), hint.split()[1:], strict=False) if before == "launchpad")


def _kinds(trees: Mapping[str, ast.Module]) -> dict[str, str]:
    """Each class of deliberate errors, and its own code."""
    classes = [node for tree in trees.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    found = dict.fromkeys(ROOTS, "")
    while new := {
        item.name: _own_code(item) or next(found[base] for base in _bases(item) if base in found)
        for item in classes
        if item.name not in found and found.keys() & set(_bases(item))
    }:
        found |= new
    return found


def _bases(node: ast.ClassDef) -> list[str]:
    return [base.id for base in node.bases if isinstance(base, ast.Name)]


def _own_code(node: ast.ClassDef) -> str:
    for item in node.body:
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name) and item.targets[0].id == "code":
            return str(ast.literal_eval(item.value))
    return ""


def _of(module: str, node: ast.AST, names: dict[str, ast.expr], kinds: Mapping[str, str]) -> Iterator[Site]:
    """The places below, with what the names stand for that were assigned before."""
    for item in ast.iter_child_nodes(node):
        if isinstance(item, ast.Assign) and isinstance(item.targets[0], ast.Name):
            names[item.targets[0].id] = item.value
        elif isinstance(item, ast.Call) and isinstance(item.func, ast.Name) and item.func.id in kinds and item.args:
            yield _site(module, item, names, kinds[item.func.id])
        scope = dict(names) if isinstance(item, ast.FunctionDef) else names
        yield from _of(module, item, scope, kinds)


def _site(module: str, call: ast.Call, names: Mapping[str, ast.expr], own: str) -> Site:
    given = {item.arg: item.value for item in call.keywords if item.arg}
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    code = _text(given["code"], {}) if "code" in given else own
    if not code and name == "Refused" and not given.keys() & {"kind", "hint"}:
        code = "malformed-request"
    kind = f"{name} {_text(given['kind'], {})}" if "kind" in given else name
    hint = _text(given["hint"], names) if "hint" in given else ""
    return Site(code, kind, _text(call.args[0], names), hint, module, call.lineno)


def _text(node: ast.expr, names: Mapping[str, ast.expr]) -> str:
    """A text as far as the code alone says it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(str(part.value) if isinstance(part, ast.Constant) else PASSED_ON for part in parts)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _text(left, names) + _text(right, names)
        case ast.Call(func=ast.Name(id="Next"), args=[verb, *rest]):
            return " ".join(["launchpad", _text(verb, names), *(_text(item, names) for item in rest)])
        case ast.Name(id="HERE"):
            return "HOST"
        case ast.Name(id=name) if name in names:
            return _text(names[name], {})
    return PASSED_ON
