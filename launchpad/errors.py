"""Every error that Launchpad raises on purpose, and what it exits with.

    LaunchpadError            exit  retry
    ├── InventoryError        3     no    what was written is wrong; file and line, every mistake at once
    ├── StateError            4     no    does not fit what exists: a stale plan, an older checkout
    ├── LockedError           5     yes   another operation holds the tenant
    ├── HostError             6     yes   a host cannot be reached
    │   └── StepFailed        6     no    the host refused, or a step failed
    ├── ServiceError          7     yes   a cloud, a registry or a billing service
    └── PartialError          8     no    some of many failed; each one's own error

What was typed and makes no sense exits 2: usage, or a value that its option does not take. Ctrl-C exits 130, and where
whoever read the output went away it is 141. Anything else is a bug and exits 1. Nobody matches error text.
"""

from __future__ import annotations

from collections.abc import Mapping


class LaunchpadError(Exception):
    """A deliberate error: `message` says what and where, `hint` is what to type next."""

    exit_code = 1
    retry = False

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.said_by = ""
        """The host whose words the hint is; empty for Launchpad's own."""

    def as_dict(self) -> dict[str, object]:
        """The error as JSON: {"error", "message", "hint", "hint_by" (a host, where the words are its), "exit_code",
        "retry"}."""
        return {
            "error": type(self).__name__,
            "message": self.message,
            "hint": self.hint,
            **({"hint_by": self.said_by} if self.said_by else {}),
            "exit_code": self.exit_code,
            "retry": self.retry,
        }


class InventoryError(LaunchpadError):
    """What was written is wrong; the message has file and line of every mistake, one a line."""

    exit_code = 3


class StateError(LaunchpadError):
    """The request does not fit what exists."""

    exit_code = 4


class LockedError(LaunchpadError):
    """Another operation holds the tenant or the host; the message says who and since when."""

    exit_code = 5
    retry = True


class HostError(LaunchpadError):
    """A host cannot be reached, or the connection to it broke."""

    exit_code = 6
    retry = True


class StepFailed(HostError):
    """The host refused the request, or a step failed there and was undone."""

    retry = False


class ServiceError(LaunchpadError):
    """A cloud, a registry or a billing service failed."""

    exit_code = 7
    retry = True


class PartialError(LaunchpadError):
    """Some of many failed; `failures` maps each one's name to its own error."""

    exit_code = 8

    def __init__(self, message: str, *, hint: str = "", failures: Mapping[str, LaunchpadError] | None = None) -> None:
        super().__init__(message, hint=hint)
        self.failures = dict(failures or {})

    def as_dict(self) -> dict[str, object]:
        return super().as_dict() | {"failures": {name: error.as_dict() for name, error in self.failures.items()}}
