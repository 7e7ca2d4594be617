"""Draw sentences that people read, by a seed, and report which of them need the code to be understood.

The sentences come from the help of commands and options, from errors and their hints, and from the documents. The
verdicts are in scripts/sentences.toml, written by somebody who read each sentence. A drawn sentence without a verdict
counts as a sentence that needs the code. A sentence's rank in the draw depends only on its own text, so that changes of
other sentences do not change the draw.
"""

from __future__ import annotations

import argparse
import ast
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measurement import PROJECT, record, tabulate

from launchpad.cli.app import load
from launchpad.cli.registry import SECTIONS

SEED = 20261130
OF_EACH = 10
KINDS = ("help", "error", "document")
VERDICTS = PROJECT / "scripts/sentences.toml"
SHORTEST = 4
"""Fewer words are a label, not a sentence."""
RAISED = re.compile(r"(Error|Failed|Refused|Malformed|Mistake|BadParameter|Finding)$")
END = re.compile(r"(?<=[.?!])\s+(?=[A-Z`*])")
LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
GENERATED = ("reference.md", "evidence")


@dataclass(frozen=True, order=True)
class Sentence:
    """A sentence, its kind, and the place where it is written."""

    kind: str
    text: str
    where: str


def sentences(root: Path = PROJECT) -> list[Sentence]:
    """Every sentence once."""
    found = [*_help(), *_errors(root), *_documents(root)]
    return sorted({item.text: item for item in reversed(found)}.values())


def drawn(among: Iterable[Sentence], seed: int, *, of_each: int = OF_EACH) -> list[Sentence]:
    """The sentences of each kind whose digests with the seed are smallest."""
    chosen: list[Sentence] = []
    among = list(among)
    for kind in KINDS:
        ranked = sorted((item for item in among if item.kind == kind), key=lambda item: _digest(seed, item.text))
        chosen += ranked[:of_each]
    return chosen


def _digest(seed: int, text: str) -> str:
    return hashlib.sha256(f"{seed} {text}".encode()).hexdigest()


def _split(text: str) -> Iterator[str]:
    for paragraph in re.split(r"\n\s*\n", text):
        for sentence in END.split(" ".join(paragraph.split())):
            if len(sentence.split()) >= SHORTEST:
                yield sentence


def _help() -> Iterator[Sentence]:
    for section in SECTIONS.values():
        for entry in section:
            yield from (Sentence("help", text, f"launchpad {entry.name}") for text in _split(entry.help))
            yield from _of_command(f"launchpad {entry.name}", load(entry))


def _of_command(path: str, command: Any) -> Iterator[Sentence]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from _of_command(f"{path} {name}", inner)
    yield from (Sentence("help", text, path) for text in _split(command.help or ""))
    for item in command.params:
        where = f"{path} {item.opts[-1] if item.param_type_name == 'option' else item.name.upper()}"
        yield from (Sentence("help", text, where) for text in _split(getattr(item, "help", "") or ""))


def _errors(root: Path) -> Iterator[Sentence]:
    for path in sorted((root / "launchpad").rglob("*.py")):
        where = str(path.relative_to(root))
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and RAISED.search(ast.unparse(node.func)):
                for value in (*node.args, *(item.value for item in node.keywords if item.arg in ("hint", "expected"))):
                    text = _written(value)
                    if len(text.split()) >= SHORTEST and not text.startswith("launchpad "):
                        yield Sentence("error", text, where)


def _written(node: ast.expr) -> str:
    """The text of a literal, with the name of the value in place of each value; empty for another expression."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return " ".join(node.value.split())
    if isinstance(node, ast.JoinedStr):
        return " ".join("".join(_piece(part) for part in node.values).split())
    return ""


def _piece(part: ast.expr) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    value = part.value if isinstance(part, ast.FormattedValue) else part
    return f"{{{ast.unparse(value).rpartition('.')[2]}}}" if isinstance(value, ast.Name | ast.Attribute) else "{…}"


def _documents(root: Path) -> Iterator[Sentence]:
    for path in sorted((*root.glob("*.md"), *(root / "docs").glob("*.md"))):
        if not path.name.startswith(GENERATED):
            where = str(path.relative_to(root))
            found = (Sentence("document", text, where) for text in _split(_prose(path.read_text())))
            yield from (item for item in found if item.text.endswith((".", "?", "!")))


def _prose(text: str) -> str:
    """The paragraphs and list items, without headings, tables and blocks of code."""
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    lines = (line for line in text.splitlines() if not line.startswith(("#", "|", "    ", "- [")))
    return LINK.sub(r"\1", "\n".join(re.sub(r"^\s*(?:[-*]|\d+\.) ", "\n", line) for line in lines))


def main() -> None:
    parser = argparse.ArgumentParser(prog="scripts/sentences.py", description=__doc__)
    parser.add_argument("--seed", type=int, default=SEED, help="the seed of the draw")
    options = parser.parse_args()
    with VERDICTS.open("rb") as file:
        judged = tomllib.load(file)
    verdicts = {item["sentence"]: item["verdict"] for item in judged.get("judged", [])}
    found = drawn(sentences(), options.seed)
    print(f"seed {options.seed}: {len(found)} sentences")
    for item in found:
        verdict = verdicts.get(item.text, "not judged")
        print(f"{verdict:<14} {item.kind:<9} {item.text}  [{item.where}]")
        row = {"kind": item.kind, "where": f"`{item.where}`", "sentence": item.text, "verdict": verdict}
        tabulate("sentences", {name: text.replace("|", "\\|") for name, text in row.items()})
    for table in ("mended", "worst"):
        for item in judged.get(table, []):
            tabulate(table, {name: text.replace("|", "\\|") for name, text in item.items()})
    unclear = sum(verdicts.get(item.text) != "clear" for item in found)
    print(f"{unclear} of {len(found)} need the code to be understood; before: {judged.get('before')}")
    record("house-sentences", unclear, n=len(found))
    tabulate("before", {"figure": "house-sentences", "before": str(judged.get("before")), "now": str(unclear)})


if __name__ == "__main__":
    main()
