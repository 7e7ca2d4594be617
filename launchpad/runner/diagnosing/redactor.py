"""Take secrets, addresses and names out of what was collected, in every value and every key. Pure.

A secret becomes `[secret]`, raw and in each form that a program may have given it; of a random one, any twelve
characters in a row. What looks like a token that nobody told the host of goes too. Addresses and names become
`ip-1f0c22ab` and `name-90ab4d1e`: the same one in every bundle that was made with the same key.
"""

from __future__ import annotations

import base64
import hmac
import html
import json
import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any
from urllib.parse import quote, quote_plus

from launchpad.runner.diagnosing import public_words
from launchpad.runner.diagnosing.folding import folded, folded_line, places, unpacked
from launchpad.runner.diagnosing.gram_index import GramIndex
from launchpad.runner.diagnosing.secret_parts import FRAGMENT, randoms, wholes

BLACK = "[secret]"
_APART = "\x1e"
"""Between two values while all are one text; taken out of every value first."""
_UNPRINTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\\+u0000")
"""Also as JSON writes the zeros of UTF-16."""
_DUMP = re.compile(
    r"(?:(?:0x)?[0-9A-Fa-f]{2}[ :,]+){7,}(?:0x)?[0-9A-Fa-f]{2}\b(?: *\|.{1,16}\|)?"
    r"|(?<!\w)(?:0x)?[0-9a-f]{4,8}:? +(?:[0-9a-f]{2} +)+ *\|.{1,16}\|"
    r"|(?<!\w)(?:0x)?[0-9a-f]{4,8}: +(?:[0-9a-f]{2,4} +)+ .{1,16}$"
    r"|\[(?:\d{1,3}, *){7,}\d{1,3}\]?|(?<![\w.])(?:\d{1,3} +){11,}\d{1,3}(?![\w.])"
)
"""Bytes in hex or in decimal, and the text beside them: what was sent or stored, which is nobody's business."""
_LONG_NUMBER = 100_000
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_TOKEN = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----[^\x1e]*?(?:-----END [A-Z ]*PRIVATE KEY-----|(?=\x1e)|\Z)"
    r"|AGE-SECRET-KEY-1[A-Z0-9]+"
    r"|\b[spr]k[-_](?:[A-Za-z0-9]+[-_])*[A-Za-z0-9_-]{16,}"
    r"|\bxox[a-z]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}|\bgh[a-z]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|(?<=[0-9]{8}):[A-Za-z0-9_-]{30,}|\bAKIA[A-Z0-9]{16}\b|\bAIza[A-Za-z0-9_-]{30,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
)
_TOKEN_BEGINS = re.compile(
    r"-----BEGIN |AGE-SECRET|[spr]k[-_]|xox|xapp-|gh[a-z]_|github_pat|AKIA|AIza|eyJ|:[A-Za-z0-9_-]{30}"
)
_ASSIGNED = re.compile(
    r"(?i)((?:(?:bearer|basic)(?!\w)|passw(?:or)?d|secret|token|api[-_]?key)\\?[\"']?(?:\s*[:=]\s*|\s+)\\?[\"']?)"
    r"([A-Za-z0-9+/_.~=-]{12,})"
)
_ASSIGNED_BEGINS = re.compile(
    r"[Bb][Ee][Aa][Rr][Ee][Rr]|[Bb][Aa][Ss][Ii][Cc]|[Pp][Aa][Ss][Ss][Ww]|[Ss][Ee][Cc][Rr][Ee][Tt]|[Tt][Oo][Kk][Ee][Nn]"
    r"|[Aa][Pp][Ii][-_]?[Kk][Ee][Yy]"
)
"""How each may begin: a search for this is ten times as fast."""
_IPV4 = re.compile(r"(?<![\w.-])(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)\.){3}(?:25[0-5]|2[0-4]\d|1?\d?\d)(?![\w-]|\.\d)")
_IPV6 = re.compile(r"(?<![\w:.])(?:[0-9a-fA-F]{0,4}:){2,7}(?:[0-9a-fA-F]{1,4}|(?:\d{1,3}\.){3}\d{1,3})?(?![\w:])")
_MAC = re.compile(r"(?<![\w:])(?:[0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}(?![\w:])")
_MAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@((?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,})(?![\w-])")
_DOMAIN = re.compile(r"(?<![\w.@-])(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,24}(?![\w-])")
_PHONE = re.compile(r"(?<![\w+])\+[1-9]\d{7,14}(?!\w)")
_HANDLE = re.compile(r"(?<![\w./@-])@[A-Za-z]\w{3,31}(?![\w/.-])")
_HOME = re.compile(r"(?<=/home/)[A-Za-z0-9._-]+")


class Redactor:
    """Knows the secrets (name → values), the names that are to be mapped, and the key of the mapping."""

    def __init__(
        self, secrets: Mapping[str, Iterable[str]], *, key: bytes, names: Iterable[str] = (), kept: Iterable[str] = ()
    ) -> None:
        self._forms = GramIndex()
        self._folded = GramIndex()
        """The same without escapes, case, and what stands between."""
        short: set[str] = set()
        for value in (value for values in secrets.values() for value in values):
            for part in wholes(value):
                for form in _forms(part):
                    if len(form) < FRAGMENT:
                        short.add(form)
                    else:
                        self._forms.add_whole(form)
                if len(bare := folded(part)) >= FRAGMENT:
                    self._folded.add_whole(bare)
            for part in randoms(value):
                self._folded.add_fragments(folded(part))
                for form in _forms(part):
                    self._forms.add_fragments(form)
        self._short = sorted(short, key=lambda form: (-len(form), form))
        self._key = key
        self._kept = frozenset(word.lower() for word in kept) | public_words.NAMES
        own = sorted({name for name in names if len(name) > 1 and name.lower() not in self._kept}, key=len)
        listed = "|".join(map(re.escape, reversed(own)))
        self._names = re.compile(rf"(?<![\w-])(?:{listed})(?![\w-])") if own else None
        self._mapped: dict[str, str] = {}
        self.removed: Counter[str] = Counter()
        """How much of each kind was taken out or mapped."""

    def __repr__(self) -> str:
        return "Redactor([secret])"

    def tree(self, value: Any) -> Any:
        """The same tree of JSON without secrets, addresses and names."""
        return _rebuilt(value, iter(self.text(self._gathered(value)).split(_APART)))

    def secrets(self, value: Any) -> Any:
        """The same tree with addresses and names, but without secrets: for whom the host's operators trust anyway."""
        text = self._without_tokens(self._without_secrets(self._gathered(value)))
        return _rebuilt(value, iter(text.split(_APART)))

    def _gathered(self, value: Any) -> str:
        """Every text in the tree, without the secrets that are hidden in them, as one."""
        texts: list[str] = []
        _gather(value, texts)
        return _APART.join(self._without_hidden([_UNPRINTED.sub("", text) for text in texts]))

    def text(self, text: str) -> str:
        """The text without secrets, addresses and names."""
        text = self._without_tokens(self._without_secrets(text))
        for kind, pattern, map_it in (
            ("names", _MAIL, self._mail),
            ("addresses", _MAC, lambda found: self._pseudonym("mac", found[0])),
            ("addresses", _IPV4, self._address),
            ("addresses", _IPV6, self._address),
            ("names", _PHONE, lambda found: self._pseudonym("name", found[0])),
            ("names", _DOMAIN, self._domain),
            ("names", _HANDLE, lambda found: "@" + self._pseudonym("name", found[0])),
            ("names", _HOME, self._user),
            ("names", self._names, lambda found: self._pseudonym("name", found[0])),
        ):
            if pattern is not None:
                text = self._counted(kind, pattern, map_it, text)
        return text

    def _without_tokens(self, text: str) -> str:
        text = self._tokens(text, _TOKEN_BEGINS, _TOKEN, lambda _found: BLACK)
        return self._tokens(text, _ASSIGNED_BEGINS, _ASSIGNED, _assigned)

    def _without_hidden(self, texts: list[str]) -> list[str]:
        """The texts without the secrets that only somebody reads who decodes them, or who reads on in the next one."""
        texts = [self._counted("dumps", _DUMP, _dumped, text) for text in texts]
        bare = [folded_line(text) for text in texts]
        for number, begin, end in self._parts_of(bare):
            where = places(texts[number])
            # from the back: the places before stay
            texts[number] = f"{texts[number][: where[begin][0]]}{BLACK}{texts[number][where[end - 1][1] :]}"
            self.removed["secrets"] += 1
        for number, text in enumerate(texts):
            packed = [(begin, end) for begin, end, inside in unpacked(text) if any(map(self._holds, inside))]
            for begin, end in reversed(packed):
                texts[number] = f"{texts[number][:begin]}{BLACK}{texts[number][end:]}"
                self.removed["secrets"] += 1
        return texts

    def _parts_of(self, texts: list[str]) -> list[tuple[int, int, int]]:
        """Where secrets stand in the texts when they are read as one: text, from, to; the last one first."""
        ends = list(accumulate(map(len, texts)))
        found = []
        for begin, end in self._folded.spans("".join(texts)):
            for number in range(bisect_right(ends, begin), bisect_right(ends, end - 1) + 1):
                start = ends[number] - len(texts[number])
                if texts[number]:
                    found.append((number, max(begin - start, 0), min(end - start, len(texts[number]))))
        return found[::-1]

    def _holds(self, text: str) -> bool:
        return any(True for _ in self._folded.spans(text))

    def _without_secrets(self, text: str) -> str:
        pieces, done = [], 0
        for begin, end in self._forms.spans(text):
            pieces += [text[done:begin], BLACK]
            done = end
            self.removed["secrets"] += 1
        text = "".join([*pieces, text[done:]])
        for form in self._short:
            if form in text:
                self.removed["secrets"] += text.count(form)
                text = text.replace(form, BLACK)
        return text

    def _tokens(
        self, text: str, begins: re.Pattern[str], whole: re.Pattern[str], put: Callable[[re.Match[str]], str]
    ) -> str:
        pieces, done = [], 0
        for start in begins.finditer(text):
            found = whole.match(text, start.start()) if start.start() >= done else None
            if found and (new := put(found)) != found[0]:
                pieces += [text[done : found.start()], new]
                done = found.end()
                self.removed["tokens"] += 1
        return "".join([*pieces, text[done:]])

    def _counted(self, kind: str, pattern: re.Pattern[str], put: Callable[[re.Match[str]], str], text: str) -> str:
        def replaced(found: re.Match[str]) -> str:
            new = put(found)
            self.removed[kind] += new != found[0]
            return new

        return pattern.sub(replaced, text)

    def _pseudonym(self, kind: str, value: str) -> str:
        value = f"{kind} {value.lower()}"
        if value not in self._mapped:
            self._mapped[value] = f"{kind}-{hmac.digest(self._key, value.encode(), 'sha256').hex()[:8]}"
        return self._mapped[value]

    def _mail(self, found: re.Match[str]) -> str:
        return self._pseudonym("name", found[0]) if public_words.may_be_domain(found[1]) else found[0]

    def _domain(self, found: re.Match[str]) -> str:
        name, ending = found[0].lower(), ""
        while "." in name and not public_words.may_be_domain(name):  # alice.example.com.crt
            name, _, last = name.rpartition(".")
            ending = f".{last}{ending}"
        if "." not in name or name in self._kept or public_words.is_public(name):
            return found[0]
        return self._pseudonym("name", name) + ending

    def _address(self, found: re.Match[str]) -> str:
        return found[0] if public_words.is_no_address(found[0]) else self._pseudonym("ip", found[0])

    def _user(self, found: re.Match[str]) -> str:
        return found[0] if found[0].lower() in self._kept else self._pseudonym("name", found[0])


def _dumped(found: re.Match[str]) -> str:
    """Bytes that somebody printed; a row of numbers stays."""
    is_hex = re.search(r"[A-Fa-f]|0x|\||^\[", found[0]) is not None
    is_text = sum(31 < int(item) < 127 for item in re.findall(r"\d+", found[0])) >= FRAGMENT
    return "[bytes]" if is_hex or is_text else found[0]


def _assigned(found: re.Match[str]) -> str:
    """A value behind a word such as `token`; what is plainly no secret stays."""
    value = found[2]
    plain = re.fullmatch(r"(?:ip|name|mac)-[0-9a-f]{8}|[^\d]+|[\d.]+", value) is not None
    return found[0] if plain else f"{found[1]}{BLACK}"


def _gather(value: Any, into: list[str]) -> None:
    """Every text in the tree, keys too; a long number is one."""
    if isinstance(value, str):
        into.append(value)
    elif isinstance(value, Mapping):
        for key, item in value.items():
            into.append(str(key))
            _gather(item, into)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            _gather(item, into)
    elif isinstance(value, int) and abs(value) > _LONG_NUMBER:
        into.append(str(value))


def _rebuilt(value: Any, done: Iterator[str]) -> Any:
    if isinstance(value, str):
        return next(done)
    if isinstance(value, Mapping):
        return {next(done): _rebuilt(item, done) for item in value.values()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_rebuilt(item, done) for item in value]
    if isinstance(value, int) and abs(value) > _LONG_NUMBER:
        text = next(done)
        return value if text == str(value) else text
    return value


def _forms(part: str) -> set[str]:
    """How a program may have written the part."""
    data = part.encode()
    written = {
        part,
        quote(part, safe=""),
        quote(part),
        quote_plus(part),
        html.escape(part),
        html.escape(part, quote=False),
    }
    written |= {html.escape(part).replace("&#x27;", "&#39;"), html.escape(part).replace("&quot;", "&#34;")}
    written.add("".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02x}" for byte in data))
    written |= {"".join(f"%{byte:02X}" for byte in data), "".join(f"%{byte:02x}" for byte in data)}
    for text in list(written):
        for only_ascii in (True, False):
            once = json.dumps(text, ensure_ascii=only_ascii)[1:-1]
            written |= {once, json.dumps(once)[1:-1], once.replace("/", "\\/")}
    wide = "".join(f"{byte:02x}00" for byte in data)
    written |= {data.hex(), data.hex().upper(), wide, wide.upper()}
    for alignment in range(3):
        whole = base64.b64encode(b"\0" * alignment + data).decode().rstrip("=")
        # The first and the last character may be another's too.
        begin = (0, 2, 3)[alignment]
        end = len(whole) if (alignment + len(data)) % 3 == 0 else len(whole) - 1
        written |= {whole[begin:end], whole[begin:end].replace("+", "-").replace("/", "_")}
    return {form for form in written if len(form) >= 6}
