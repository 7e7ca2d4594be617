"""Which version of an app is older than which, which may follow which in one step, and the way from one to another."""

from __future__ import annotations

from collections.abc import Sequence

from launchpad.fleet.model.app import App, AppVersion


def is_older(version: str, than: str, order: Sequence[str]) -> bool:
    """Whether a version comes before another: by the app's own order, the oldest first, else by the numbers in it."""
    if version in order and than in order:
        return order.index(version) < order.index(than)
    return _numbers(version) < _numbers(than)


def names(app: App) -> tuple[str, ...]:
    """The app's versions, the oldest first."""
    return tuple(str(item.version) for item in app.versions)


def may_follow(app: App, version: str, before: str) -> bool:
    """Whether the state that `before` leaves on disk is one that `version` takes over in one step."""
    if version == before:
        return True
    follows = app.version(version).follows
    return before in follows if follows else is_older(before, version, names(app))


def next_on_the_way(app: App, before: str, version: str) -> str:
    """The version to go to first where `version` may not follow at once, on the way with the fewest steps; empty when
    there is none."""
    ways = [(str(before), "")]
    seen = {str(before)}
    for at, first in ways:  # grows while it is read: the nearest ones first
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
    """The versions whose changes a tenant meets on the way up from one to another, the oldest first."""
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
