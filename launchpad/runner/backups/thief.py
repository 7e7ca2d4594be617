"""Try what a thief with a REST target's credentials would try: overwrite a stored file."""

from __future__ import annotations

import base64
import urllib.error
import urllib.request
from collections.abc import Mapping

OTHER = b"overwritten"
_SECONDS = 30


def overwrites(url: str, credentials: Mapping[str, str]) -> bool:
    """Whether a repository's file can be overwritten, judged by the stored file and not by the server's answer."""
    _ask(url, credentials, data=OTHER)
    return _ask(url, credentials) == OTHER


def _ask(url: str, credentials: Mapping[str, str], *, data: bytes | None = None) -> bytes:
    request = urllib.request.Request(url, data=data, method="GET" if data is None else "POST")  # noqa: S310 judged
    if credentials:
        login = f"{credentials['REST_USER']}:{credentials['REST_PASSWORD']}".encode()
        request.add_header("Authorization", f"Basic {base64.b64encode(login).decode()}")
    request.add_header("Content-Type", "application/octet-stream")
    try:
        with urllib.request.urlopen(request, timeout=_SECONDS) as reply:  # noqa: S310
            return bytes(reply.read())
    except urllib.error.HTTPError as error:
        with error:
            return b""
