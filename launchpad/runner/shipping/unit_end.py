"""When a unit of the shipping ends: it is stopped, its settings changed, or another runner is installed."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from launchpad.runner import paths
from launchpad.runner.account import RUNNER
from launchpad.runner.provision.settings_record import HostSettings, stored_settings
from launchpad.runner.view import View


def until_replaced(host: View, settings: HostSettings) -> Callable[[], bool]:
    """Take SIGTERM as the wish to end; returns whether the process is to end now. systemd starts a unit again whose
    settings or runner changed."""
    ended: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: ended.append(number))

    def stopping() -> bool:
        mine = os.path.realpath(paths.RUNNER).startswith(f"{RUNNER}/")
        return bool(ended) or not mine or stored_settings(host).settings != settings

    return stopping
