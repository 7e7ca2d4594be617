"""What of a line that an app wrote goes into a bundle: what happened, never what somebody wrote to the app. Pure."""

from __future__ import annotations

import json
import re
from typing import Any

LONGEST = 600
"""Characters of a line that are kept."""
_BODIES_TEXT = (
    "body text content contents prompt prompts caption reply replies transcript query input inputs output outputs "
    "html markdown completion utterance question answer summary snippet quote messagetext rawbody payload arguments "
    "args stdin stdout thinking reasoning conversation history"
)
_BODIES = frozenset(_BODIES_TEXT.split())
_NAMED = re.compile(
    rf"(?i)(?<![\w-])({'|'.join(sorted(_BODIES, key=len, reverse=True))})(\\?[\"']?\s*[=:]\s*)"
    r"(?:\\?\"((?:[^\"\\]|\\.)*)(?:\"|$)|'([^']*)(?:'|$)|(\S.*?)(?=\s+[A-Za-z_]\w*=|$))"
)
_SAID = re.compile(
    r"(?i)((?:inbound|outbound|incoming|received|sent|sending|delivered|user|assistant|human|agent)\s+"
    r"(?:message|reply|prompt|text)(?:\s+(?:from|to)\s+[^:\s]+)?\s*:\s+)(\S.*)$"
)
_QUOTED = re.compile(r"\"((?:[^\"\\]|\\.){80,})\"|'([^']{80,})'")
_MESSAGE_OF_ERROR = re.compile(r"(?i)(?:error\\?\".{0,120}\bmessage|\b(?:error\w*|detail))\\?\"\s*:\s*$")
_ERROR = re.compile(r"(?i)error|fail|refus|denied|invalid|cannot|exception")


def without_bodies(line: str) -> str:
    """The line without message bodies; of each its length stays."""
    if line.lstrip().startswith("{"):
        try:
            return json.dumps(_emptied(json.loads(line)), ensure_ascii=False)[: 2 * LONGEST]
        except ValueError:
            pass
    line = _NAMED.sub(_unsaid, line)
    line = _SAID.sub(lambda found: f"{found[1]}{_length(found[2])}", line)
    line = _QUOTED.sub(_unquoted, line)
    return line if len(line) <= LONGEST else f"{line[:LONGEST]}… {_length(line[LONGEST:])}"


def _emptied(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        if name.lower() in _BODIES:
            return _length(json.dumps(value))
        return {key: _emptied(item, str(key)) for key, item in value.items()}
    if isinstance(value, list):
        return _length(json.dumps(value)) if name.lower() in _BODIES else [_emptied(item, name) for item in value[:20]]
    if not isinstance(value, str):
        return value
    if name.lower() in _BODIES:
        return _length(value)
    bare = without_bodies(value) if not value.lstrip().startswith("{") else value[:LONGEST]
    return bare if len(bare) <= LONGEST else _length(value)


def _unsaid(found: re.Match[str]) -> str:
    said = found[3] if found[3] is not None else found[4] if found[4] is not None else found[5]
    return f"{found[1]}{found[2]}{_length(said)}"


def _unquoted(found: re.Match[str]) -> str:
    """A long quotation; what a service says of an error is no message of anybody's."""
    said = found[1] or found[2]
    of_error = _ERROR.search(said) or _MESSAGE_OF_ERROR.search(found.string[: found.start()])
    return found[0] if of_error and len(said) <= LONGEST else f'"{_length(said)}"'


def _length(text: str) -> str:
    return f"[{len(text)} characters]"
