"""Turn the runner's error lines into errors of the operator's side."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from launchpad.errors import HostError, LaunchpadError, LockedError, StateError, StepFailed
from launchpad.runner.hint import Next, at, hint_from_json
from launchpad.runner.protocol import OLDEST_PROTOCOL, PROTOCOL, TIMELESS_VERBS
from launchpad.ssh.problems import StaleCheckout

UPDATE_HERE = "update Launchpad on this machine: pipx upgrade launchpad-fleet"
UNNAMED = "unnamed-by-the-host"
"""The code of an error that the host sent without a code."""
_CODE = re.compile(r"[a-z][a-z0-9-]{2,60}")

_WORDS = frozenset({"message", "hint", "lines", "problem", "problems", "said", "title", "text", "reason", "findings"})
"""Keys of a reply with text for people."""


def tamed(line: dict[str, Any], host: str) -> dict[str, Any]:
    """The line with the host's texts each on one line, without terminal control characters: an attacker may control the
    host, and its texts must not look like Launchpad's own. A hint has the host's name where it says HERE."""
    everything = line["type"] in ("event", "error", "log", "gap", "missing")
    return {key: _tamed(value, host, words=everything or key in _WORDS, key=key) for key, value in line.items()}


def _tamed(value: Any, host: str, *, words: bool, key: str = "") -> Any:
    if isinstance(value, str):
        return one_line(value) if words else value
    if isinstance(value, dict):
        return {key: _tamed(item, host, words=words or key in _WORDS, key=key) for key, item in value.items()}
    if isinstance(value, list):
        made = [_tamed(item, host, words=words) for item in value]
        return at(hint_from_json(made), host) if key == "hint" else made
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
            text = f"the runner speaks protocol {spoken!r}, this Launchpad {OLDEST_PROTOCOL} to {PROTOCOL}"
            if isinstance(spoken, int) and spoken > PROTOCOL:
                raise StateError(text, code="launchpad-too-old", hint=UPDATE_HERE, host=host)
            raise StateError(text, code="runner-too-old", hint=Next("provision", host), host=host)
        if not isinstance(line.get("body"), dict):
            text = "the runner's reply has no body"
            raise StateError(text, code="reply-without-body", hint=Next("provision", host), host=host)


def error_from_line(line: Mapping[str, Any], *, host: str) -> LaunchpadError:
    """The error for a runner's error line."""
    error = _error_from_line(line, host=host)
    if line.get("hint"):
        error.said_by = host
    return error


def _error_from_line(line: Mapping[str, Any], *, host: str) -> LaunchpadError:
    line = tamed(dict(line), host)
    text, hint = str(line.get("message") or "the runner gave no reason"), line.get("hint") or ""
    code = line["code"] if _CODE.fullmatch(str(line.get("code"))) else UNNAMED
    match line.get("error"):
        case "state" if isinstance(revision := line.get("revision"), str):
            return StaleCheckout(text, code=code, hint=hint, host=host, revision=revision)
        case "state":
            return StateError(text, code=code, hint=hint, host=host)
        case "locked":
            return LockedError(text, code=code, hint=hint or "run the same command again later", host=host)
        case "protocol":
            return StateError(text, code=code, hint=hint or UPDATE_HERE, host=host)
        case "request" | "step":
            return StepFailed(text, code=code, hint=hint, host=host)
        case "bug":
            return HostError(text, code=code, hint=hint or Next("status", host), host=host)
        case other:
            return HostError(f"{text} ({other})", code=code, hint=hint or UPDATE_HERE, host=host)
