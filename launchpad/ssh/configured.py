"""The way to a host by the operator's own ~/.ssh/config: its address, its port, and a jump host or proxy.

OpenSSH itself reads the file (`ssh -G`), so that Include, Match and patterns work as in `ssh`. Only the way is used.
Launchpad alone decides the user, the keys and the accepted host keys: a config that accepts any host key, or names
another user, changes nothing. For a jump host, OpenSSH's own user, keys and host keys apply, and an unknown host key is
refused without a question.
"""

from __future__ import annotations

import re
import socket
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import IO

from launchpad.errors import HostError
from launchpad.ssh.endpoint import Endpoint

SECONDS = 10
DEFAULT_PORT = 22


@dataclass(frozen=True)
class Way:
    """The way to a host: directly to an address and port, or through a program that carries the bytes."""

    address: str
    port: int
    through: tuple[str, ...] = ()


def way_to(endpoint: Endpoint) -> Way:
    """The way to the endpoint. A port in the inventory has precedence; HostError when the config is wrong."""
    plain = Way(endpoint.address, endpoint.port)
    config = endpoint.ssh_config
    if config is None or not config.is_file():
        return plain
    said = _asked(config, endpoint.address, endpoint.host)
    port = endpoint.port if endpoint.port != DEFAULT_PORT else int(said.get("port", DEFAULT_PORT))
    address = said.get("hostname", endpoint.address)
    jump, command = said.get("proxyjump", "none"), said.get("proxycommand", "none")
    if jump != "none":
        *before, last = jump.split(",")
        where = f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
        chain = [f"-J{','.join(before)}"] if before else []
        words = ["ssh", f"-F{config}", "-oBatchMode=yes", *chain, f"-W{where}", "--", *_destination(last)]
        return Way(address, port, tuple(words))
    if command != "none":
        known = {"%h": address, "%n": endpoint.address, "%p": str(port), "%r": endpoint.user, "%%": "%"}
        command = re.sub("%[hnpr%]", lambda token: known[token[0]], command)
        return Way(address, port, ("/bin/sh", "-c", f"exec {command}"))
    return Way(address, port)


def carried(way: Way, said: IO[bytes]) -> socket.socket:
    """A socket to the program, which ends when the socket closes; `said` gets the program's errors. OSError when it
    cannot be started."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            end = theirs.fileno()
            subprocess.Popen(way.through, stdin=end, stdout=end, stderr=said, start_new_session=True)
        except OSError:
            ours.close()
            raise
    return ours


def _destination(jump: str) -> tuple[str, ...]:
    """`user@host:port` for ssh, which accepts a port only in a URL."""
    return (jump if jump.startswith("ssh://") else f"ssh://{jump}",)


@lru_cache(maxsize=1024)
def _asked(config: Path, address: str, host: str) -> dict[str, str]:
    try:
        done = subprocess.run(
            ["ssh", f"-F{config}", "-G", "--", address],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except FileNotFoundError:
        return {}  # without OpenSSH there is no configuration to apply
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"{host}: ssh -G {address} was still running after {SECONDS} s",
            code="ssh-config-timeout",
            hint=f"check {config}",
        ) from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise HostError(
            f"{host}: {config} cannot be used: {reason}", code="ssh-config-unusable", hint=f"ssh -G {address}"
        )
    return dict(line.split(" ", 1) for line in done.stdout.splitlines() if " " in line)
