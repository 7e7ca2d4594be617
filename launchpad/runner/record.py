"""Frozen records, for a program that starts for each request.

Used like frozen dataclasses, also by the type checker. The standard library's dataclasses would cost every `status` 8
ms for the import (of `inspect`), and compile each class at each start.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from typing import Self, dataclass_transform
else:

    def dataclass_transform(**_options):
        return lambda kind: kind


REQUIRED: Any = object()
"""Marks a field without a default."""


@dataclass_transform(frozen_default=True)
class Record:
    """Annotations are the fields, in order; a value in the class is the default. Records are equal by type and
    fields."""

    FIELDS: ClassVar[Mapping[str, Any]] = {}
    """Name → default, or REQUIRED."""

    def __init_subclass__(cls) -> None:
        cls.FIELDS = {name: cls.__dict__.get(name, REQUIRED) for name in cls.__annotations__}

    def __init__(self, *values: Any, **named: Any) -> None:
        if not values and named.keys() == self.FIELDS.keys():
            self.__dict__.update(named)
            return
        kind = type(self).__name__
        if len(values) > len(self.FIELDS):
            raise TypeError(f"{kind}: more than its {len(self.FIELDS)} fields")
        given = dict(zip(self.FIELDS, values, strict=False))
        if wrong := (named.keys() & given.keys()) | (named.keys() - self.FIELDS.keys()):
            raise TypeError(f"{kind}: {min(wrong)} is unknown, or given twice")
        given |= named
        for name, default in self.FIELDS.items():
            value = given.get(name, default)
            if value is REQUIRED:
                raise TypeError(f"{kind}: {name} is missing")
            self.__dict__[name] = value

    def but(self, **changes: Any) -> Self:
        """A copy with some fields changed."""
        return type(self)(**(self.plain() | changes))

    def plain(self) -> dict[str, Any]:
        """The fields and their values."""
        return {name: self.__dict__[name] for name in self.FIELDS}

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"{type(self).__name__} is frozen")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.plain() == self.plain()

    def __hash__(self) -> int:
        return hash((type(self), *self.plain().values()))

    def __repr__(self) -> str:
        fields = ", ".join(f"{name}={value!r}" for name, value in self.plain().items())
        return f"{type(self).__name__}({fields})"
