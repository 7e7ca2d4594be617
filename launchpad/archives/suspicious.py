"""Detect credentials by their form: plain credentials that stay in a file are reported, also undeclared ones."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

SHORTEST = 8
REFERENCE = re.compile(r"\$\{[A-Z0-9_]+\}")
_NAMES = re.compile(
    r"(?:token|secret|passw(?:or)?d|passphrase|apikey|accesskey|secretkey|privatekey|signingkey|encryptkey|aeskey|"
    r"authkey|appkey|credentials?|cookies?|authorization|webhookurl|jwt|nsec|mnemonic)$|^(?:key|access|refresh|bearer|pass)$"
)
_KEYS, _NO_KEYS = re.compile(r"key$"), frozenset({"publickey", "sessionkey", "mainkey", "cachekey"})
_RANDOM = re.compile(r"(?=.*[0-9])(?=.*[A-Za-z])[A-Za-z0-9_./+=:-]{20,}")
_KNOWN = re.compile(
    r"sk-[A-Za-z0-9_-]{16,}|xox[abeprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,}|gh[opsu]_[A-Za-z0-9]{20,}|"
    r"github_pat_\w{20,}|glpat-[\w-]{16,}|gsk_\w{16,}|AIza[\w-]{30,}|AKIA[A-Z0-9]{16}|hf_[A-Za-z0-9]{20,}|"
    r"[0-9]{8,10}:[\w-]{35}|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*"
)


def is_credential(name: str, value: str) -> bool:
    """Whether a value is probably a credential, by its name or its form. A reference is not."""
    if len(value) < SHORTEST or REFERENCE.fullmatch(value):
        return False
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    if _NAMES.search(plain) or _KNOWN.fullmatch(value):
        return True
    return bool(_KEYS.search(plain)) and plain not in _NO_KEYS and _RANDOM.fullmatch(value) is not None


def credentials_in(document: Any, at: str = "") -> Iterator[tuple[str, str]]:
    """Each (key, value) that looks like a credential; the key with its parents: `tools.web.search.apiKey`."""
    if isinstance(document, dict):
        for key, value in document.items():
            path = f"{at}.{key}" if at else str(key)
            if isinstance(value, str) and is_credential(str(key), value):
                yield path, value
            else:
                yield from credentials_in(value, path)
    elif isinstance(document, list):
        for index, value in enumerate(document):
            path = f"{at}[{index}]"
            if isinstance(value, str) and is_credential("", value):
                yield path, value
            else:
                yield from credentials_in(value, path)
