"""The record of operations as the operator sees it: read from the hosts, and what of it was not reported yet."""

from __future__ import annotations

from launchpad.journal.begun import Begun, BegunFolder
from launchpad.journal.entries import ByItself, Entry, StepResult, by_itself_from_json, entry_from_json, newest_first

__all__ = [
    "Begun",
    "BegunFolder",
    "ByItself",
    "Entry",
    "StepResult",
    "by_itself_from_json",
    "entry_from_json",
    "newest_first",
]
