"""An alert destination: where hosts send alerts. Its URL is sealed in inventory/secrets/alerts/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from launchpad.fleet.model.base import Model, ModelMistake
from launchpad.fleet.words.names import DestinationName, SecretName, TenantName
from launchpad.runner.judge.alert_texts import HEARTBEAT, QUIET, TIMEZONE

URL = SecretName("URL")
SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*")


class AlertDestination(Model):
    """One way to a person. `launchpad alerts credential NAME` seals its URL."""

    name: DestinationName
    """How `launchpad alerts` calls it."""
    kind: Literal["message", "heartbeat"] = "message"
    """message: the URL is one of apprise's, such as mailto:// or slack://. heartbeat: every host fetches the https URL
    once a minute; the service behind the URL alerts when the requests stop."""
    grade: Literal["warning", "critical"] = "warning"
    """The least severe problem that is sent."""
    tenants: tuple[TenantName, ...] = ()
    """Only these tenants' problems, and hosts' problems that affect these tenants; all problems when left out."""
    quiet: str = ""
    """Hours in which a warning waits until their end, such as 22:00-07:00."""
    timezone: str = "UTC"
    """The time zone of `quiet`, such as Europe/Berlin."""

    def refusal(self, url: str) -> str:
        """Why the URL cannot be this destination's; empty when it may be. apprise alone knows its own URLs."""
        scheme, _, rest = url.strip().partition("://")
        if not rest or SCHEME.fullmatch(scheme) is None:
            return "the value is not a URL"
        if self.kind == "heartbeat" and HEARTBEAT.fullmatch(url.strip()) is None:
            return "the URL of a heartbeat does not begin with https://"
        return ""

    def findings(self) -> Iterator[ModelMistake]:
        if self.quiet and QUIET.fullmatch(self.quiet) is None:
            yield ModelMistake(("quiet",), f"bad quiet hours {self.quiet!r}", "text such as 22:00-07:00")
        if TIMEZONE.fullmatch(self.timezone) is None:
            yield ModelMistake(("timezone",), f"bad time zone {self.timezone!r}", "text such as Europe/Berlin")
        if self.kind == "heartbeat" and (self.quiet or self.tenants):
            yield ModelMistake((), "a heartbeat with quiet hours or tenants", "neither")
