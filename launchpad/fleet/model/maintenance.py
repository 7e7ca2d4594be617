"""Maintenance: when hosts may be maintained, whether a reboot belongs to it, and who tells customers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, tzinfo

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.words.malformed import Text

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")


class Window(Text):
    """A weekly window: days, and hours that may end on the next day."""

    __slots__ = ()
    noun = "window"
    pattern = re.compile(
        rf"(?:(?:{'|'.join(DAYS)})(?:,(?:{'|'.join(DAYS)}))* )?"
        r"(?:[01][0-9]|2[0-3]):[0-5][0-9]-(?:[01][0-9]|2[0-3]):[0-5][0-9]"
    )
    longest = 60
    expected = "days and hours such as Sat,Sun 02:00-05:00, or hours such as 02:00-05:00 for every day"

    @property
    def days(self) -> tuple[int, ...]:
        """The days on which the window opens; Monday is 0."""
        named = self.rpartition(" ")[0]
        return tuple(DAYS.index(day) for day in named.split(",")) if named else tuple(range(7))

    @property
    def minutes(self) -> tuple[int, int]:
        """When the window opens, and how many minutes later it closes."""
        begin, end = (int(text[:2]) * 60 + int(text[3:]) for text in self.rpartition(" ")[2].split("-"))
        return begin, (end - begin) % 1440 or 1440


def zone(name: str) -> tzinfo:
    """The time zone; KeyError, OSError or ValueError for an unknown name."""
    if name == "UTC":
        return UTC  # also on a machine without time zones
    from zoneinfo import ZoneInfo

    return ZoneInfo(name)


class Maintenance(Model):
    """The settings of `launchpad maintain`."""

    window: Window | None = None
    """When hosts may be maintained, such as Sun 02:00-05:00. Default: always."""
    timezone: str = "UTC"
    """The time zone of `window`, such as Europe/Berlin."""
    reboot: bool = False
    """Whether a host reboots in the window when an update needs a reboot. Otherwise only --reboot reboots a host."""
    notice: tuple[str, ...] = ()
    """The program that tells customers, with its arguments, such as [scripts/tell-customers]; its folder is the
    workspace. Launchpad starts the program before and after a host's maintenance, once for each tenant, with JSON on
    standard input."""

    def findings(self) -> Iterator[ModelMistake]:
        try:
            zone(self.timezone)
        except (KeyError, OSError, ValueError):
            yield ModelMistake(("timezone",), f"bad time zone {self.timezone!r}", "text such as Europe/Berlin")
        if self.reboot and self.window is None:
            yield ModelMistake(("reboot",), "reboot: true without a window", "a window, such as Sun 02:00-05:00")
