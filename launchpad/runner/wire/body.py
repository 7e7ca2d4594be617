"""The body of a request, and how each side parses what the other sends.

A host parses a request closed: an unknown key, a missing one or a wrong type is refused. An operator's side passes over
the keys of a newer runner's reply that it does not know, and refuses the rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from launchpad.runner.protocol import record_as_json, record_from_json
from launchpad.runner.record import Record

if TYPE_CHECKING:
    from typing import Protocol

    Answer = TypeVar("Answer", bound=Record, covariant=True)

    class Question(Protocol[Answer]):
        """A body and its reply."""

        @property
        def VERB(self) -> str: ...
        @property
        def REPLY(self) -> type[Answer]: ...
        def sent(self) -> Mapping[str, Any]: ...


class Body(Record):
    """The body of a request to `VERB`; a subclass also has `REPLY`, the record of the reply."""

    VERB: ClassVar[str] = ""

    def sent(self) -> Mapping[str, Any]:
        """The body as JSON. A field with its default is left out, so that a runner from before the field accepts
        it."""
        plain = record_as_json(self)
        return {name: value for name, value in plain.items() if self.__dict__[name] != self.FIELDS[name]}


class Empty(Record):
    """A reply that says only that it is done."""


Asked = TypeVar("Asked", bound=Body)


def body_from_json(kind: type[Asked], body: Mapping[str, Any]) -> Asked:
    """The body of a request; Refused for an unknown key, a missing one, or a wrong type."""
    return record_from_json(kind, dict(body), kind.VERB)
