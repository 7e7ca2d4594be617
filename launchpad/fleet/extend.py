"""`extends`: an app of the workspace that is another app with some of it written anew."""

from __future__ import annotations

from launchpad.fleet.mistakes import Mistake, Place
from launchpad.fleet.nearest import nearest
from launchpad.fleet.tree import Tree


def extended(tree: Tree, bases: dict[str, Tree], mistakes: list[Mistake]) -> Tree | None:
    """The app's whole tree: the base's keys, replaced by those written here; `versions` are merged by version, and
    `images: {version: {image: reference}}` replaces single images. Every part keeps the place where it was written."""
    named = tree.get("extends")
    if named is None:
        return tree
    base = bases.get(str(named.value))
    if base is None:
        guess = nearest(str(named.value), bases)
        hint = f"did you mean {guess}?" if guess else ""
        expected = f"one of {', '.join(sorted(bases))}"
        mistakes.append(Mistake(named.place, f"extends unknown app {named.value}", expected, hint))
        return None
    written = tree.entries()
    versions = _versions(base.get("versions"), tree.get("versions"))
    if images := tree.get("images"):
        versions = _with_images(versions, images, mistakes)
    own = {key: child for key, child in written.items() if key not in {"extends", "images", "versions"}}
    place = base.keys.get("versions", base.place) if versions is base.get("versions") else tree.place
    return Tree(
        tree.place,
        base.entries() | own | {"versions": versions},
        base.keys | {"versions": tree.keys.get("versions", place)} | {key: tree.keys[key] for key in own},
    )


def _versions(base: Tree | None, own: Tree | None) -> Tree:
    """The base's versions in their order, each replaced by the one of the same name written here, then the new ones."""
    if own is None:
        return base or Tree(Place(""), ())
    if not isinstance(own.value, tuple) or base is None:
        return own
    names = {_name(item): item for item in own.items()}
    kept = [names.get(_name(item), item) for item in base.items()]
    return Tree(own.place, (*kept, *(item for item in own.items() if item not in kept)))


def _with_images(versions: Tree, images: Tree, mistakes: list[Mistake]) -> Tree:
    items = list(versions.items())
    names = [_name(item) for item in items]
    for version, references in images.entries().items():
        if version not in names:
            guess = nearest(version, [name for name in names if name])
            hint = f"did you mean {guess}?" if guess else "a new version is written under versions:"
            expected = f"one of {', '.join(name for name in names if name)}"
            mistakes.append(Mistake(images.keys[version], f"images of unknown version {version}", expected, hint))
            continue
        index = names.index(version)
        items[index] = _replace_images(items[index], references)
    if not isinstance(images.value, dict):
        mistakes.append(Mistake(images.place, "images is not a mapping", "images: {version: {image: reference}}"))
    return Tree(versions.place, tuple(items))


def _replace_images(version: Tree, references: Tree) -> Tree:
    before = version.get("images")
    merged = references
    if before is not None and isinstance(references.value, dict):
        entries = before.entries() | references.entries()
        merged = Tree(references.place, entries, before.keys | references.keys)
    return Tree(version.place, version.entries() | {"images": merged}, version.keys | {"images": references.place})


def _name(version: Tree) -> str:
    named = version.get("version")
    return str(named.value) if named is not None else ""
