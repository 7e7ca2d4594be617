"""Every prompt."""

from __future__ import annotations

import sys

from launchpad.cli.session import Session
from launchpad.errors import StateError
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.secret import LONGEST_SECRET, Secret


def confirm(session: Session, question: str, *, yes: bool, hint: str = "add --yes") -> None:
    """Ask for confirmation unless --yes was given; StateError when the answer is no, or when there is no terminal to
    ask at."""
    if yes:
        return
    if not session.interactive:
        raise StateError(f"{question} Cannot ask: no terminal", code="no-terminal-to-ask", hint=hint)
    if not answered(session, question):
        raise StateError("not confirmed, nothing was changed", code="not-confirmed")


def answered(session: Session, question: str) -> bool:
    """Whether the person at the terminal says yes."""
    with session.output.asking(f"{question} [y/N]"):
        return sys.stdin.readline().strip().lower() in {"y", "yes"}


def read_secret(name: str) -> Secret:
    """Read a secret from standard input, without its last line break, or from a terminal prompt that does not show
    it."""
    if sys.stdin.isatty():
        from getpass import getpass

        return _secret(name, getpass(f"{name} (not shown): ", stream=sys.stderr))
    content = sys.stdin.buffer.read(LONGEST_SECRET + 2)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        # `from None`: the cause quotes the value
        raise StateError(
            f"{name}: standard input is not UTF-8", code="input-not-utf-8", hint="base64-encode a binary value"
        ) from None
    return _secret(name, text.removesuffix("\n").removesuffix("\r"))


def _secret(name: str, text: str) -> Secret:
    if not text:
        raise Malformed(f"{name} is empty", expected="at least one character")
    return Secret(text)
