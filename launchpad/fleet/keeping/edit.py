"""Edit people's YAML and change only the affected lines: comments, order and layout stay. Pure.

An edit finds its lines by the YAML reader's marks, replaces them, and reads the result back. When the result is not
exactly the wanted one (an unsupported layout, such as a whole file in braces), the edit raises an error and changes
nothing.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from launchpad.errors import StateError
from launchpad.fleet.reading.tree import UnreadableFile, read_tree

_BOM = b"\xef\xbb\xbf"


def new_text(record: dict[str, Any], *, header: str = "") -> bytes:
    """The text of a new file with these keys, in this order."""
    yaml = YAML(pure=True)
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    stream = io.StringIO()
    yaml.dump(_dumpable(record), stream)
    return (header + stream.getvalue()).encode()


def with_value(file: str, content: bytes, *, key: str, value: str | int) -> bytes:
    """The file with another text or number under a top-level key."""
    text = _text(content)
    for key_node, value_node in _entries(text):
        if key_node.value == key and isinstance(value_node, ScalarNode):
            start, end = value_node.start_mark.index, value_node.end_mark.index
            edited = text[:start] + (_written(value) if isinstance(value, str) else str(value)) + text[end:]
            return _checked(file, content, edited, {**_plain(file, content), key: value})
    raise _cannot(file, f"{key}: {value}")


def with_item(file: str, content: bytes, *, path: Sequence[str | int], value: str | int) -> bytes:
    """The file with a text or number at a path of keys and list indices; missing mappings are added at the end of their
    parents."""
    text = _text(content)
    node, depth = _compose(text), 0
    while depth < len(path) and (child := _child(node, path[depth])) is not None:
        node, depth = child, depth + 1
    rest = [str(step) for step in path[depth:]]
    edited = text
    if not rest and isinstance(node, ScalarNode):
        edited = text[: node.start_mark.index] + _written(value) + text[node.end_mark.index :]
    elif rest and isinstance(node, MappingNode) and node.flow_style:
        at = node.value[-1][1].end_mark.index if node.value else node.start_mark.index + 1
        edited = text[:at] + (", " if node.value else "") + _in_braces(rest, value) + text[at:]
    elif rest and isinstance(node, MappingNode):
        edited = _behind(text, _last_line(node), _nested(rest, value), column=node.value[0][0].start_mark.column)
    elif rest and node is None:
        edited = _behind(text, text.count("\n"), _nested(rest, value), column=0)
    return _checked(file, content, edited, _with(_plain(file, content), path, value))


def with_entry(file: str, content: bytes, *, key: str, record: dict[str, Any]) -> bytes:
    """The file with one more entry at the end."""
    text, record = _text(content), _dumpable(record)
    newline = "\r\n" if "\r\n" in text else "\n"
    block = new_text({key: record}).decode().replace("\n", newline)
    gap = newline if text.strip() and not text.endswith(newline * 2) else ""
    ending = "" if text.endswith(newline) or not text else newline
    edited = text + ending + gap + block
    return _checked(file, content, edited, {**_plain(file, content), key: record})


def without_entry(file: str, content: bytes, *, key: str) -> bytes:
    """The file without an entry: without its lines and the comment right above them."""
    text = _text(content)
    lines = text.splitlines(keepends=True)
    for key_node, value_node in _entries(text):
        if key_node.value != key:
            continue
        first = key_node.start_mark.line
        last = max(first, _last_line(value_node))
        while last + 1 < len(lines) and lines[last + 1].startswith((" ", "\t")) and lines[last + 1].strip():
            last += 1  # a comment inside the entry, below its last value
        above = first
        while above > 0 and lines[above - 1].startswith("#"):
            above -= 1
        first = above if above > 0 else first  # a comment at the top of the file is the file's
        blank_above = first > 0 and not lines[first - 1].strip()
        if last + 1 == len(lines) and blank_above:
            first -= 1
        elif last + 1 < len(lines) and not lines[last + 1].strip() and (first == 0 or blank_above):
            last += 1
        edited = "".join(lines[:first] + lines[last + 1 :])
        wanted = {name: item for name, item in _plain(file, content).items() if name != key}
        return _checked(file, content, edited, wanted)
    raise _cannot(file, f"no {key}")


def with_list_item(file: str, content: bytes, *, key: str, record: dict[str, Any]) -> bytes:
    """The file with one more record at the end of the list under a top-level key."""
    text, record = _text(content), _dumpable(record)
    items = [*_plain(file, content).get(key, ()), record]
    node = next((value for name, value in _entries(text) if name.value == key), None)
    if node is None:
        return with_entry(file, content, key=key, record=[record])  # type: ignore[arg-type]
    lines = [line.removeprefix("  ") for line in new_text({key: [record]}).decode().splitlines()[1:]]
    edited = text
    if isinstance(node, SequenceNode) and node.flow_style and not node.value:
        start, end = node.start_mark.index, node.end_mark.index
        edited = text[:start].rstrip(" ") + "\n" + "\n".join(f"  {line}" for line in lines) + text[end:]
    elif isinstance(node, SequenceNode) and not node.flow_style:
        edited = _behind(text, _end(text, node, node), "\n".join(lines), column=node.start_mark.column)
    return _checked(file, content, edited, {**_plain(file, content), key: items})


def without_list_item(file: str, content: bytes, *, key: str, index: int) -> bytes:
    """The file without the record at that index of the list under a top-level key; without the key when the list is
    then empty."""
    text = _text(content)
    items = list(_plain(file, content).get(key, ()))
    del items[index]
    if not items:
        return without_entry(file, content, key=key)
    node = next((value for name, value in _entries(text) if name.value == key), None)
    edited = text
    if isinstance(node, SequenceNode) and node.flow_style:
        first, second = node.value[max(index - 1, 0) : max(index - 1, 0) + 2]
        cut = (first.start_mark, second.start_mark) if index == 0 else (first.end_mark, second.end_mark)
        edited = text[: cut[0].index] + text[cut[1].index :]
    elif isinstance(node, SequenceNode):
        lines, item = text.splitlines(keepends=True), node.value[index]
        edited = "".join(lines[: item.start_mark.line] + lines[_end(text, node, item) + 1 :])
    return _checked(file, content, edited, {**_plain(file, content), key: items})


def _end(text: str, parent: SequenceNode, item: Node) -> int:
    """The last line of a list item, including comments of the item below its last value."""
    lines, last = text.splitlines(), _last_line(item)
    while last + 1 < len(lines) and lines[last + 1].startswith(" " * (parent.start_mark.column + 1)):
        last += 1
    return last


def _entries(text: str) -> list[tuple[Node, Node]]:
    node = _compose(text)
    return list(node.value) if isinstance(node, MappingNode) else []


def _compose(text: str) -> Node | None:
    node: Node | None = YAML(pure=True).compose(text)
    return node


def _child(node: Node | None, step: str | int) -> Node | None:
    """The value under a key, or at an index of a list."""
    if isinstance(node, MappingNode):
        return next((value for key, value in node.value if key.value == step), None)
    if isinstance(node, SequenceNode) and isinstance(step, int) and step < len(node.value):
        child: Node = node.value[step]
        return child
    return None


def _nested(keys: list[str], value: str | int) -> str:
    """The value below the keys, as lines of YAML."""
    record: Any = value
    for key in reversed(keys):
        record = {key: record}
    return new_text(record).decode()


def _in_braces(keys: list[str], value: str | int) -> str:
    """The value below the keys within one line, for a mapping in braces."""
    line = _written(value)
    for key in reversed(keys):
        line = f"{{{_written(key)}: {line}}}"
    return line[1:-1]


def _behind(text: str, line: int, block: str, *, column: int) -> str:
    """The text with more lines, with this indent, after the line with that number."""
    newline = "\r\n" if "\r\n" in text else "\n"
    lines = text.splitlines(keepends=True)
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += newline
    more = [" " * column + part + newline for part in block.splitlines()]
    return "".join(lines[: line + 1] + more + lines[line + 1 :])


def _with(plain: Any, path: Sequence[str | int], value: str | int) -> Any:
    """The plain value with the text at the path."""
    if not path:
        return value
    step, rest = path[0], path[1:]
    if isinstance(plain, tuple):
        return tuple(_with(item, rest, value) if index == step else item for index, item in enumerate(plain))
    entries = plain if isinstance(plain, dict) else {}
    return {**entries, str(step): _with(entries.get(str(step)), rest, value)}


def _last_line(node: Node) -> int:
    """The last line of a value."""
    if isinstance(node, ScalarNode) or not isinstance(node, MappingNode | SequenceNode) or node.flow_style:
        mark = node.end_mark
        return int(mark.line) - (1 if mark.column == 0 and mark.line > node.start_mark.line else 0)
    children = [child for item in node.value for child in (item if isinstance(item, tuple) else (item,))]
    return max((_last_line(child) for child in children), default=int(node.start_mark.line))


def _written(value: str | int) -> str:
    """A text or number as a single YAML value, quoted if YAML would read it as another type."""
    line = new_text({"k": value}).decode().removeprefix("k: ").rstrip("\n")
    if read_tree("", f"k: {line}".encode()).plain() != {"k": value}:
        return "'" + str(value).replace("'", "''") + "'"
    return line


def _text(content: bytes) -> str:
    return content.removeprefix(_BOM).decode()


def _plain(file: str, content: bytes) -> dict[str, Any]:
    plain = read_tree(file, content).plain()
    return plain if isinstance(plain, dict) else {}


def _checked(file: str, before: bytes, edited: str, wanted: dict[str, Any]) -> bytes:
    content = (_BOM if before.startswith(_BOM) else b"") + edited.encode()
    try:
        written = read_tree(file, content).plain()
    except UnreadableFile as error:
        raise _cannot(file, "this change") from error
    if _tuples(written) != _tuples(wanted):
        raise _cannot(file, "this change")
    return content


def _dumpable(value: Any) -> Any:
    """Convert the value to plain types: names and amounts become text."""
    if isinstance(value, dict):
        return {str(key): _dumpable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_dumpable(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float) else str(value)


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _tuples(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return tuple(_tuples(item) for item in value)
    return str(value) if isinstance(value, str) else value


def _cannot(file: str, change: str) -> StateError:
    return StateError(
        f"{file}: cannot write {change} without changing the file's layout",
        code="layout-would-change",
        hint=f"edit {file} by hand",
    )
