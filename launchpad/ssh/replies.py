"""What the runner's error lines mean here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.errors import HostError, LaunchpadError, LockedError, StateError, StepFailed
from launchpad.runner.protocol import OLDEST_PROTOCOL, PROTOCOL, TIMELESS_VERBS

UPDATE_HERE = "update Launchpad on this machine: pipx upgrade launchpad-fleet"


def judge_line(line: Mapping[str, Any], *, host: str, verb: str) -> None:
    """Raise the error that an error line stands for; StateError for a reply in a protocol that is not spoken here."""
    if line["type"] == "error":
        raise error_from_line(line, host=host)
    if line["type"] == "reply":
        spoken = line.get("protocol")
        oldest = 0 if verb in TIMELESS_VERBS else OLDEST_PROTOCOL
        if not isinstance(spoken, int) or not oldest <= spoken <= PROTOCOL:
            raise StateError(
                f"{host}: the runner answers in protocol {spoken!r}, here is spoken {OLDEST_PROTOCOL} to {PROTOCOL}",
                hint=UPDATE_HERE if isinstance(spoken, int) and spoken > PROTOCOL else f"launchpad provision {host}",
            )
        if not isinstance(line.get("body"), dict):
            raise StateError(f"{host}: the runner's reply has no body", hint=f"launchpad provision {host}")


def error_from_line(line: Mapping[str, Any], *, host: str) -> LaunchpadError:
    """The error of this side for one of the runner's, with the host's name in front."""
    message = f"{host}: {line.get('message') or 'the runner gave no reason'}"
    hint = str(line.get("hint") or "").replace("provision HOST", f"provision {host}")  # it does not know its own name
    match line.get("error"):
        case "state":
            return StateError(message, hint=hint)
        case "locked":
            return LockedError(message, hint=hint or "the same command again, later")
        case "protocol":
            return StateError(message, hint=hint or UPDATE_HERE)
        case "request" | "step":
            return StepFailed(message, hint=hint)
        case "bug":
            return HostError(message, hint=hint or f"launchpad status {host}")
        case other:
            return HostError(f"{message} ({other})", hint=hint or UPDATE_HERE)
