"""Whether an app can spare the memory that a program beside it takes: the app needs the memory more."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from launchpad.runner.view import View

LEAST_MEMORY, LEAST_SHARE = 64 << 20, 0.2
"""An action runs only where so many bytes, and such a share of what the app uses, are free."""


def has_memory(host: View, container: str) -> bool:
    """Failed when Docker does not say."""
    used, limit = host.memory(container)
    return not limit or limit - used >= max(LEAST_MEMORY, used * LEAST_SHARE)
