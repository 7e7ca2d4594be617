"""docs/examples is a workspace that loads, has every key that the inventory's files may have, and explains each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from referencing import EXAMPLES as SHOWN
from referencing import keys

from launchpad.fleet.keeping.schema import KINDS, schema
from launchpad.fleet.keeping.store import FolderStore, shipped_apps
from launchpad.fleet.reading.inventory_files import Snapshot
from launchpad.fleet.reading.parse import parse
from launchpad.fleet.reading.tree import Tree, read_tree
from launchpad.render.release import render_release
from launchpad.render.templates import TemplateSource
from launchpad.runner.judge.manifest import judge_release
from launchpad.workspace import SHIPPED_TEMPLATES

EXAMPLES = Path(__file__).resolve().parents[3] / "docs/examples"
TEMPLATES = EXAMPLES / "templates"
FILES = SHOWN | {"app": "inventory/apps/*.yaml"}
KEY = re.compile(r"- `([^`]+)`(?: \(default (.+?)\))?(?:: |$)")
INHERITED = re.compile(r"default(?::|) launchpad\.yaml")
"""A default of one host that launchpad.yaml may say otherwise."""


@cache
def known(kind: str) -> dict[str, str]:
    """Every key of a kind of file, by its path in the reference, and its default there."""
    found = schema(kind)
    matches = [KEY.match(line) for line in keys(found, found.get("$defs", {}))]
    return {match[1]: (match[2] or "").strip("'") for match in matches if match}


def written(tree: Tree, kind: str, above: str = "") -> Iterator[tuple[str, int]]:
    """The path of each key of a file, as the reference has it, and its line; below free names nothing is told."""
    for item in tree.items():
        yield from written(item, kind, f"{above.removesuffix('.')}[]." if above else above)
    for key, inner in tree.entries().items():
        named = f"{above}{key}" not in known(kind) and any(path.startswith(f"{above}NAME.") for path in known(kind))
        path = f"{above}{'NAME' if named else key}"
        if not named and path not in known(kind):
            continue
        if not named:
            yield path, tree.keys[key].line
        yield from written(inner, kind, f"{path}.")


def comments(kind: str) -> dict[str, list[str]]:
    """What the example says of each key of a kind of file, at each place where the key is."""
    found: dict[str, list[str]] = {}
    for path in sorted(EXAMPLES.glob(FILES[kind])):
        lines = path.read_text().splitlines()
        for key, line in written(read_tree(path.name, path.read_bytes()), kind):
            found.setdefault(key, []).append(lines[line - 1].partition(" # ")[2])
    return found


def test_the_loader_takes_it() -> None:
    fleet = FolderStore(EXAMPLES, templates=[TEMPLATES, SHIPPED_TEMPLATES]).check()
    assert (set(fleet.hosts), set(fleet.tenants)) == ({"web-1", "web-2"}, {"alice"})


def test_a_host_takes_its_release_once_the_images_have_digests() -> None:
    digest = b"@sha256:" + b"0123456789abcdef" * 4
    image = re.compile(rb"registry\.example\.com/[a-z-]+:[0-9.]+")
    files = {name: image.sub(rb"\g<0>" + digest, text) for name, text in Snapshot.take(EXAMPLES).files.items()}
    fleet = parse(Snapshot(files), shipped_apps([TEMPLATES, SHIPPED_TEMPLATES]))
    source = TemplateSource(workspace=TEMPLATES, shipped=SHIPPED_TEMPLATES)
    made = render_release(fleet, fleet.tenant("alice"), templates=source, secrets={"NOTES_TOKEN": 1})
    judge_release(made.release, made.files, neighbours={})
    assert made.files["settings.json"] == '{"title": "Notes of Alice"}\n'


@pytest.mark.parametrize("kind", KINDS)
def test_it_has_every_key_with_a_comment_and_its_default(kind: str) -> None:
    said = comments(kind)
    assert [key for key in known(kind) if key not in said] == [], "not in the example"
    assert [key for key in known(kind) if not any(said[key])] == [], "without a comment"
    for key, default in known(kind).items():
        text = f"default {default.lower() if default in ('True', 'False') else default}"
        if default:
            assert any(text in comment or INHERITED.search(comment) for comment in said[key]), f"{key}: {text}"
