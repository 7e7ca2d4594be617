"""Wait while other clones take a host's memory or CPUs, or another operation holds the tenant there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from launchpad.errors import LockedError
from launchpad.workspace import Workspace

Ended = TypeVar("Ended")

ROOM_POLL_SECONDS = 5.0
ROOM_SECONDS = 3600.0


def when_there_is_room(
    workspace: Workspace, attempt: Callable[[], Ended], *, tell: Callable[[str], None], within: float | None = None
) -> Ended:
    """The result of the attempt, which is repeated while it raises LockedError, for `within` seconds or an hour. Each
    new reason goes to `tell`."""
    clock, told = workspace.clock, ""
    end = clock.monotonic() + (ROOM_SECONDS if within is None else within)
    while True:
        try:
            return attempt()
        except LockedError as error:
            if clock.monotonic() >= end:
                raise
            if error.message != told:
                told = error.message
                tell(f"waiting: {told}")
        clock.sleep(ROOM_POLL_SECONDS)
