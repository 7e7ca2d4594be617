"""Turn the runner's error lines into errors of the operator's side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from launchpad.errors import HostError, LaunchpadError, LockedError, StateError, StepFailed
from launchpad.runner.protocol import OLDEST_PROTOCOL, PROTOCOL, TIMELESS_VERBS
from launchpad.ssh.problems import StaleCheckout

UPDATE_HERE = "update Launchpad on this machine: pipx upgrade launchpad-fleet"


_WORDS = frozenset({"message", "hint", "lines", "problem", "problems", "said", "title", "text", "reason", "findings"})
"""Keys of a reply with text for people."""


def tamed(line: dict[str, Any]) -> dict[str, Any]:
    """The line with the host's texts each on one line, without terminal control characters: an attacker may control the
    host, and its texts must not look like Launchpad's own."""
    everything = line["type"] in ("event", "error", "log", "gap", "missing")
    return {key: _tamed(value, words=everything or key in _WORDS) for key, value in line.items()}


def _tamed(value: Any, *, words: bool) -> Any:
    if isinstance(value, str):
        return one_line(value) if words else value
    if isinstance(value, dict):
        return {key: _tamed(item, words=words or key in _WORDS) for key, item in value.items()}
    if isinstance(value, list):
        return [_tamed(item, words=words) for item in value]
    return value


def one_line(text: str) -> str:
    """The text on one line, with unprintable characters escaped as in Python."""
    return text if text.isprintable() else "".join(mark if mark.isprintable() else repr(mark)[1:-1] for mark in text)


def judge_line(line: Mapping[str, Any], *, host: str, verb: str) -> None:
    """Raise the error of an error line; StateError for a reply in an unsupported protocol."""
    if line["type"] == "error":
        raise error_from_line(line, host=host)
    if line["type"] == "reply":
        spoken = line.get("protocol")
        oldest = 0 if verb in TIMELESS_VERBS else OLDEST_PROTOCOL
        if not isinstance(spoken, int) or not oldest <= spoken <= PROTOCOL:
            raise StateError(
                f"{host}: the runner speaks protocol {spoken!r}, this Launchpad {OLDEST_PROTOCOL} to {PROTOCOL}",
                hint=UPDATE_HERE if isinstance(spoken, int) and spoken > PROTOCOL else f"launchpad provision {host}",
            )
        if not isinstance(line.get("body"), dict):
            raise StateError(f"{host}: the runner's reply has no body", hint=f"launchpad provision {host}")


def error_from_line(line: Mapping[str, Any], *, host: str) -> LaunchpadError:
    """The error for a runner's error line, with the host's name first."""
    error = _error_from_line(line, host=host)
    if line.get("hint"):
        error.said_by = host
    return error


def _error_from_line(line: Mapping[str, Any], *, host: str) -> LaunchpadError:
    message = f"{host}: {one_line(str(line.get('message') or 'the runner gave no reason'))}"
    hint = one_line(str(line.get("hint") or ""))
    hint = hint.replace("provision HOST", f"provision {host}")  # the host does not know its name in the fleet
    match line.get("error"):
        case "state" if isinstance(revision := line.get("revision"), str):
            return StaleCheckout(message, hint=hint, revision=revision)
        case "state":
            return StateError(message, hint=hint)
        case "locked":
            return LockedError(message, hint=hint or "run the same command again later")
        case "protocol":
            return StateError(message, hint=hint or UPDATE_HERE)
        case "request" | "step":
            return StepFailed(message, hint=hint)
        case "bug":
            return HostError(message, hint=hint or f"launchpad status {host}")
        case other:
            return HostError(f"{message} ({other})", hint=hint or UPDATE_HERE)
