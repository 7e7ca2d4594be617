"""Caddy through its admin socket. A running configuration is not loaded again: a load cuts the host's WebSockets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Failed
from launchpad.runner.machine.files import DiskFiles
from launchpad.runner.machine.http import Answer, ask_unix, request
from launchpad.runner.machine.newcomers import newcomers_wait

CADDYFILE = f"{paths.CADDY}/Caddyfile"
RELOADS = f"{paths.STATE}/reloads"
_SECONDS = 60
_AGAIN = {"Cache-Control": "must-revalidate"}
"""Makes Caddy load a configuration that it already runs."""


class Refusal(Failed):
    """Caddy rejected the request."""


class CaddySites(DiskFiles):
    """The sites part of Traffic."""

    def adapt(self, caddyfile: str) -> dict[str, Any]:
        answer = _ask("POST", "/adapt", caddyfile.encode(), kind="text/caddyfile")
        adapted = answer.get("result") if isinstance(answer, dict) else None
        if not isinstance(adapted, dict):
            raise Failed("Caddy returned no configuration for the Caddyfile", code="caddy-no-configuration")
        return adapted

    def load_sites(self, *, again: bool = False) -> None:
        text = self.read(CADDYFILE)
        if text is None:
            raise Failed(f"{CADDYFILE} is missing; provision the host again", code="caddyfile-missing")
        try:
            wanted = self.adapt(text.decode())
        except Refusal:
            if not self._set_bad_sites_aside():
                raise
            wanted = self.adapt(text.decode())
        if self.running_sites() == wanted and not again:
            return
        with newcomers_wait():
            _ask("POST", "/load", json.dumps(wanted).encode(), kind="application/json", more=_AGAIN)
        self.write(RELOADS, f"{self.reload_count() + 1}\n".encode())

    def _set_bad_sites_aside(self) -> bool:
        """Set aside the sites that Caddy rejects (damaged by hand, for example), so that they do not block the others;
        whether there was one. Its tenant's status shows the missing site, and the next deploy restores it."""
        found = False
        for name in self.names(paths.SITES):
            data = self.read(f"{paths.SITES}/{name}") or b""
            if not name.endswith(".caddy"):
                continue
            try:
                self.adapt(data.decode(errors="replace"))
            except Refusal:
                self.write(f"{paths.SITES}/{name}.refused", data)
                self.remove(f"{paths.SITES}/{name}")
                found = True
        return found

    def running_sites(self) -> Any:
        """The configuration that Caddy runs now; None without one."""
        return _ask("GET", "/config/", b"", kind="application/json")

    def caddy_answers(self) -> bool:
        try:
            _ask("GET", "/config/admin", b"", kind="application/json")
        except Failed:
            return False
        return True

    def reload_count(self) -> int:
        """How often Launchpad loaded a configuration into this host's Caddy."""
        return int(self.read(RELOADS) or 0)


def _ask(method: str, target: str, body: bytes, *, kind: str, more: Mapping[str, str] = MappingProxyType({})) -> Any:
    """Caddy's answer, parsed; Failed with Caddy's message when Caddy rejects the request or does not answer."""
    headers = {"Host": "127.0.0.1", "Content-Type": kind, **more}
    try:
        with ask_unix(
            paths.CADDY_SOCKET, request(method, target, headers=headers, body=body), seconds=_SECONDS
        ) as answer:
            data = answer.body()
    except TimeoutError as error:
        raise Failed(f"Caddy sent no answer for {_SECONDS} s", code="caddy-sent-no-answer") from error
    except OSError as error:
        raise Failed(
            f"Caddy does not answer on {paths.CADDY_SOCKET}: {error.strerror or error}", code="caddy-does-not-answer"
        ) from error
    if answer.status != 200:
        raise Refusal(f"Caddy rejects the configuration: {_words(answer, data)}", code="caddy-rejects-configuration")
    return json.loads(data) if data.strip() else None


def _words(answer: Answer, data: bytes) -> str:
    try:
        return str(json.loads(data)["error"])
    except (ValueError, KeyError, TypeError):
        return f"status {answer.status}"
