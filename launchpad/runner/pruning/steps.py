"""The steps of a prune: data, no behaviour. `effects.py` carries them out, `plan.py` chooses them.

None is undone. Each looks again before it removes anything: what is needed by then stays.
"""

from __future__ import annotations

from launchpad.runner.step import Step

MEGABYTE = 1 << 20


class RemoveImage(Step):
    """One image that an operation pulled and nothing needs any more."""

    image: str
    size: int
    """Bytes, with the layers that it shares with others."""
    undone = False

    @property
    def title(self) -> str:
        name, _, digest = self.image.rpartition("/")[2].partition("@sha256:")
        return f"remove image {name.partition(':')[0]} {digest[:12]} ({self.size // MEGABYTE} MB)"


class ClearUp(Step):
    """What is left of a tenant's earlier operations; nothing while one of them is open."""

    tenant: str
    generations: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    rests: tuple[str, ...] = ()
    """Folders that only an operation under way has."""
    rehearsal: bool = False
    """Whether a clone was left that may still have containers or a network."""
    undone = False

    @property
    def title(self) -> str:
        counted = ((self.generations, "generation"), (self.releases, "release"), (self.rests, "rest"))
        parts = [f"{len(names)} {word}{'' if len(names) == 1 else 's'}" for names, word in counted if names]
        return f"clean up after {self.tenant}: {', '.join(parts) or 'a rehearsal'}"


class FreeRoom(Step):
    """The room of what was removed is free, and counts towards nobody's quota. No tenant is held meanwhile."""

    tenants: tuple[str, ...]

    title = "wait until the space is free"
    undone = False


class RemoveVolumes(Step):
    """Docker's anonymous volumes that no container has: of images that declared some, before that was refused."""

    names: tuple[str, ...]
    undone = False

    @property
    def title(self) -> str:
        number = len(self.names)
        return f"remove {number} anonymous volume{'' if number == 1 else 's'} that no container uses"


class ForgetOperations(Step):
    """The journals of operations that are long over."""

    operations: tuple[str, ...]
    undone = False

    @property
    def title(self) -> str:
        number = len(self.operations)
        return f"delete the journals of {number} old operation{'' if number == 1 else 's'}"


PruneStep = RemoveImage | ClearUp | FreeRoom | RemoveVolumes | ForgetOperations
