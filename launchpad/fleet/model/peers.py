"""The ring in which hosts look at one another from outside: each at the next one by name, the last at the first."""

from __future__ import annotations

from collections.abc import Iterable


def others_after(hosts: Iterable[str], name: str) -> tuple[str, ...]:
    """The other hosts in the ring's order: this host looks at the first of them, and the last looks at this host."""
    ring = sorted(map(str, hosts))
    if name not in ring:
        return ()
    at = ring.index(name)
    return (*ring[at + 1 :], *ring[:at])
