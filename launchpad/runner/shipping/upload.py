"""Upload entries to the collector: one TLS connection, each side with its own certificate.

The collector begins, when it has accepted the host's certificate: {"format": 1}. The host sends a line of JSON, then
the entries: {"bytes": so many, "again": whether the collector may have some of them}. The answer is {"problem": ""}
when the collector has them on its disk.
"""

from __future__ import annotations

import json
import os
import socket
import ssl

from launchpad.runner.host import Failed
from launchpad.runner.shipping.log_collector import LOOPBACK, PORT, LogCollector

SECONDS = 30.0
FORMAT = 1


class Upload:
    """`certificate`: the host's own key and certificate in PEM form."""

    def __init__(self, logs: LogCollector, certificate: bytes, *, own: str, port: int = PORT) -> None:
        self._name = logs.host
        self._where = (LOOPBACK if logs.host == own else logs.address, port)
        self._context = tls(ssl.PROTOCOL_TLS_CLIENT, logs, certificate)

    def __call__(self, entries: bytes, *, again: bool) -> None:
        """Failed with the reason unless the collector has accepted the entries."""
        head = json.dumps({"bytes": len(entries), "again": again})
        try:
            with (
                socket.create_connection(self._where, timeout=SECONDS) as plain,
                self._context.wrap_socket(plain, server_hostname=self._name) as secured,
                secured.makefile("rb") as answers,
            ):
                if json.loads(answers.readline(4096))["format"] != FORMAT:
                    raise Failed("it has another version of Launchpad", code="collector-version")
                secured.sendall(f"{head}\n".encode() + entries)
                problem = json.loads(answers.readline(4096))["problem"]
        except ssl.SSLCertVerificationError as error:
            raise Failed(
                f"its certificate is not of this fleet's authority ({error.verify_message})",
                code="collector-certificate",
            ) from error
        except ssl.SSLError as error:
            raise Failed(
                f"it ends the TLS connection ({error.reason or 'no reason'})", code="collector-ends-tls"
            ) from error
        except OSError as error:
            raise Failed(error.strerror or "no answer in time", code="collector-unreachable") from error
        except (ValueError, TypeError, KeyError) as error:
            raise Failed("the connection ended without an answer", code="collector-gave-no-answer") from error
        if problem:
            raise Failed(str(problem)[:200], code="collector-refused")


def tls(side: int, logs: LogCollector, certificate: bytes) -> ssl.SSLContext:
    """Each side shows its certificate, and accepts only what the fleet's authority signed."""
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=logs.authority)
    # OpenSSL takes a key from a file alone; this file is in memory, and nobody else can open it.
    with open(os.memfd_create("certificate"), "wb") as file:  # noqa: PTH123  it has no path
        file.write(certificate)
        file.flush()
        context.load_cert_chain(f"/proc/self/fd/{file.fileno()}")
    return context
