"""Properties are tried without a clock: a busy machine is no mistake of theirs."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("launchpad", deadline=None)
settings.load_profile("launchpad")
