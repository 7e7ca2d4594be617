"""Every error that Launchpad raises on purpose, and what it exits with.

    LaunchpadError            exit  retry
    ├── InventoryError        3     no    the inventory or a file is wrong; every mistake with file and line
    ├── StateError            4     no    the request does not fit the present state: a stale plan, an old checkout
    ├── LockedError           5     yes   another operation holds the tenant
    ├── HostError             6     yes   a host cannot be reached
    │   └── StepFailed        6     no    the host rejected the request, or a step failed
    ├── ServiceError          7     yes   a cloud, a registry or a billing service
    └── PartialError          8     no    some of many failed; the error of each

OTHER_EXITS has the exit codes without an error class. Programs match the class or the exit code, never the message.
"""

from __future__ import annotations

from collections.abc import Mapping

from launchpad.runner.hint import commands_of

OTHER_EXITS = {
    0: "Done, or nothing to do.",
    1: "A bug in Launchpad; the message names a file with the traceback.",
    2: "Wrong usage: an unknown command or option, or a value that its option does not take.",
    74: "The output or a file could not be written, for example because the disk is full.",
    130: "Interrupted by Ctrl-C; the host continues.",
    141: "The program that read the output, such as `head`, ended first.",
}
"""The meaning of each exit code without an error class."""


class LaunchpadError(Exception):
    """A deliberate error: `text` says what is wrong, `code` the same for programs, `hint` is what to type next. A code
    stands for one cause, and for one thing to do next."""

    exit_code = 1
    retry = False
    code = "unnamed"

    def __init__(self, text: str, *, code: str = "", hint: str = "", host: str = "") -> None:
        super().__init__(text)
        self.text = text
        self.code = code or self.code
        self.hint = hint
        self.host = host
        """The host that the error is about, when the text leaves the host out."""
        self.said_by = ""
        """The host that sent the hint; empty for a hint of Launchpad itself."""

    @property
    def message(self) -> str:
        """The error on a terminal: the host first."""
        return f"{self.host}: {self.text}" if self.host else self.text

    def __str__(self) -> str:
        return self.message

    def as_dict(self) -> dict[str, object]:
        """The error as JSON: {"error", "code", "host", "message", "hint" (as text), "next" (the hint's commands),
        "hint_by" (the host that sent the hint), "exit_code", "retry"}."""
        return {
            "error": type(self).__name__,
            "code": self.code,
            "host": self.host,
            "message": self.text,
            "hint": self.hint,
            "next": [{"command": verb, "arguments": rest} for verb, *rest in commands_of(self.hint)],
            **({"hint_by": self.said_by} if self.said_by else {}),
            "exit_code": self.exit_code,
            "retry": self.retry,
        }


class InventoryError(LaunchpadError):
    """The inventory has mistakes or no such name, or a named file is missing; every mistake with its file and line."""

    exit_code = 3


class StateError(LaunchpadError):
    """The request does not fit the present state: a stale checkout or plan, a confirmation that was denied or could not
    be asked for, or a problem that `status --check`, `smoke`, `doctor` or `schedule show` found."""

    exit_code = 4


class LockedError(LaunchpadError):
    """Another operation holds the tenant or the host; the message names its operator, its kind and how long the
    lock is held."""

    exit_code = 5
    retry = True


class HostError(LaunchpadError):
    """A host cannot be reached, or the connection to the host broke."""

    exit_code = 6
    retry = True


class StepFailed(HostError):
    """The host rejected the request, or a step failed on the host and was undone."""

    retry = False


class ServiceError(LaunchpadError):
    """A registry, a DNS provider or another service failed."""

    exit_code = 7
    retry = True


class PartialError(LaunchpadError):
    """Some of several failed; `failures` has the error of each."""

    exit_code = 8

    def __init__(
        self, text: str, *, code: str = "", hint: str = "", failures: Mapping[str, LaunchpadError] | None = None
    ) -> None:
        super().__init__(text, code=code, hint=hint)
        self.failures = dict(failures or {})

    def as_dict(self) -> dict[str, object]:
        return super().as_dict() | {"failures": {name: error.as_dict() for name, error in self.failures.items()}}
