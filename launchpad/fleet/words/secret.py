"""A secret is a type, not a text, so that it cannot be printed by accident."""

from __future__ import annotations

import hmac
import secrets
from typing import NoReturn

from launchpad.fleet.words.malformed import Malformed

LONGEST_SECRET = 64 * 1024
SHORTEST_TOKEN = 32


class Secret:
    """A value that prints as `[secret]` and rejects pickling, copying and JSON; only `reveal()` returns the value."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        if not value:
            raise Malformed("the secret is empty", expected="at least one character")
        if len(value.encode()) > LONGEST_SECRET:
            raise Malformed("the secret is too long", expected=f"at most {LONGEST_SECRET} bytes")
        if "\0" in value:
            raise Malformed("the secret has a NUL character", expected="text")
        self._value = value

    @classmethod
    def generated(cls, length: int) -> Secret:
        """Generate a random token of `length` (at least 32) characters that are safe in a URL."""
        if length < SHORTEST_TOKEN:
            raise ValueError(f"a generated secret has at least {SHORTEST_TOKEN} characters")
        return cls(secrets.token_urlsafe(length)[:length])

    def reveal(self) -> str:
        """The value. Call this only to seal or to send the value."""
        return self._value

    def __repr__(self) -> str:
        return "[secret]"

    def __format__(self, spec: str) -> str:
        return format("[secret]", spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError("a secret cannot be pickled or copied: pass the object on, or seal it")
