"""How secrets get into logs on real hosts, in forms that nobody told the redactor's author; and who could read them.

A way gives what stands in the evidence: lines that follow each other, each a list of pieces. A piece is one or more
characters of the secret, as they are written there. Whoever opens the bundle reads a secret when 12 of its characters
stand there in a row, or in pieces that stand in lines that follow each other.
"""

from __future__ import annotations

import base64
import html
import itertools
import json
import random
import string
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple
from urllib.parse import quote

REVEALING = 12


class Written(NamedTuple):
    """One line: what stands around the secret, and the secret's pieces with how many characters each reveals."""

    before: str
    pieces: Sequence[tuple[str, int]]
    after: str = ""

    @property
    def text(self) -> str:
        return self.before + "".join(piece for piece, _ in self.pieces) + self.after


Way = Callable[[str], list[Written]]


def secrets(number: int, seed: int) -> list[str]:
    """Keys as providers make them: the length and the alphabet of each are those of real ones, the values are not."""
    chance = random.Random(seed)
    letters, digits = string.ascii_letters, string.digits

    def some(alphabet: str, length: int) -> str:
        return "".join(chance.choice(alphabet) for _ in range(length))

    makes: Sequence[Callable[[], str]] = (
        lambda: f"sk-ant-api03-{some(letters + digits + '-_', 80)}AA",
        lambda: f"sk-proj-{some(letters + digits + '-_', 48)}",
        lambda: f"{some(digits, 10)}:AA{some(letters + digits + '-_', 33)}",
        lambda: f"xoxb-{some(digits, 12)}-{some(digits, 12)}-{some(letters + digits, 24)}",
        lambda: some(letters + digits + "+/", 40),
        lambda: some("0123456789abcdef", 32),
        lambda: some(letters + digits + "!@#$%^&*()-_=+[]{};:,.<>/?", 24),
        lambda: some(letters + digits, 20),
        lambda: f"AIza{some(letters + digits + '-_', 35)}",
    )
    found: dict[str, None] = {}
    for make in itertools.cycle(makes):
        if len(found) >= number:
            break
        found[make()] = None
    return list(found)


def each(value: str, write: Callable[[str], str] = str) -> list[tuple[str, int]]:
    return [(write(mark), 1) for mark in value]


def octets(value: str, write: Callable[[int], str]) -> list[tuple[str, int]]:
    return [(write(byte), 1) for byte in value.encode()]


def line(before: str, after: str, write: Callable[[str], str] = str) -> Way:
    return lambda value: [Written(before, each(value, write), after)]


def wrapped(width: int) -> Way:
    """A terminal or a logger breaks the line in the secret."""

    def way(value: str) -> list[Written]:
        text = "[config] loaded token="
        room = max(4, min(width, len(value) * 2 // 3))
        cuts = [value[at : at + room] for at in range(0, len(value), room)]
        return [Written(text if not number else "", each(cut)) for number, cut in enumerate(cuts)]

    return way


def hexdump(value: str) -> list[Written]:
    """hexdump -C of a request: the bytes, and the same as text beside them."""
    data, lines = b"Bearer " + value.encode() + b"\r\n\r\n", []
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        shown = "".join(chr(byte) if 32 <= byte < 127 else "." for byte in row)
        inside = [(f"{byte:02x} ", 1) for byte in row]
        own = inside[7:] if at == 0 else inside[: max(0, 7 + len(value) - at)]
        head = f"{at:08x}  " + ("".join(piece for piece, _ in inside[:7]) if at == 0 else "")
        lines.append(Written(head, own, f" |{shown}|"))
    return [item for item in lines if item.pieces]


def columns(value: str) -> list[Written]:
    """The same, read in the column of text."""
    found = []
    for own in hexdump(value):
        head, _, shown = own.text.partition("|")
        text = shown[:-1]
        inside = text[7:] if not found else text.rstrip(".")
        found.append(Written(f"{head}|{text[:7] if not found else ''}", each(inside), "|"))
    return found


def sixty_four(before: bytes, *, width: int = 0, twice: bool = False) -> Way:
    """Base64 of something in which the secret stands, in lines of a width."""

    def way(value: str) -> list[Written]:
        data = before + value.encode() + b'","model":"x"}'
        text = base64.b64encode(base64.b64encode(data) if twice else data).decode()
        groups = [text[at : at + 4] for at in range(0, len(text), 4)]
        size = 9 / 4 if twice else 3
        first = int(-(-len(before) // size))
        last = int((len(before) + len(value.encode())) // size)
        told = [(group, int(size) if first <= number < last else 0) for number, group in enumerate(groups)]
        step = width // 4 or len(told)
        return [Written("" if at else "payload=", told[at : at + step]) for at in range(0, len(told), step)]

    return way


def escaped_twice(value: str) -> list[Written]:
    return [
        Written(
            '{"level":"error","err":"{\\"key\\":\\"',
            each(value, lambda mark: json.dumps(json.dumps(mark)[1:-1])[1:-1]),
            '\\"}"}',
        )
    ]


WAYS: Mapping[str, Way] = {
    "URL: user-info": lambda value: [Written("git clone https://x-token:", each(value, lambda mark: quote(mark, safe="")), "@git.example.net/a.git failed")],
    "URL: twice": line("GET /login?next=%2Fcb%3Ftoken%3D", " 302", lambda mark: quote(quote(mark, safe=""), safe="")),
    "URL: every character": line("GET /cb?token=", " 200", lambda mark: "".join(f"%{byte:02x}" for byte in mark.encode())),
    "a name of a file": line("ENOENT: no such file or directory, open '/home/node/.openclaw/cache/", ".json'", lambda mark: mark.replace("/", "_")),
    "a name of a host": lambda value: [Written("getaddrinfo ENOTFOUND ", each(value.lower()), ".example.net")],
    "environment of a unit": line("systemd[1]: Environment=API_KEY=", ' "PATH=/usr/bin"'),
    "environment, printed by node": line("  ANTHROPIC_API_KEY: '", "',"),
    "argv, printed by sudo": line("sudo: dana : PWD=/ ; USER=root ; COMMAND=/usr/bin/curl -H 'X-Key: ", "' https://api"),
    "argv, with nulls": line("cmdline: node\\x00--token\\x00", "\\x00--port\\x0018789"),
    "json in json": escaped_twice,
    "json, every character": line('{"token":"', '"}', lambda mark: f"\\u{ord(mark):04x}"),
    "html, decimal": line("<td>", "</td>", lambda mark: f"&#{ord(mark)};"),
    "html, hexadecimal": line("<td>", "</td>", lambda mark: f"&#x{ord(mark):x};"),
    "html, twice": line("<td>", "</td>", lambda mark: html.escape(html.escape(mark))),
    "backslash x": lambda value: [Written("recv(7, b'", octets(value, lambda byte: f"\\x{byte:02x}"), "', 64) = 64")],
    "octal, by strace": lambda value: [Written('write(5, "', octets(value, lambda byte: f"\\{byte:03o}"), '", 64) = 64')],
    "quoted-printable": lambda value: [Written("Subject: =?utf-8?Q?", octets(value, lambda byte: f"={byte:02X}"), "?=")],
    "a Buffer of node": lambda value: [Written("data: <Buffer 7b ", octets(value, lambda byte: f"{byte:02x} "), "7d>")],
    "a list of bytes": lambda value: [Written('{"type":"Buffer","data":[', octets(value, lambda byte: f"{byte},"), "10]}")],
    "a list of bytes, by od": lambda value: [Written("0000000 ", octets(value, lambda byte: f" {byte:3d}"), "  10")],
    "hex with colons": lambda value: [Written("key: ", octets(value, lambda byte: f"{byte:02x}:"), "0a")],
    "hex, 0x": lambda value: [Written("mem: ", octets(value, lambda byte: f"0x{byte:02x} "), "")],
    "hex of UTF-16": lambda value: [Written("0x", octets(value, lambda byte: f"{byte:02x}00"), "")],
    "hexdump -C": hexdump,
    "hexdump, its text": columns,
    "base64 in lines of 76": sixty_four(b'{"a":1,"key":"', width=76),
    "base64 in lines of 32": sixty_four(b'{"apiKey":"', width=32),
    "base64 of user and secret": sixty_four(b"dana:"),
    "base64 of base64": sixty_four(b"u:", twice=True),
    "broken after 60": wrapped(60),
    "broken after 11": wrapped(11),
    "broken after 8": wrapped(8),
    "a shell's quotes": lambda value: [Written("+ curl -u x:", each(value, lambda mark: f"'\\{mark}'" if mark in "!*'" else mark), " https://api")],
    "characters with spaces": line("code: ", ".", lambda mark: f"{mark} "),
    "colours between": lambda value: [Written("\x1b[32mtoken\x1b[0m ", [(f"{mark}\x1b[0m" if not at % 5 else mark, 1) for at, mark in enumerate(value)], "")],
    "zero width between": lambda value: [Written("token ", [(f"{mark}\u200b" if at % 10 == 9 else mark, 1) for at, mark in enumerate(value)], "")],
    "upper case": lambda value: [Written("X-TOKEN: ", each(value.upper()), "")],
    "cut short": lambda value: [Written("token ", each(value[: max(16, len(value) * 2 // 3)]), "… (truncated)")],
}  # fmt: skip


def is_read(text: str, written: Sequence[Written]) -> bool:
    """Whether somebody who reads the text learns 12 characters of the secret in a row."""
    run = 0
    for item in written:
        pieces = [(piece, count) for piece, count in item.pieces if count]
        if not pieces:
            continue
        best = _longest(text, pieces)
        if best >= REVEALING:
            return True
        whole = best == sum(count for _, count in pieces) and best >= 4
        run = run + best if whole else 0
        if run >= REVEALING:
            return True
    return False


def _longest(text: str, pieces: Sequence[tuple[str, int]]) -> int:
    """Of how many characters in a row the pieces stand in the text, at most as many as reveal the secret."""
    best, begin, count = 0, 0, 0
    for end, (_, reveals) in enumerate(pieces, 1):
        count += reveals
        while begin < end and "".join(piece for piece, _ in pieces[begin:end]).rstrip() not in text:
            count -= pieces[begin][1]
            begin += 1
        best = max(best, count)
        if best >= REVEALING:
            return best
    return best
