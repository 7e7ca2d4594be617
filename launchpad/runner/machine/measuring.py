"""What the machine says when the watch asks: clock, units, updates, inodes, ports, sites through Caddy."""

from __future__ import annotations

import os
import socket
from functools import cache
from typing import TYPE_CHECKING, Any

from launchpad.runner.host import Failed
from launchpad.runner.machine.http import Stream, request, status_of

if TYPE_CHECKING:
    from launchpad.runner.view import ClockState, SiteAnswer

_ASK_SECONDS = 10
_APT_SECONDS = 120
_HTTPS = 443
_NOBODY = ("192.0.2.1", 9)
"""RFC 5737: nothing is sent there; the kernel only says which address the host would use."""


class HostMeasures:
    """Implements `view.Measures`."""

    def clock_state(self) -> ClockState:
        from launchpad.runner.machine.command import run
        from launchpad.runner.view import ClockState

        said = run(["chronyc", "-c", "tracking"], seconds=_ASK_SECONDS, reads=True)
        fields = said.out.decode(errors="replace").strip().split(",")
        if said.code or len(fields) < 14:
            return ClockState(runs=False)
        return ClockState(runs=True, synchronised=fields[13] != "Not synchronised", offset=abs(float(fields[4])))

    def failed_units(self) -> tuple[str, ...]:
        from launchpad.runner.machine.command import succeed

        words = ["systemctl", "list-units", "--state=failed", "--plain", "--no-legend", "--no-pager"]
        lines = succeed(words, seconds=_ASK_SECONDS, reads=True).decode(errors="replace").splitlines()
        return tuple(line.split()[0] for line in lines if line.strip())

    def pending_updates(self) -> tuple[int, int]:
        from launchpad.runner.machine.command import succeed

        words = ["apt-get", "--simulate", "--quiet=2", "--option=Debug::NoLocking=true", "upgrade", "--with-new-pkgs"]
        lines = succeed(words, seconds=_APT_SECONDS).decode(errors="replace").splitlines()
        found = [line.lower() for line in lines if line.startswith("Inst ")]
        return len(found), sum("-security" in line for line in found)

    def inodes(self, path: str) -> tuple[int, int]:
        try:
            found = os.statvfs(path)
        except OSError as error:
            raise Failed(f"{path}: {error.strerror}", code="disk-unreadable") from error
        return found.f_files, found.f_favail

    def reaches(self, address: str, port: int, *, seconds: float) -> str:
        try:
            with socket.create_connection((address, port), seconds):
                return ""
        except (OSError, UnicodeError) as error:
            return getattr(error, "strerror", None) or str(error)

    def ask_site(self, name: str, path: str, *, seconds: float) -> SiteAnswer:
        return _asked(_own_address(), name, path, None, seconds)

    def ask_outside(self, address: str, name: str, *, trust: str, seconds: float) -> SiteAnswer:
        return _asked(address, name, "/", trust, seconds)


def _asked(address: str, name: str, path: str, trust: str | None, seconds: float) -> SiteAnswer:
    import ssl

    from launchpad.runner.view import SiteAnswer

    headers = {"Host": name, "User-Agent": "launchpad-runner"}
    try:
        with (
            socket.create_connection((address, _HTTPS), seconds) as plain,
            _context(trust).wrap_socket(plain, server_hostname=name) as secure,
        ):
            stream = Stream(secure)
            stream.end_within(seconds)
            secure.sendall(request("GET", path, headers=headers))
            return SiteAnswer(status_of(stream))
    except ssl.SSLCertVerificationError as error:
        return SiteAnswer(0, f"its certificate is not valid ({error.verify_message})")
    except ssl.SSLError as error:
        return SiteAnswer(0, f"Caddy ends the TLS handshake ({error.reason or 'no reason given'})")
    except TimeoutError:
        return SiteAnswer(0, f"Caddy does not answer within {seconds:g} s")
    except OSError as error:
        return SiteAnswer(0, f"Caddy does not answer ({error.strerror or error})")


@cache
def _context(trust: str | None) -> Any:
    """Trust in the public authorities, and in this one where there is one. None: no certificate is checked, because
    its validity is read where Caddy keeps it, and the question is who answers."""
    import ssl

    if trust is not None:
        context = ssl.create_default_context()
        if trust:
            context.load_verify_locations(cadata=trust)
        return context
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _own_address() -> str:
    """The address by which the host is reached from outside, as far as its own routes tell."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        try:
            asked.connect(_NOBODY)
            return str(asked.getsockname()[0])
        except OSError:
            return "127.0.0.1"
