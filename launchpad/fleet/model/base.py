"""The base of every model of the fleet: frozen, closed, strict, and able to report all its mistakes at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator
from pydantic_core import PydanticCustomError

Path = tuple[str | int, ...]
"""A place in a document: keys and indices from the top."""


@dataclass(frozen=True)
class ModelMistake:
    """One mistake within a model, at a path from the model."""

    at: Path
    what: str
    expected: str = ""
    hint: str = ""


class Model(BaseModel):
    """A record of the inventory. Field names are the keys of the YAML."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    def findings(self) -> Iterator[ModelMistake]:
        """The mistakes between fields that are each valid by themselves."""
        yield from ()

    @model_validator(mode="after")
    def _judge(self) -> Self:
        findings = tuple(self.findings())
        if findings:
            summary = "; ".join(finding.what for finding in findings)
            raise PydanticCustomError("findings", "{summary}", {"summary": summary, "findings": findings})
        return self
