"""Judging what a host is told to be, before it is told: the same judgement that its runner makes."""

from __future__ import annotations

from launchpad.runner.provision.settings_record import settings_from_json


def judge_settings(value: object) -> None:
    """Refuse settings, as JSON, that a host would refuse."""
    settings_from_json(value)
