"""What an app's action `check` prints about its keys and bots, as facts. Pure; what a tenant prints is not trusted.

The last line is JSON: {"checks": [{"layer": "provider" or "channel", "name": "anthropic", "secret":
"ANTHROPIC_API_KEY", "state": one of STATES}]}. Neither the key nor what the provider said is in it. Of an app whose
check prints no JSON the exit status is the answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.facts import Fact, Grade, Layer
from launchpad.runner.hint import Next

CHECK = "check"
"""The action's name."""
REFUSED = re.compile(
    r"\b401\b|\bunauthori[sz]ed\b|invalid[ _-]?(?:x-)?api[ _-]?key|authentication[ _](?:failed|error)"
    r"|\b409\b[^\n]{0,40}conflict|terminated by other getupdates|getupdates conflict",
    re.IGNORECASE,
)
"""What an app writes when a provider or a channel refuses its key, or another program uses its bot."""
MOST_CHECKS = 16
_NAME = re.compile(r"[a-z][a-z0-9-]{0,29}")
_SECRET = re.compile(r"[A-Z][A-Z0-9_]{0,59}")
STATES: Mapping[str, tuple[Grade, str, str]] = {
    "works": (Grade.ok, "{name} accepts the key", ""),
    "refused": (Grade.warning, "{name} refuses the key: it was revoked, or is mistyped", "secret"),
    "forbidden": (
        Grade.warning,
        "{name} accepts the key and forbids its use: the account or the key is restricted",
        "secret",
    ),
    "unpaid": (Grade.warning, "{name} accepts the key, and its account has no money left", ""),
    "limited": (Grade.warning, "{name} accepts the key, and refuses requests for now: too many", ""),
    "taken": (Grade.warning, "{name} sends the bot's messages to another place", "secret"),
    "failing": (Grade.warning, "{name} has a fault of its own", ""),
    "unreachable": (Grade.warning, "{name} cannot be reached from the tenant", ""),
}
"""State → grade, message, and whether the secret is what to set anew."""


def app_facts(code: int, text: str, *, tenant: str) -> tuple[Fact, ...]:
    """A fact for each of what was checked; one of an unknown grade for JSON that cannot be understood."""
    last = (text.strip().splitlines() or [""])[-1]
    plain = Fact(Layer.provider, Grade.ok, "its own check passes", tenant=tenant, subject=CHECK)
    if not last.startswith("{"):
        hint = Next("act", tenant, CHECK)
        failed = plain.but(grade=Grade.warning, message=f"its own check ends with exit status {code}", hint=hint)
        return (failed if code else plain,)
    try:
        return tuple(_facts(json.loads(last)["checks"][:MOST_CHECKS], tenant))
    except (ValueError, KeyError, TypeError, AttributeError):
        return (plain.but(grade=Grade.unknown, message="its own check prints what cannot be understood"),)


def _facts(checks: Any, tenant: str) -> Iterator[Fact]:
    for item in checks:
        name, secret, layer = item["name"], item["secret"], Layer(item["layer"])
        grade, message, about = STATES[item["state"]]
        if layer not in (Layer.provider, Layer.channel) or not _NAME.fullmatch(name) or not _SECRET.fullmatch(secret):
            raise ValueError
        hint = Next("secret set", tenant, secret) if about else ""
        yield Fact(layer, grade, message.format(name=name), hint, tenant=tenant, subject=name)
