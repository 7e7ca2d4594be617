"""Templates: their folders, and a sandbox in which every value is quoted."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import (
    Environment,
    FileSystemLoader,
    StrictUndefined,
    TemplateError,
    TemplateNotFound,
    TemplateSyntaxError,
    Undefined,
    nodes,
)
from jinja2.sandbox import ImmutableSandboxedEnvironment

from launchpad.errors import InventoryError
from launchpad.fleet.reading.tree import conflict_in
from launchpad.fleet.words.mistakes import InventoryMistakes
from launchpad.render.quoting import Quotation, Unquotable, quotation_for

SHIPPED = Path(__file__).resolve().parent.parent / "templates"
ENDING = ".j2"

_FILTERS = frozenset(
    {
        *("abs", "batch", "capitalize", "count", "default", "dictsort", "first", "float", "groupby", "int", "items"),
        *("join", "last", "length", "list", "lower", "map", "max", "min", "reject", "rejectattr", "replace"),
        *("reverse", "round", "select", "selectattr", "sort", "string", "sum", "title", "trim", "unique", "upper"),
    }
)


@dataclass(frozen=True)
class TemplateSource:
    """The folders of templates: first the workspace's own, then those that ship with Launchpad."""

    workspace: Path | None = None
    shipped: Path = SHIPPED

    def find(self, *names: str) -> str | None:
        """The first of these templates that exists, with or without `.j2`."""
        for name in names:
            for candidate in (name + ENDING, name):
                if any((folder / candidate).is_file() for folder in self._folders):
                    return candidate
        return None

    def path(self, name: str) -> Path:
        """The path of a template, or its path in the workspace when it is missing."""
        for folder in self._folders:
            if (folder / name).is_file():
                return folder / name
        return self._folders[0] / name

    def render(self, name: str, path: str, values: Mapping[str, Any]) -> str:
        """The text of the file `path` from the template `name`; a template without `.j2` is copied as it is.

        Every `{{ value }}` is quoted for the file's language; a template cannot insert a raw value. InventoryError with
        file and line for a bad template or value.
        """
        try:
            text = self._text(name, path, values)
        except (TemplateNotFound, FileNotFoundError) as error:
            missing = str(error.name) if isinstance(error, TemplateNotFound) else name
            raise InventoryError(
                f"template {missing} is missing", code="template-missing", hint=f"write {self.path(missing)}"
            ) from error
        except UnicodeDecodeError as error:
            raise InventoryError(f"{self.path(name)}: is not UTF-8 text", code="template-not-utf-8") from error
        except Exception as error:  # any error of a template: wrong types, unknown names, unsafe attributes
            raise self._explained(name, error) from error
        if conflict := conflict_in(str(self.path(name)), text):
            source = self.path(name).read_text(encoding="utf-8", errors="replace")  # its lines are the ones to edit
            raise InventoryMistakes([conflict_in(str(self.path(name)), source) or conflict])
        return text

    def _text(self, name: str, path: str, values: Mapping[str, Any]) -> str:
        if not name.endswith(ENDING):
            return self.path(name).read_text(encoding="utf-8")
        return _environment(self._folders, quotation_for(path)).get_template(name).render(values)

    @property
    def _folders(self) -> tuple[Path, ...]:
        return (self.shipped,) if self.workspace is None else (self.workspace, self.shipped)

    def _explained(self, name: str, error: Exception) -> InventoryError:
        line = getattr(error, "lineno", None)
        for frame in traceback.extract_tb(error.__traceback__):
            if frame.filename.endswith(ENDING):
                name, line = frame.filename, frame.lineno
        where = self.path(name) if not Path(name).is_absolute() else Path(name)
        cause = error.message if isinstance(error, TemplateError) else str(error)
        hint = "change the value in the tenant's file" if isinstance(error, Unquotable) else f"see {where}"
        return InventoryError(
            f"{where}:{line}: {cause}" if line else f"{where}: {cause}", code="template-does-not-render", hint=hint
        )


class _Environment(ImmutableSandboxedEnvironment):
    """No private attributes, only filters that return values, and no block that sees quoted text."""

    def _parse(self, source: str, name: str | None, filename: str | None) -> nodes.Template:
        template = super()._parse(source, name, filename)
        block = template.find(nodes.FilterBlock)
        if block is not None:
            raise TemplateSyntaxError("a filter block could remove quotes", block.lineno, name, filename)
        return template


class _Loader(FileSystemLoader):
    """Also notices a new template in an earlier folder."""

    def get_source(self, environment: Environment, template: str) -> tuple[str, str, Callable[[], bool]]:
        source, path, unchanged = super().get_source(environment, template)
        read = super().get_source
        return source, path, lambda: unchanged() and read(environment, template)[1] == path


@lru_cache(maxsize=16)
def _environment(folders: tuple[Path, ...], quotation: Quotation) -> _Environment:
    def finalize(value: object) -> str:
        if isinstance(value, Undefined):
            str(value)  # raises, with the undefined name
        return quotation(value)

    environment = _Environment(
        loader=_Loader(folders),
        undefined=StrictUndefined,
        finalize=finalize,
        autoescape=False,  # finalize quotes for the file's own language, not for HTML
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters = {name: item for name, item in environment.filters.items() if name in _FILTERS}
    return environment
