"""Judge host settings on the operator's side, before they are sent: the same judgement as on the host."""

from __future__ import annotations

from launchpad.runner.provision.settings_record import settings_from_json


def judge_settings(value: object) -> None:
    """Refuse settings (as JSON) that a host would refuse."""
    settings_from_json(value)
