"""The steps of a prune: data, no behaviour. `plan.py` chooses them, `effects.py` runs them.

No step can be undone. Each checks again before it removes anything: what is needed by then stays.
"""

from __future__ import annotations

from launchpad.runner.step import Step

MEGABYTE = 1 << 20


class RemoveImage(Step):
    """Remove an image that an operation pulled and nothing needs."""

    image: str
    size: int
    """Bytes, including layers that it shares with other images."""
    undone = False

    @property
    def title(self) -> str:
        name, _, digest = self.image.rpartition("/")[2].partition("@sha256:")
        return f"remove image {name.partition(':')[0]} {digest[:12]} ({self.size // MEGABYTE} MiB)"


class ClearUp(Step):
    """Remove what a tenant's earlier operations left; nothing while one of them is open."""

    tenant: str
    generations: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()
    """Folders that exist only during an operation."""
    rehearsal: bool = False
    """Whether a rehearsal left a clone, which may still have containers or a network."""
    undone = False

    @property
    def title(self) -> str:
        counted = ((self.generations, "generation"), (self.releases, "release"), (self.rests, "rest"))
        parts = [f"{len(names)} {word}{'' if len(names) == 1 else 's'}" for names, word in counted if names]
        return f"clean up after {self.tenant}: {', '.join(parts) or 'a rehearsal'}"


class FreeRoom(Step):
    """Wait until the space of removed data is free and counts against no quota. No tenant is locked meanwhile."""

    tenants: tuple[str, ...]

    title = "wait until the space is free"
    undone = False


class RemoveVolumes(Step):
    """Remove Docker's anonymous volumes without a container: left by images from before such images were refused."""

    names: tuple[str, ...]
    undone = False

    @property
    def title(self) -> str:
        number = len(self.names)
        return f"remove {number} anonymous volume{'' if number == 1 else 's'} that no container uses"


class ForgetOperations(Step):
    """Delete the journals of operations that ended long ago."""

    operations: tuple[str, ...]
    undone = False

    @property
    def title(self) -> str:
        number = len(self.operations)
        return f"delete the journals of {number} old operation{'' if number == 1 else 's'}"


PruneStep = RemoveImage | ClearUp | FreeRoom | RemoveVolumes | ForgetOperations
