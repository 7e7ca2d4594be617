"""What an operation asks for: its kind, tenant, release, what it replaces, and its options.

Two requests with the same intent are the same operation. The inventory's revision is no part of it: somebody may have
committed any file between a request and the same request again.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from launchpad.runner.protocol import Refused, canonical, digest_of

OF_THE_MOMENT = frozenset({"inventory", "signature", "without", "rehearsed"})
"""Keys that may differ when the same operation is asked for again: the revision, who signed the settings, the probes
that failed just then, and where the rehearsal was."""
IN_THE_RELEASE = "files"
"""The release has the digest of each file."""
IN_RECEIPT_OF_THE_MOMENT = frozenset({"epoch", "at", "by"})
LONGEST_SHOWN = 40
LONGEST_LABEL = 80
MOST_WORDS = 4096
"""Bytes of a command's words."""


def intent(operation: Mapping[str, Any]) -> dict[str, Any]:
    """The operation without what belongs to one try; its release as a digest."""
    kept = {key: item for key, item in operation.items() if key not in OF_THE_MOMENT and key != IN_THE_RELEASE}
    if isinstance(release := kept.get("release"), dict):
        kept["release"] = digest_of(canonical(release))
    if isinstance(receipt := kept.get("receipt"), dict):
        kept["receipt"] = {key: item for key, item in receipt.items() if key not in IN_RECEIPT_OF_THE_MOMENT}
    return kept


def intent_digest(operation: Mapping[str, Any]) -> str:
    return digest_of(canonical(intent(operation)))


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """What two intents differ in, for people: `release 0c4f2a9d11b7 → 9a01…`, `soak 60 → 0`."""
    one, other = intent(before), intent(after)
    for key in sorted(one.keys() | other.keys(), key=lambda key: (key not in ("kind", "tenant"), key)):
        if one.get(key) != other.get(key):
            yield f"{key.replace('_', ' ')} {_shown(one.get(key))} → {_shown(other.get(key))}"


def _shown(value: Any) -> str:
    if value is None or value in ("", [], {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str) and value.startswith("sha256:"):
        return value.removeprefix("sha256:")[:12]
    if isinstance(value, (str, int)):
        text = str(value)
        return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
    return digest_of(canonical(value)).removeprefix("sha256:")[:12]


def label(value: str | None) -> str:
    """For whom the caller acts; Refused unless it is one short line of text."""
    text = value or ""
    if len(text) > LONGEST_LABEL or not text.isprintable() or text != text.strip():
        raise Refused(f"on_behalf_of: expected one line of at most {LONGEST_LABEL} printable characters")
    return text


def words(value: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The words of the caller's command, by which another process compares its own command; Refused when too long."""
    if len(canonical(value or {})) > MOST_WORDS:
        raise Refused(f"words: more than {MOST_WORDS} bytes")
    return value or {}
