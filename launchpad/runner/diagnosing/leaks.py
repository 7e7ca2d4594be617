"""Whether a secret stands in finished bytes: raw, in twelve encodings, or as a fragment. Independent of the redactor.

The check knows no encoded form of a secret. It takes the bytes apart instead: it decodes whatever may be base64
(standard or URL-safe, at each alignment) or hex (lower or upper), and takes away what JSON, HTML, URLs and UTF-16 put
around characters. Then it looks for the raw values. What is compressed or encrypted inside the bytes stays unseen.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterable, Iterator, Mapping
from urllib.parse import unquote_to_bytes

from launchpad.runner.diagnosing.secret_parts import FRAGMENT, randoms, wholes
from launchpad.runner.record import Record

_GRAM = 6
_STRIDE = FRAGMENT - _GRAM + 1
"""Whatever is FRAGMENT bytes long has a whole gram at a multiple of this, wherever it stands."""
_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{8,}")
_HEX = re.compile(rb"[0-9A-Fa-f]{12,}")
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f"}
_STANDARD = bytes.maketrans(b"-_", b"+/")
_APART = b"\n"
_NUMBERED = re.compile(rb"(?:\\+x|\\+u00|%(?:25)*|=)([0-9A-Fa-f]{2})|\\+([0-3][0-7]{2})")
_PAIRS = re.compile(rb"[0-9A-Fa-f]{2}(?:[\s:,]+(?:0x)?[0-9A-Fa-f]{2}){11,}")
_PAIR_APART = re.compile(rb"[\s:,]+(?:0x)?")
_DECIMALS = re.compile(rb"\d{1,3}(?:[, ]+\d{1,3}){11,}")
_TIME = re.compile(
    rb"\d{4}-\d\d-\d\dT[\d:.]+(?:Z|[+-]\d\d:?\d\d)(?: \S+ [\w.@-]+(?:\[\d+\])?:)?|\x1b?\[[\d;]{1,8}m|\\u001b|\\n"
)
_NO_WORD = re.compile(rb"[^A-Za-z0-9]+")


class Leak(Record):
    """A secret that stands in the bytes."""

    secret: str
    """Whose it is and its name; never its value."""
    form: str
    """How it stands there: `raw`, `base64`, `hex`, `escaped` (JSON, HTML, URL, UTF-16), or `spelled`: character by
    character, in other capitals, or over several lines."""


def leaks(data: bytes, secrets: Mapping[str, Iterable[str]]) -> list[Leak]:
    """Every secret (by its name, which may have several values) that stands in the data."""
    needles, bare_needles = _Needles(secrets), _Needles(secrets, bare=True)
    found: dict[str, str] = {}
    for form, text in _peeled(data):
        for name in needles.within(text):
            found.setdefault(name, form)
    for text in _spelled(data):
        for name in bare_needles.within(_bare(text)):
            found.setdefault(name, "spelled")
    return [Leak(secret=name, form=form) for name, form in found.items()]


class _Needles:
    """The raw values, indexed by all their grams; bare ones are random values without all but letters and digits."""

    def __init__(self, secrets: Mapping[str, Iterable[str]], *, bare: bool = False) -> None:
        self._short: list[tuple[bytes, str]] = []
        self._grams: dict[bytes, list[tuple[bytes, int, bool, str]]] = {}
        for name, values in secrets.items():
            for value in values:
                for part in () if bare else wholes(value):
                    self._add(part.encode(), name, in_parts=False)
                for part in randoms(value):
                    data = _bare(part.encode()) if bare else part.encode()
                    if len(data) >= FRAGMENT + 2 * bare:
                        self._add(data, name, in_parts=True)

    def _add(self, part: bytes, name: str, *, in_parts: bool) -> None:
        if len(part) < FRAGMENT:
            self._short.append((part, name))
            return
        for offset in range(len(part) - _GRAM + 1):
            own = self._grams.setdefault(part[offset : offset + _GRAM], [])
            own.append((part, offset, in_parts, name))

    def within(self, text: bytes) -> Iterator[str]:
        yield from (name for part, name in self._short if part in text)
        if not self._grams:
            return
        for at in range(0, len(text) - _GRAM + 1, _STRIDE):
            for part, offset, in_parts, name in self._grams.get(text[at : at + _GRAM], ()):
                if _stands(text, at, part, offset, least=FRAGMENT if in_parts else len(part)):
                    yield name


def _stands(text: bytes, at: int, part: bytes, offset: int, *, least: int) -> bool:
    """Whether so many bytes of the part stand around that place of the text."""
    before = 0
    while before < min(at, offset) and text[at - before - 1] == part[offset - before - 1]:
        before += 1
    after = _GRAM
    most = min(len(text) - at, len(part) - offset)
    while after < most and text[at + after] == part[offset + after]:
        after += 1
    return before + after >= least


def _peeled(data: bytes) -> Iterator[tuple[str, bytes]]:
    """The data as it is, and as what may be encoded in it."""
    yield "raw", data
    layer = data
    for depth in range(4):  # a file of JSON in a line of JSON in a bundle of JSON
        if depth:
            before, layer = layer, _ESCAPE.sub(_unescape, layer)
            if layer == before:
                return
            yield "escaped", layer
        bare = html.unescape(layer.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
        for text in {unquote_to_bytes(layer), bare, unquote_to_bytes(bare), layer.replace(b"\0", b"")} - {layer}:
            yield "escaped", text
        decoded = _APART.join(_from_base64(layer))
        yield "base64", decoded
        yield "base64", _APART.join(_from_base64(decoded))
        yield "hex", _APART.join(_from_hex(layer))


def _spelled(data: bytes) -> Iterator[bytes]:
    """The data, and what it is when each character that was written as a number is one again."""
    yield data
    layer = data
    for _ in range(2):
        layer = _NUMBERED.sub(_numbered, layer)
        layer = html.unescape(layer.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    yield layer
    yield _APART.join(bytes.fromhex(_PAIR_APART.sub(b"", run).decode()) for run in _PAIRS.findall(data))
    yield _APART.join(bytes(int(item) % 256 for item in re.split(rb"[, ]+", run)) for run in _DECIMALS.findall(data))


def _numbered(found: re.Match[bytes]) -> bytes:
    return bytes([int(found[1], 16) if found[1] else int(found[2], 8)])


def _bare(text: bytes) -> bytes:
    """Nothing but small letters and digits, and no times: the next line goes on where one broke."""
    return _NO_WORD.sub(b"", _TIME.sub(b"", text)).lower()


def _unescape(found: re.Match[bytes]) -> bytes:
    if found[1]:
        return chr(int(found[1], 16)).encode("utf-8", "surrogatepass")
    return _ESCAPED.get(found[2], found[2])


def _from_base64(text: bytes) -> Iterator[bytes]:
    for run in _BASE64.findall(text):
        run = run.translate(_STANDARD)
        for alignment in range(4):
            part = run[alignment:]
            if len(part) % 4 == 1:
                part = part[:-1]
            yield base64.b64decode(part + b"=" * (-len(part) % 4)).replace(b"\0", b"")


def _from_hex(text: bytes) -> Iterator[bytes]:
    for run in _HEX.findall(text):
        for alignment in range(2):
            part = run[alignment:]
            yield binascii.unhexlify(part[: len(part) // 2 * 2]).replace(b"\0", b"")
