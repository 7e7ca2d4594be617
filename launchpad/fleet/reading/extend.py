"""`extends`: an app of the workspace that extends another app and replaces some of its keys."""

from __future__ import annotations

from collections.abc import Mapping

from launchpad.fleet.reading.tree import Tree
from launchpad.fleet.words.mistakes import Mistake, Place
from launchpad.fleet.words.nearest import nearest


def extend_all(own: Mapping[str, Tree], shipped: Mapping[str, Tree], mistakes: list[Mistake]) -> dict[str, Tree]:
    """Every app by name, with the extended apps merged in. An app that extends its own name extends the app that
    Launchpad ships. An app that extends itself in a circle, or an unknown app, is None and is in the mistakes."""
    return _Extending(own, shipped, mistakes).all()


class _Extending:
    def __init__(self, own: Mapping[str, Tree], shipped: Mapping[str, Tree], mistakes: list[Mistake]) -> None:
        self.own = own
        self.shipped = shipped
        self.mistakes = mistakes
        self.done: dict[str, Tree] = {}
        self.going_on: list[str] = []

    def all(self) -> dict[str, Tree]:
        return {**self.shipped, **{name: self.whole(name) for name in self.own}}

    def whole(self, name: str) -> Tree:
        """Merge one of the workspace's own apps."""
        if name not in self.done:
            self.going_on.append(name)
            self.done[name] = self._extended(name, self.own[name])
            self.going_on.pop()
        return self.done[name]

    def _extended(self, name: str, tree: Tree) -> Tree:
        named = tree.get("extends")
        if named is None:
            return tree
        base = self._base(name, str(named.value), named.place)
        if base is None or base.value is None:
            return Tree(tree.place, None)
        return _merged(tree, base, self.mistakes)

    def _base(self, name: str, extends: str, place: Place) -> Tree | None:
        if extends == name or extends not in self.own:
            base = self.shipped.get(extends)
            if base is None:
                known = sorted({*self.shipped, *self.own} - {name})
                hint = f"did you mean {guess}?" if (guess := nearest(extends, known)) else ""
                expected = f"one of {', '.join(known)}"
                self.mistakes.append(Mistake(place, f"extends unknown app {extends}", expected, hint))
            return base
        if extends in self.going_on:
            circle = " extends ".join([*self.going_on[self.going_on.index(extends) :], extends])
            self.mistakes.append(Mistake(place, f"a circle: {circle}", "an app that does not extend this one"))
            return None
        return self.whole(extends)


def _merged(tree: Tree, base: Tree, mistakes: list[Mistake]) -> Tree:
    """The base's keys, replaced by the app's own keys; `versions` are merged by version, and `images: {version: {image:
    reference}}` replaces single images. Every part keeps the file and line where it was written."""
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
    """The base's versions in their order, each replaced by the app's own version of the same name, then the app's new
    versions."""
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
            hint = f"did you mean {guess}?" if guess else "write a new version under versions:"
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
