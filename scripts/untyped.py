"""Count what has no type where the two sides meet, and the texts that name commands, for scripts/evidence wire.

Computed from syntax trees alone; nothing is imported. `Types` finds mappings whose values have no type (`dict[str,
Any]`, `Mapping[str, object]`, `dict[str, list[Any]]`), and `TypedDict`, `JsonValue` and `cast`, under any name that an
import or an alias gives them. `key_reads` finds reads by a string key of what is named like a record, an operation or a
reply, and of what a function returns that reads one. `wire-key-reads-all` counts every such read of anything, so that a
new name for a record lowers no figure.
"""

from __future__ import annotations

import argparse
import ast
import re
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from counting import House, read
from measurement import PROJECT, record

ANYTHING = {"typing.Any", "builtins.object", "pydantic.JsonValue"}
MAPPINGS = {
    "builtins.dict",
    *(f"{module}.{name}" for module in ("collections.abc", "typing") for name in ("Mapping", "MutableMapping")),
    "collections.defaultdict",
    "collections.OrderedDict",
    "types.MappingProxyType",
    "typing.Dict",
}
HOLDERS = {
    *(f"builtins.{name}" for name in ("list", "tuple", "set", "frozenset")),
    *(f"typing.{name}" for name in ("Optional", "Union", "List", "Tuple", "Sequence", "Iterable", "Iterator")),
    *(f"collections.abc.{name}" for name in ("Sequence", "Iterable", "Iterator", "Collection")),
}
"""What a value may be wrapped in and still has no type."""
ESCAPES = {"typing.TypedDict", "typing.cast", "pydantic.JsonValue", "typing_extensions.TypedDict"}

RECORDS, OPERATIONS, REPLIES = ("record",), ("operation", "asked"), ("reply", "body", "answer", "said", "line")
NAMED = {name: kind for kind in (RECORDS, OPERATIONS, REPLIES) for name in kind}
READERS = {"read_record": RECORDS, "asked": OPERATIONS, "ask": REPLIES, "exchange": REPLIES, "confined": REPLIES}
"""Functions and methods that return one: a name that is assigned from a call of one is a read of that kind."""


class Types:
    """The names of all modules, resolved through imports and aliases."""

    def __init__(self, trees: Mapping[str, ast.Module]) -> None:
        self._trees = trees
        self._imported = {module: dict(_imports(tree)) for module, tree in trees.items()}
        self._assigned = {module: dict(_assignments(tree)) for module, tree in trees.items()}

    @cached_property
    def aliases(self) -> set[str]:
        """Module and name of each alias for a type that has an untyped mapping in it."""
        names = {
            f"{module}.{name}": (module, value) for module in self._trees for name, value in self._types_of(module)
        }
        found: set[str] = set()
        while new := {
            name for name, (module, value) in names.items() if name not in found and self._has(value, module, found)
        }:
            found |= new
        return found

    def lines(self, module: str) -> set[int]:
        """The module's lines with an untyped mapping, an escape, or an alias of one."""
        return {node.lineno for node in self._hits(self._trees[module], module, self.aliases)}

    def signatures(self, module: str) -> list[str]:
        """The public functions and fields of public classes whose annotations have one."""
        return [
            name for name, parts in _public(self._trees[module]) if any(self.untyped(part, module) for part in parts)
        ]

    def untyped(self, node: ast.expr, module: str) -> bool:
        """Whether this type has an untyped mapping in it."""
        return self._has(node, module, self.aliases)

    def _types_of(self, module: str) -> Iterator[tuple[str, ast.expr]]:
        for name, value in self._assigned[module].items():
            if isinstance(value, ast.Subscript | ast.Name | ast.Attribute | ast.BinOp):
                yield name, value

    def _has(self, node: ast.AST, module: str, aliases: set[str]) -> bool:
        return next(self._hits(node, module, aliases), None) is not None

    def _hits(self, node: ast.AST, module: str, aliases: set[str]) -> Iterator[ast.expr]:
        for item in _with_quoted(node):
            if isinstance(item, ast.Subscript):
                if self._name(item.value, module) in MAPPINGS and self._is_anything(_last(item), module):
                    yield item
            elif isinstance(item, ast.Name | ast.Attribute) and isinstance(item.ctx, ast.Load):
                name = self._name(item, module)
                if name in ESCAPES or name in aliases:
                    yield item

    def _is_anything(self, node: ast.expr, module: str) -> bool:
        """Whether the value of a mapping is anything: itself, in a union, or in a list or tuple."""
        if isinstance(node, ast.BinOp):
            return self._is_anything(node.left, module) or self._is_anything(node.right, module)
        if isinstance(node, ast.Subscript):
            parts = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
            inside = self._name(node.value, module) in HOLDERS
            return inside and any(self._is_anything(part, module) for part in parts)
        return self._name(node, module) in ANYTHING

    def _name(self, node: ast.expr, module: str, depth: int = 0) -> str:
        """The module and name that this stands for: `typing.Any`, `launchpad.operations.observation.usage.Usage`."""
        if isinstance(node, ast.Attribute):
            return f"{self._name(node.value, module, depth)}.{node.attr}"
        if not isinstance(node, ast.Name):
            return ""
        if node.id in self._imported[module]:
            return self._onward(self._imported[module][node.id], depth)
        if node.id in self._assigned[module]:
            return self._onward(f"{module}.{node.id}", depth)
        return f"builtins.{node.id}"

    def _onward(self, name: str, depth: int) -> str:
        """The same through an alias that is one name."""
        module, _, own = name.rpartition(".")
        value = self._assigned.get(module, {}).get(own)
        if isinstance(value, ast.Name | ast.Attribute) and depth < 8:
            onward = self._name(value, module, depth + 1)
            return name if onward == f"builtins.{own}" else onward
        return name


def _imports(tree: ast.Module) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for item in node.names:
                yield (
                    item.asname or item.name.partition(".")[0],
                    item.name if item.asname else item.name.partition(".")[0],
                )
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from ((item.asname or item.name, f"{node.module}.{item.name}") for item in node.names)


def _assignments(tree: ast.Module) -> Iterator[tuple[str, ast.expr]]:
    """The names that the module itself gives, below `if` and `try` too."""
    waiting: list[ast.stmt] = list(tree.body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
            yield node.targets[0].id, node.value
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            yield node.target.id, node.value
        elif type(node).__name__ == "TypeAlias":  # `type X = …`, from Python 3.12 on
            yield node.name.id, node.value  # type: ignore[attr-defined]
        elif isinstance(node, ast.If | ast.Try):
            waiting += [*node.body, *node.orelse]


def _with_quoted(node: ast.AST) -> Iterator[ast.AST]:
    """Every node below, also of annotations that are written as text."""
    for item in ast.walk(node):
        yield item
        for text in _annotations(item):
            if isinstance(text, ast.Constant) and isinstance(text.value, str):
                yield from _parsed(text)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield from _parsed(node)


def _annotations(node: ast.AST) -> Iterator[ast.expr | None]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield node.returns
    elif isinstance(node, ast.arg | ast.AnnAssign):
        yield node.annotation


def _parsed(text: ast.Constant) -> Iterator[ast.AST]:
    try:
        tree = ast.parse(str(text.value), mode="eval")
    except SyntaxError:
        return
    for node in ast.walk(tree):
        ast.copy_location(node, text)
        yield node


def _last(node: ast.Subscript) -> ast.expr:
    return node.slice.elts[-1] if isinstance(node.slice, ast.Tuple) and node.slice.elts else node.slice


def _public(tree: ast.Module) -> Iterator[tuple[str, list[ast.expr]]]:
    """Public functions, methods and fields of public classes, each with its annotations."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            for item in node.body:
                if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name) and _shown(item.target.id):
                    yield f"{node.name}.{item.target.id}", [item.annotation]
                elif isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef) and _shown(item.name):
                    yield f"{node.name}.{item.name}", _of(item)
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _shown(node.name):
            yield node.name, _of(node)


def _shown(name: str) -> bool:
    return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))


def _of(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.expr]:
    known = node.args
    arguments = [*known.posonlyargs, *known.args, *known.kwonlyargs, known.vararg, known.kwarg]
    return [part for part in (*(item.annotation for item in arguments if item), node.returns) if part is not None]


def key_reads(tree: ast.Module) -> Counter[Sequence[str]]:
    """How often records, operations and replies are read by a string key."""
    found: Counter[Sequence[str]] = Counter()
    for scope in _scopes(tree):
        taken = dict(_taken(scope))
        for of in _reads(scope):
            name = _end(of)
            kind = taken.get(name) if isinstance(of, ast.Name) and name in taken else NAMED.get(name)
            if kind is not None:
                found[kind] += 1
    return found


def all_key_reads(tree: ast.Module) -> int:
    """How often anything is read by a string key."""
    return sum(1 for scope in _scopes(tree) for _ in _reads(scope))


def _scopes(tree: ast.Module) -> Iterator[list[ast.AST]]:
    """The nodes of each outermost function, and of the rest of the module."""
    rest: list[ast.AST] = []
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield list(ast.walk(node))
        else:
            rest.append(node)
            waiting += ast.iter_child_nodes(node)
    yield rest


def _reads(scope: list[ast.AST]) -> Iterator[ast.expr]:
    """What is read: `x["a"]`, `x.get("a")`, `x.pop("a")`, `"a" in x`."""
    for node in scope:
        if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load) and _is_text(node.slice):
            yield node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
            if node.func.attr in ("get", "pop") and _is_text(node.args[0]):
                yield node.func.value
        elif isinstance(node, ast.Compare) and _is_text(node.left) and isinstance(node.ops[0], ast.In | ast.NotIn):
            yield node.comparators[0]


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


def _taken(scope: list[ast.AST]) -> Iterator[tuple[str, Sequence[str]]]:
    """The names that are assigned from a reader, or that a loop over a reader gives."""
    for node in scope:
        target, value = None, None
        if isinstance(node, ast.Assign) and len(node.targets) == 1:
            target, value = node.targets[0], node.value
        elif isinstance(node, ast.NamedExpr):
            target, value = node.target, node.value
        elif isinstance(node, ast.For | ast.comprehension):
            target, value = node.target, node.iter
        while isinstance(value, ast.BoolOp | ast.IfExp):
            value = value.values[0] if isinstance(value, ast.BoolOp) else value.body
        if isinstance(target, ast.Name) and isinstance(value, ast.Call) and (kind := READERS.get(_end(value.func))):
            yield target.id, kind


def _end(node: ast.expr) -> str:
    """The last word of what is read: `seen.record` → record, `(x or {})` → x, `asked()` → asked."""
    match node:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Call(func=function) if _end(function) in READERS:
            return READERS[_end(function)][0]
        case ast.BoolOp(values=[first, *_]):
            return _end(first)
    return ""


def commands_in(tree: ast.Module, commands: Sequence[str]) -> list[str]:
    """The texts that name one of Launchpad's commands; docstrings are none, and a text of several pieces is one."""
    named = re.compile(rf"(?<![\w/.-])launchpad (?:{'|'.join(map(re.escape, commands))})\b")
    return [text for text in _texts(tree) if named.search(text)]


def _texts(tree: ast.Module) -> Iterator[str]:
    waiting: list[ast.AST] = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)):
            waiting += ast.iter_child_nodes(node)


def registered(tree: ast.Module) -> list[str]:
    """The commands that the command line's registry names."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _end(node.func) == "CommandEntry"]
    return [str(node.args[0].value) for node in calls if node.args and isinstance(node.args[0], ast.Constant)]


def figures(house: House) -> dict[str, float]:
    """Every figure of the code by its name."""
    types, reads = Types(house.trees), Counter[Sequence[str]]()
    for tree in house.trees.values():
        reads += key_reads(tree)
    commands = registered(house.trees["launchpad.cli.registry"])
    naming = {name: len(commands_in(tree, commands)) for name, tree in house.trees.items()}
    runner = sum(count for name, count in naming.items() if name.startswith("launchpad.runner"))
    command_line = sum(count for name, count in naming.items() if name.startswith("launchpad.cli"))
    return {
        "wire-untyped-lines": sum(len(types.lines(module)) for module in house.trees),
        "wire-untyped-signatures": sum(len(types.signatures(module)) for module in house.trees),
        "wire-key-reads-records": reads[RECORDS],
        "wire-key-reads-operations": reads[OPERATIONS],
        "wire-key-reads-replies": reads[REPLIES],
        "wire-key-reads-all": sum(all_key_reads(tree) for tree in house.trees.values()),
        "wire-commands-runner": runner,
        "wire-commands-elsewhere": sum(naming.values()) - runner - command_line,
        "wire-file-median": statistics.median(house.lengths),
    }


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/untyped.py", description=__doc__)
    parser.add_argument("--show", metavar="MODULE", help="print the counted lines and signatures of these modules")
    options = parser.parse_args()
    house = read(PROJECT)
    for name, value in figures(house).items():
        record(name, value, n=len(house.trees))
        print(f"{name:<28} {value:>8g}")
    if options.show:
        types = Types(house.trees)
        for module in (name for name in house.trees if name.startswith(options.show)):
            lines = ", ".join(map(str, sorted(types.lines(module))))
            print(f"{module}: lines {lines or 'none'}; public: {', '.join(types.signatures(module)) or 'none'}")


if __name__ == "__main__":
    main()
