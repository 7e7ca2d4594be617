"""The record of operations as the operator sees it: read from the hosts, kept nowhere else."""

from __future__ import annotations

from launchpad.journal.entries import ByItself, Entry, StepResult, by_itself_from_json, entry_from_json, newest_first

__all__ = ["ByItself", "Entry", "StepResult", "by_itself_from_json", "entry_from_json", "newest_first"]
