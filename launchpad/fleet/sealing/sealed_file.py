"""The file with a tenant's sealed secrets: written and read by programs only.

ANTHROPIC_API_KEY:
  version: 2
  recipients: 0123456789abcdef
  value: |
    -----BEGIN AGE ENCRYPTED FILE-----
    …
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from launchpad.fleet.reading.tree import conflict_in
from launchpad.fleet.sealing.age import ARMOR
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.mistakes import InventoryMistakes, Mistake, Place
from launchpad.fleet.words.names import SecretName
from launchpad.runner.hint import Next

LARGEST_FILE = 8 * 1024 * 1024
_HEADER = "# Written by launchpad, sealed with age. To change a value: launchpad secret set TENANT NAME\n"
_AFTER = Next("secret reseal") + "; then set the secrets again that only the other side had"
_EXPECTED = "version, recipients and value, as launchpad writes them"


@dataclass(frozen=True)
class SealedSecret:
    """A sealed secret. A removed secret keeps its version, so that no later value gets the same version."""

    version: int
    recipients: str
    """The digest of the set of recipients."""
    value: str | None
    """The sealed value as armored age; None for a removed secret."""

    def removed(self) -> SealedSecret:
        """The entry after the removal of its value."""
        return SealedSecret(self.version, "", None)


def write_entries(entries: Mapping[SecretName, SealedSecret]) -> bytes:
    """The file's content."""
    record = {str(name): _as_record(entries[name]) for name in sorted(entries)}
    return (_HEADER + yaml.dump(record, Dumper=_Dumper, sort_keys=False, width=4096)).encode()


def read_entries(file: str, content: bytes) -> dict[SecretName, SealedSecret]:
    """Parse the entries; InventoryMistakes when Launchpad did not write the file."""
    hint = "take the file's last good version from Git"
    text = content.decode(errors="replace")
    if conflict := conflict_in(file, text, hint=f"git checkout --ours {file} or --theirs; git add {file}; {_AFTER}"):
        raise InventoryMistakes([conflict])
    try:
        if len(content) > LARGEST_FILE:
            raise ValueError
        record = yaml.load(content, Loader=yaml.CSafeLoader) or {}
    except (yaml.YAMLError, ValueError) as error:  # UnicodeDecodeError is a ValueError
        mark = getattr(error, "problem_mark", None)
        place = Place(file, mark.line + 1 if mark else 1)
        raise InventoryMistakes([Mistake(place, "not the format that Launchpad writes", _EXPECTED, hint)]) from None
    mistakes: list[Mistake] = []
    entries: dict[SecretName, SealedSecret] = {}
    for name, item in record.items() if isinstance(record, dict) else [("", record)]:
        try:
            entries[SecretName(str(name))] = _as_entry(item)
        except Malformed as error:
            place = Place(file, _line_of(content, name))
            mistakes.append(Mistake(place, error.what, error.expected, error.hint or hint))
    if mistakes:
        raise InventoryMistakes(mistakes)
    return entries


def _as_entry(item: object) -> SealedSecret:
    if not isinstance(item, dict) or not {"version"} <= set(item) <= {"version", "recipients", "value", "removed"}:
        raise Malformed("not a sealed secret", expected=_EXPECTED)
    version, recipients, value = item["version"], item.get("recipients", ""), item.get("value")
    if type(version) is not int or version < 1 or not isinstance(recipients, str):
        raise Malformed("not a sealed secret", expected=_EXPECTED)
    if (value is None) != (item.get("removed") is True):
        raise Malformed("not a sealed secret", expected=_EXPECTED)
    if value is not None and not (isinstance(value, str) and value.startswith(ARMOR)):
        hint = "everybody who can read this file knows the value: get a new value from its provider, then " + Next(
            "secret set"
        )
        raise Malformed("a value that is not sealed", expected="armored age", hint=hint)
    return SealedSecret(version, recipients, value)


def _as_record(entry: SealedSecret) -> dict[str, object]:
    if entry.value is None:
        return {"version": entry.version, "removed": True}
    return {"version": entry.version, "recipients": entry.recipients, "value": _Block(entry.value)}


def _line_of(content: bytes, name: object) -> int:
    prefix = f"{name}:".encode()
    return next((number for number, line in enumerate(content.splitlines(), 1) if line.startswith(prefix)), 1)


class _Block(str):
    """A text that YAML writes on lines of its own."""


class _Dumper(yaml.SafeDumper):
    pass


_Dumper.add_representer(_Block, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|"))
