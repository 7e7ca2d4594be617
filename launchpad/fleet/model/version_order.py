"""The order of an app's versions: which is older, which can follow another in one step, and the steps between two
versions."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.fleet.model.app import App, AppVersion


def is_older(version: str, than: str, order: Sequence[str]) -> bool:
    """Whether a version is older than another: by the app's own list, oldest first, otherwise by the numbers in the
    version."""
    if version in order and than in order:
        return order.index(version) < order.index(than)
    return _numbers(version) < _numbers(than)


def names(app: App) -> tuple[str, ...]:
    """The app's versions, the oldest first."""
    return tuple(str(item.version) for item in app.versions)


def may_follow(app: App, version: str, before: str) -> bool:
    """Whether a tenant can be upgraded from `before` to `version` in one step."""
    if version == before:
        return True
    follows = app.version(version).follows
    return before in follows if follows else is_older(before, version, names(app))


def next_on_the_way(app: App, before: str, version: str) -> str:
    """The first version on the shortest upgrade path from the present version to `version`; empty when there is no
    path."""
    ways = [(str(before), "")]
    seen = {str(before)}
    for at, first in ways:  # grows while it is read: breadth first
        for item in reversed(app.versions):
            name = str(item.version)
            if name in seen or not is_older(at, name, names(app)) or not may_follow(app, name, at):
                continue
            if name == version:
                return first or name
            seen.add(name)
            ways.append((name, first or name))
    return ""


def passed(app: App, before: str, version: str) -> tuple[AppVersion, ...]:
    """The versions that a tenant passes in an upgrade from one version to another, oldest first."""
    order = names(app)
    return tuple(
        item
        for item in app.versions
        if is_older(before, item.version, order) and not is_older(version, item.version, order)
    )


def _numbers(version: str) -> list[tuple[int, int, str]]:
    """`2026.10.2` → a key that sorts 10 after 9; a part that is no number comes before one that is."""
    parts = version.replace("-", ".").replace("_", ".").split(".")
    return [(1, int(part), "") if part.isascii() and part.isdigit() else (0, 0, part) for part in parts]
