"""The error for one malformed text. Texts are parsed when they are read, so that the rest of the code gets only valid
values."""

from __future__ import annotations

import re
from typing import Any, ClassVar, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from launchpad.errors import InventoryError


def quoted(text: str) -> str:
    """The text in quotes for an error: on one line, without control characters, shortened."""
    return repr(text) if len(text) <= 60 else f"{text[:57]!r}…"


class Malformed(InventoryError):
    """A rejected text: `what` is wrong, what was `expected`, and a hint with what to type.

    Readers of files catch this error and report a mistake with file and line. An uncaught one comes from the command
    line.
    """

    code = "malformed-value"

    exit_code = 2

    def __init__(self, what: str, *, expected: str = "", hint: str = "") -> None:
        super().__init__(f"{what}; expected {expected}" if expected else what, hint=hint)
        self.what = what
        self.expected = expected

    def for_pydantic(self) -> PydanticCustomError:
        """The same error in the form that pydantic collects."""
        return PydanticCustomError(
            "malformed", "{what}", {"what": self.what, "expected": self.expected, "hint": self.hint}
        )


class Text(str):
    """A parsed text: it matches `pattern` and has at most `longest` characters.

    Any other text raises Malformed. A parsed text equals the plain text and has the same hash.
    """

    __slots__ = ()
    noun: ClassVar[str] = "text"
    pattern: ClassVar[re.Pattern[str]] = re.compile(r"[^\x00-\x1f\x7f]*")
    longest: ClassVar[int] = 512
    expected: ClassVar[str] = "one line of text"

    def __new__(cls, text: str) -> Self:
        if type(text) is cls:
            return text
        if len(text) > cls.longest:
            raise Malformed(
                f"{cls.noun} of {len(text)} characters is too long", expected=f"at most {cls.longest} characters"
            )
        if cls.pattern.fullmatch(text) is None:
            raise Malformed(f"bad {cls.noun} {quoted(cls.shown(text))}", expected=cls.expected, hint=cls.suggest(text))
        cls.judge(text)
        return super().__new__(cls, text)

    @classmethod
    def judge(cls, text: str) -> None:
        """Check rules that the pattern cannot express; raise Malformed."""

    @classmethod
    def shown(cls, text: str) -> str:
        """The part of the rejected text that an error may show."""
        return text

    @classmethod
    def suggest(cls, text: str) -> str:  # noqa: ARG003 (for those that override it)
        """What to type instead of the rejected text, or empty."""
        return ""

    @classmethod
    def _parse(cls, value: object) -> Self:
        if not isinstance(value, str):
            raise PydanticCustomError("string_type", "not text")
        try:
            return cls(value)
        except Malformed as error:
            raise error.for_pydantic() from error

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._parse, serialization=core_schema.plain_serializer_function_ser_schema(str)
        )

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"type": "string", "maxLength": cls.longest, "pattern": f"^{cls.pattern.pattern}$"}
