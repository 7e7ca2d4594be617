"""What to do next, as data: the commands in a hint, between words for people.

    "the disk is full: " + Next("prune", HERE) + ", or " + Next("move", tenant, "--to", "HOST")

On a terminal the hint is its text, `the disk is full: launchpad prune web-1, …`; a page makes a button of each command.
On the wire and on disk a hint with a command is a list, a text or a command after the other, and any other hint is its
text:

    ["the disk is full: ", ["prune", "@HOST"], ", or ", ["move", "alice", "--to", "HOST"]]
"""

from __future__ import annotations

import re
from collections.abc import Callable

HERE = "@HOST"
"""An argument of a command: the name of the host that the hint comes from. A host does not know its name in the fleet:
the operator's side puts the name in."""

_VERB = re.compile(r"[a-z]+(?:-[a-z]+)*(?: [a-z]+(?:-[a-z]+)*)?")
_ARGUMENT = re.compile(r"[\w.:/@=+,~-]{1,300}", re.ASCII)
"""What a command of a hint may have, so that a hint from a host that lies is no shell code."""
_PLAIN = re.compile(r"[^\s'\"\\$`;&()*?!#]+")


class Hint(str):
    """A hint with commands. As a str it is the text for a terminal; only adding, `format` and `at` keep the
    commands."""

    parts: tuple[str | tuple[str, ...], ...]
    """Texts and commands, in order; a command is its verb, such as `backups list`, and its arguments as typed."""

    def __new__(cls, *parts: str | tuple[str, ...]) -> Hint:
        own = super().__new__(cls, "".join(part if isinstance(part, str) else _typed(part) for part in parts))
        own.parts = parts
        return own

    @property
    def commands(self) -> tuple[tuple[str, ...], ...]:
        """Each command in the hint: its verb, and its arguments."""
        return tuple(part for part in self.parts if not isinstance(part, str))

    def __add__(self, more: str) -> Hint:
        return Hint(*self.parts, *(more.parts if isinstance(more, Hint) else (more,)))

    def __radd__(self, before: str) -> Hint:
        return Hint(before, *self.parts)

    def format(self, **names: str) -> Hint:  # type: ignore[override]
        """The hint with these values in place of `{name}`, in its texts and its arguments."""
        return self._each(lambda text: text.format(**names))

    def at(self, host: str) -> Hint:
        """The hint with the host's name in place of HERE."""
        return self._each(lambda text: host if text == HERE else text)

    def _each(self, change: Callable[[str], str]) -> Hint:
        return Hint(*(change(part) if isinstance(part, str) else tuple(map(change, part)) for part in self.parts))

    def __reduce__(self) -> tuple[type[Hint], tuple[str | tuple[str, ...], ...]]:
        return Hint, self.parts


def Next(verb: str, *arguments: object) -> Hint:
    """The hint that is this one command: `Next("backups list", tenant)`."""
    return Hint((verb, *map(str, arguments)))


def at(hint: str, host: str) -> str:
    """Any hint with the host's name in place of HERE."""
    return hint.at(host) if isinstance(hint, Hint) else hint


def commands_of(hint: str) -> tuple[tuple[str, ...], ...]:
    """Each command in any hint: its verb, and its arguments."""
    return hint.commands if isinstance(hint, Hint) else ()


def hint_as_json(hint: str) -> str | list[str | list[str]]:
    """The hint for the wire and for files: a list when the hint has commands."""
    if not isinstance(hint, Hint):
        return hint
    return [part if isinstance(part, str) else list(part) for part in hint.parts]


def hint_from_json(value: object) -> str:
    """The hint again; empty for what is no hint, and for a command that nobody types."""
    if isinstance(value, str):
        return value
    parts: list[str | tuple[str, ...]] = []
    for part in value if isinstance(value, list) else ():
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, list) and _is_command(part):
            parts.append(tuple(part))
        else:
            return ""
    return Hint(*parts) if parts else ""


def _is_command(part: list[object]) -> bool:
    texts = [item for item in part if isinstance(item, str)]
    return bool(
        texts and len(texts) == len(part) and _VERB.fullmatch(texts[0]) and all(map(_ARGUMENT.fullmatch, texts[1:]))
    )


def _typed(command: tuple[str, ...]) -> str:
    """What a person types; HERE is still to be filled in by that person."""
    verb, *arguments = command
    return " ".join(("launchpad", verb, *("HOST" if part == HERE else _quoted(part) for part in arguments)))


def _quoted(argument: str) -> str:
    """The argument as a shell takes it for one word; a placeholder such as `web-1|web-2` stays."""
    return argument if _PLAIN.fullmatch(argument) else "'" + argument.replace("'", "'\\''") + "'"
