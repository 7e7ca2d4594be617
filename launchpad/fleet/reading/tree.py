"""Read YAML that people write into a tree with the line of every value.

The accepted YAML is small: one document of mappings, lists and single values, in UTF-8, without tags, without duplicate
keys and without unlimited aliases. Only unambiguous values are numbers or booleans: `0123`, `yes` and `2026-09-06` are
text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from launchpad.fleet.words.mistakes import Mistake, Place

LARGEST_FILE = 256 * 1024
MOST_NODES = 20_000
DEEPEST = 16
SMALL_FILE, SMALL_REMEMBERED, LARGE_REMEMBERED = 2048, 8192, 16
"""The largest cached tenant's file in bytes, and the number of cached small and large files (apps, hosts)."""

Scalar = str | int | float | bool | None

_CORE_TAGS = frozenset(
    f"tag:yaml.org,2002:{name}"
    for name in ("null", "bool", "int", "float", "str", "seq", "map", "timestamp", "merge", "binary", "value")
)
_CONFLICT = re.compile(r"^(?:<<<<<<<|>>>>>>>) ", re.MULTILINE)
_MARK = re.compile(r"(?:<<<<<<<|>>>>>>>|\|{7})(?: .*)?|=======")
_INTEGER = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})")
_FLOAT = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})\.[0-9]{1,18}")
_WORDS: dict[str, bool | None] = {"true": True, "false": False, "null": None, "~": None, "": None}


@dataclass(frozen=True)
class Tree:
    """A value and its place; for a mapping also each key's place."""

    place: Place
    value: Scalar | dict[str, Tree] | tuple[Tree, ...]
    keys: dict[str, Place] = field(default_factory=dict)

    def plain(self) -> Any:
        """The value without places: dict, tuple, str, int, float, bool or None."""
        if isinstance(self.value, dict):
            return {key: child.plain() for key, child in self.value.items()}
        if isinstance(self.value, tuple):
            return tuple(child.plain() for child in self.value)
        return self.value

    def get(self, key: str) -> Tree | None:
        """The child under a key; None when this is no mapping or has no such key."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def entries(self) -> dict[str, Tree]:
        """The children of a mapping; empty for any other value."""
        return self.value if isinstance(self.value, dict) else {}

    def items(self) -> tuple[Tree, ...]:
        """The children of a list; empty for any other value."""
        return self.value if isinstance(self.value, tuple) else ()

    def place_of(self, path: tuple[str | int, ...]) -> Place:
        """The line of the value at a path; the nearest line when the path does not exist."""
        if not path:
            return self.place
        step, rest = path[0], path[1:]
        if isinstance(self.value, dict) and step in self.value:
            return self.keys[str(step)] if not rest else self.value[str(step)].place_of(rest)
        if isinstance(self.value, tuple) and isinstance(step, int) and step < len(self.value):
            return self.value[step].place_of(rest)
        return self.place


class PlainYaml(YAML):
    """Without plug-ins, for which ruamel.yaml searches its folder whenever one of these is made."""

    def official_plug_ins(self) -> list[str]:
        return []


class UnreadableFile(Exception):
    """The file is not valid in this YAML; carries the mistakes."""

    def __init__(self, *mistakes: Mistake) -> None:
        super().__init__("; ".join(str(mistake) for mistake in mistakes))
        self.mistakes = mistakes


def read_tree(file: str, content: bytes) -> Tree:
    """Parse a file's bytes into a tree; an empty file is an empty mapping. Raises UnreadableFile with the mistakes.

    Cached: a rollout edits one tenant's file after another and reads the whole inventory each time, and most files do
    not change.
    """
    return _small(file, content) if len(content) <= SMALL_FILE else _large(file, content)


def _read(file: str, content: bytes) -> Tree:
    text = _decode(file, content)
    if conflict := conflict_in(file, text):
        raise UnreadableFile(conflict)
    try:
        node = PlainYaml(typ="safe", pure=True).compose(text)
    except MarkedYAMLError as error:
        raise UnreadableFile(_syntax(file, error, text)) from error
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UnreadableFile(Mistake(Place(file, line), "a control character", "text")) from error
    except (YAMLError, ValueError) as error:
        raise UnreadableFile(Mistake(Place(file, 1), f"not YAML: {str(error).splitlines()[0]}", "YAML 1.2")) from error
    except RecursionError as error:
        raise UnreadableFile(Mistake(Place(file, 1), "nested too deep", f"at most {DEEPEST} levels")) from error
    if node is None:
        return Tree(Place(file, 1), {})
    reader = _YamlReader(file)
    tree = reader.read(node, 0)
    if reader.mistakes:
        raise UnreadableFile(*reader.mistakes)
    if tree.value is None:
        return Tree(tree.place, {})
    return tree


def conflict_in(file: str, text: str, *, hint: str = "") -> Mistake | None:
    """The mistake for Git's conflict marks, with their lines; None without such marks."""
    if _CONFLICT.search(text) is None:
        return None
    lines = [number for number, line in enumerate(text.splitlines(), 1) if _MARK.fullmatch(line)]
    what = (
        f"an unresolved Git conflict (its marks: {'lines' if len(lines) > 1 else 'line'} {', '.join(map(str, lines))})"
    )
    hint = hint or f"edit the file, or: git mergetool {file}, or: git checkout --ours {file}; then: git add {file}"
    return Mistake(Place(file, lines[0]), what, "one of the two sides", hint)


_small = lru_cache(maxsize=SMALL_REMEMBERED)(_read)
_large = lru_cache(maxsize=LARGE_REMEMBERED)(_read)


def _decode(file: str, content: bytes) -> str:
    if len(content) > LARGEST_FILE:
        raise UnreadableFile(Mistake(Place(file), f"{len(content)} bytes", f"at most {LARGEST_FILE}"))
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise UnreadableFile(Mistake(Place(file, line), "not UTF-8", "a file saved as UTF-8")) from error


def _syntax(file: str, error: MarkedYAMLError, text: str) -> Mistake:
    mark = error.problem_mark or error.context_mark
    line = mark.line + 1 if mark else 1
    lines = text.splitlines()
    written = lines[line - 1] if line <= len(lines) else ""
    if "\t" in written[: len(written) - len(written.lstrip())] or "'\\t'" in str(error.problem):
        return Mistake(Place(file, line), "a tab", "spaces: YAML takes no tabs before a value")
    if "expected a single document" in str(error.context):
        return Mistake(Place(file, line), "a second document", "one document in the file: no --- below the first line")
    if "undefined alias" in str(error.problem):
        return Mistake(Place(file, line), str(error.problem), "an &anchor above it, or quotes around the text")
    return Mistake(Place(file, line), f"not YAML: {error.problem or error.context}", "YAML 1.2")


class _YamlReader:
    def __init__(self, file: str) -> None:
        self.file = file
        self.mistakes: list[Mistake] = []
        self.nodes = 0

    def read(self, node: Node, depth: int) -> Tree:
        place = Place(self.file, node.start_mark.line + 1)
        self.nodes += 1
        if self.nodes > MOST_NODES:
            raise UnreadableFile(
                Mistake(place, "too many values after its aliases are expanded", f"at most {MOST_NODES}")
            )
        if depth > DEEPEST:
            raise UnreadableFile(Mistake(place, "nested too deep", f"at most {DEEPEST} levels"))
        if str(node.tag) not in _CORE_TAGS:
            self.mistakes.append(Mistake(place, f"tag {node.tag}", "plain YAML without tags"))
            return Tree(place, None)
        if isinstance(node, ScalarNode):
            return Tree(place, self._scalar(node))
        if isinstance(node, SequenceNode):
            return Tree(place, tuple(self.read(item, depth + 1) for item in node.value))
        assert isinstance(node, MappingNode)
        return self._mapping(node, place, depth)

    def _mapping(self, node: MappingNode, place: Place, depth: int) -> Tree:
        children: dict[str, Tree] = {}
        keys: dict[str, Place] = {}
        for key_node, value_node in node.value:
            key_place = Place(self.file, key_node.start_mark.line + 1)
            key = self._scalar(key_node) if isinstance(key_node, ScalarNode) else None
            child = self.read(value_node, depth + 1)
            if not isinstance(key, str):
                shown = key_node.value if isinstance(key_node, ScalarNode) else "a list or mapping"
                quoted = f'write "{shown}"' if isinstance(key_node, ScalarNode) else ""
                self.mistakes.append(Mistake(key_place, f"key {shown} is not text", "text in quotes", quoted))
            elif key in children:
                first = f"the key is already at line {keys[key].line}"
                self.mistakes.append(Mistake(key_place, f"duplicate key {key}", "each key once", first))
            else:
                children[key], keys[key] = child, key_place
        return Tree(place, children, keys)

    def _scalar(self, node: ScalarNode) -> Scalar:
        text = str(node.value)
        if node.style is not None:
            return text
        if text in _WORDS:
            return _WORDS[text]
        if _INTEGER.fullmatch(text):
            return int(text)
        if _FLOAT.fullmatch(text):
            return float(text)
        return text
