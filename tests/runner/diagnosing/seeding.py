"""Secrets as a test seeds them, in encodings of its own: neither the redactor's nor the check's."""

from __future__ import annotations

import random
import string
from collections.abc import Callable, Mapping
from typing import Any

ALPHABETS = (
    string.ascii_letters + string.digits,
    string.ascii_letters + string.digits + "-_",
    string.ascii_letters + string.digits + "+/",
    string.hexdigits.lower(),
    string.ascii_letters + string.digits + "!#$%&()*,;<=>?@^'\"\\ {}",
    string.digits,
)


def secrets(number: int, seed: int) -> list[str]:
    """So many different values, some with what JSON, HTML and URLs escape."""
    chance = random.Random(seed)
    found: dict[str, None] = {}
    while len(found) < number:
        alphabet = ALPHABETS[len(found) % len(ALPHABETS)]
        value = "".join(chance.choice(alphabet) for _ in range(chance.randrange(16, 57)))
        found[value.strip().ljust(16, "7")] = None
    return list(found)


_64 = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"


def _base64(value: str, before: bytes = b"", *, safe: bool = False) -> str:
    bits = "".join(f"{byte:08b}" for byte in before + value.encode() + b"xyz")
    text = "".join(_64[int(bits[at : at + 6], 2)] for at in range(0, len(bits) - 5, 6))
    return text.replace("+", "-").replace("/", "_") if safe else text


def _url(value: str) -> str:
    kept = string.ascii_letters + string.digits + "-._~"
    return "".join(mark if mark in kept else "".join(f"%{byte:02X}" for byte in mark.encode()) for mark in value)


def _json(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("/", "\\/")


def _html(value: str) -> str:
    for mark, written in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;")):
        value = value.replace(mark, written)
    return value


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "base64 at 0": lambda value: _base64(value),
    "base64 at 1": lambda value: _base64(value, b"u"),
    "base64 at 2": lambda value: _base64(value, b"u:"),
    "base64url at 0": lambda value: _base64(value, safe=True),
    "base64url at 1": lambda value: _base64(value, b"u", safe=True),
    "base64url at 2": lambda value: _base64(value, b"u:", safe=True),
    "hex": lambda value: "".join(f"{byte:02x}" for byte in value.encode()),
    "HEX": lambda value: "".join(f"{byte:02X}" for byte in value.encode()),
    "url": _url,
    "json": _json,
    "html": _html,
    "utf-16": lambda value: "\0".join(value) + "\0",
}


def decoded(data: bytes) -> str:
    """What a person sees who opens the bundle."""
    return data.decode()


def holds(text: str, value: str) -> str:
    """The encoding in which the value stands in the text; empty when it stands there in none."""
    if value in text:
        return "raw"
    for name, encode in ENCODINGS.items():
        form = encode(value)
        if name.startswith("base64"):
            form = form[2:-6]  # what the neighbours share
        if form in text or form.replace("\0", "\\u0000") in text or (name == "utf-16" and form[:-1] in text):
            return name
    return ""


def buried(values: list[str], seed: int) -> dict[str, Any]:
    """A host's sections with each value in each encoding, somewhere: in state, logs, configuration, words of programs,
    environments, a crash dump, names of files; as value and as key."""
    chance = random.Random(seed)
    found: dict[str, Any] = {
        "log": [], "settings": {}, "files": {}, "argv": [], "environment": {}, "dump": [], "names": {}, "journal": [],
    }  # fmt: skip
    for number, value in enumerate(values):
        for name, encode in {"raw": str.__str__, **ENCODINGS}.items():
            form, place = encode(value), chance.choice(list(found))
            match place:
                case "log" | "journal" | "dump":
                    found[place].append(f"2026-11-30T10:00:00Z [agent] sent {form} to {number}")
                case "argv":
                    found[place].append(["node", f"--token={form}", form])
                case "environment" | "settings":
                    found[place][f"KEY_{number}_{name}"] = chance.choice((form, f"https://u:{form}@host/", [form]))
                case _:
                    found[place][f"state/{form}.json" if chance.random() < 0.5 else form] = number
        if value.isdigit():
            found["settings"][f"number-{number}"] = int(value)
        begin = chance.randrange(len(value) - 12 + 1)
        found["dump"].append(f"fragment {value[begin : begin + 12]}|")
    return found
