"""Amounts with units, as people write them: memory and disk `2GiB`, time `15s`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from launchpad.fleet.words.malformed import Malformed, quoted


class _Quantity:
    """A whole number of the smallest unit, written with any of `units` (largest first)."""

    __slots__ = ()
    noun: ClassVar[str]
    units: ClassVar[dict[str, int]]
    example: ClassVar[str]
    largest: ClassVar[int]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse the text to an amount; raise Malformed."""
        match = re.fullmatch(r"([0-9]{1,12})([A-Za-z]+)", text)
        if match is None or match[2] not in cls.units:
            units = ", ".join(reversed(cls.units))
            raise Malformed(
                f"bad {cls.noun} {quoted(text)}", expected=f"a whole number and one of {units}, such as {cls.example}"
            )
        amount = int(match[1]) * cls.units[match[2]]
        if not 0 < amount <= cls.largest:
            raise Malformed(
                f"{cls.noun} {text} is out of range", expected=f"more than 0, at most {cls._made(cls.largest)}"
            )
        return cls._made(amount)

    @classmethod
    def _made(cls, amount: int) -> Self:
        return cls(amount)  # type: ignore[call-arg]

    @classmethod
    def written(cls, amount: int) -> str:
        """The shortest exact text of an amount."""
        unit, factor = next(
            (item for item in cls.units.items() if amount and amount % item[1] == 0),
            next(reversed(cls.units.items())),
        )
        return f"{amount // factor}{unit}"

    @classmethod
    def _validate(cls, value: object) -> Self:
        if isinstance(value, cls):
            return value
        if not isinstance(value, str):
            raise Malformed(f"{value!r} has no unit", expected=f"text such as {cls.example}").for_pydantic()
        try:
            return cls.parse(value)
        except Malformed as error:
            raise error.for_pydantic() from error

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "pattern": f"^[0-9]+({'|'.join(cls.units)})$", "examples": [cls.example]}


@dataclass(frozen=True, order=True, slots=True)
class Size(_Quantity):
    """Memory or disk, in whole MiB (`.mb`); written `512MiB` or `2GiB`."""

    mb: int

    noun = "size"
    units = {"TiB": 1024 * 1024, "GiB": 1024, "MiB": 1}  # noqa: RUF012 (a dataclass field would be another thing)
    example = "2GiB"
    largest = 1024 * 1024 * 1024

    def __str__(self) -> str:
        return self.written(self.mb)


@dataclass(frozen=True, order=True, slots=True)
class Duration(_Quantity):
    """A time in whole seconds (`.seconds`); written `15s`, `5m` or `24h`."""

    seconds: int

    noun = "duration"
    units = {"h": 3600, "m": 60, "s": 1}  # noqa: RUF012
    example = "15s"
    largest = 30 * 24 * 3600

    def __str__(self) -> str:
        return self.written(self.seconds)
