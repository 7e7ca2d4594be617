"""The steps of a maintenance: data, no behaviour."""

from __future__ import annotations

from launchpad.runner.step import Step

MOST_NAMED = 6


class InstallUpdates(Step):
    """Install every update of Debian's packages, Docker's too. Containers keep running while Docker restarts. Undo
    leaves the updates."""

    packages: tuple[str, ...]
    """The packages with an update when the plan was made."""
    undone = False

    @property
    def title(self) -> str:
        number, more = len(self.packages), len(self.packages) - MOST_NAMED
        names = ", ".join(self.packages[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        return f"install {number} update{'' if number == 1 else 's'}: {names}"


class Reboot(Step):
    """Finish the open requests of these tenants, hold new requests, stop the tenants, and reboot. Done when the host
    runs in another boot. Undo starts the tenants again where the host did not reboot."""

    boot: str
    """The boot that must end."""
    tenants: tuple[str, ...]

    @property
    def title(self) -> str:
        number = len(self.tenants)
        return f"reboot, after {number} tenant{'' if number == 1 else 's'} finished their requests"


MaintenanceStep = InstallUpdates | Reboot
