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
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import quote, quote_plus

from launchpad.runner.diagnosing import public_words
from launchpad.runner.diagnosing.secret_parts import FRAGMENT, randoms, wholes

BLACK = "[secret]"
_PART = 6
_STRIDE = FRAGMENT - _PART + 1
"""Of any FRAGMENT characters in a row a whole part begins at a multiple of this, wherever they stand."""
_APART = "\x1e"
"""Between two values while all are one text; taken out of every value first."""
_UNPRINTED = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\\+u0000")
"""Also as JSON writes the zeros of UTF-16."""
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
        self._heads: dict[str, list[str]] = {}
        """What stands as a whole, by its first FRAGMENT characters."""
        self._grams: set[str] = set()
        self._parts: set[str] = set()
        short: set[str] = set()
        for value in (value for values in secrets.values() for value in values):
            for part in wholes(value):
                for form in _forms(part):
                    if len(form) < FRAGMENT:
                        short.add(form)
                    else:
                        self._heads.setdefault(form[:FRAGMENT], []).append(form)
                        self._parts.update(form[at : at + _PART] for at in range(_STRIDE))
            for part in randoms(value):
                for form in _forms(part):
                    self._grams.update(form[at : at + FRAGMENT] for at in range(len(form) - FRAGMENT + 1))
                    self._parts.update(form[at : at + _PART] for at in range(len(form) - _PART + 1))
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
        texts: list[str] = []
        _gather(value, texts)
        done = iter(self.text(_APART.join(_UNPRINTED.sub("", text) for text in texts)).split(_APART))
        return _rebuilt(value, done)

    def secrets(self, value: Any) -> Any:
        """The same tree with addresses and names, but without secrets: for whom the host's operators trust anyway."""
        texts: list[str] = []
        _gather(value, texts)
        text = self._without_tokens(self._without_secrets(_APART.join(_UNPRINTED.sub("", item) for item in texts)))
        return _rebuilt(value, iter(text.split(_APART)))

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

    def _without_secrets(self, text: str) -> str:
        pieces, done = [], 0
        for begin, end in self._spans(text):
            pieces += [text[done:begin], BLACK]
            done = end
            self.removed["secrets"] += 1
        text = "".join([*pieces, text[done:]])
        for form in self._short:
            if form in text:
                self.removed["secrets"] += text.count(form)
                text = text.replace(form, BLACK)
        return text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where secrets stand, in order; those that touch are one."""
        begin = end = 0
        some = [at for at in range(0, len(text), _STRIDE) if text[at : at + _PART] in self._parts]
        for at in (at for near in some for at in range(max(near - _STRIDE + 1, 0), near + 1)):
            gram = text[at : at + FRAGMENT]
            reaches = at + FRAGMENT if gram in self._grams else 0
            for form in self._heads.get(gram, ()):
                if text.startswith(form, at):
                    reaches = max(reaches, at + len(form))
            if not reaches:
                continue
            if at > end or not end:
                if end:
                    yield begin, end
                begin = at
            end = max(end, reaches)
        if end:
            yield begin, end

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
    written |= {data.hex(), data.hex().upper()}
    for alignment in range(3):
        whole = base64.b64encode(b"\0" * alignment + data).decode().rstrip("=")
        # The first and the last character may be another's too.
        begin = (0, 2, 3)[alignment]
        end = len(whole) if (alignment + len(data)) % 3 == 0 else len(whole) - 1
        written |= {whole[begin:end], whole[begin:end].replace("+", "-").replace("/", "_")}
    return {form for form in written if len(form) >= 6}
