"""Open a connection to an endpoint: the socket, the host key, the login."""

from __future__ import annotations

import logging
import shlex
import socket
import tempfile
import time
from typing import IO, Any

import fabric
from paramiko import MissingHostKeyPolicy, PKey, SSHClient, SSHConfig, SSHException
from paramiko.auth_strategy import AuthFailure
from paramiko.ssh_exception import AuthenticationException, IncompatiblePeer
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from launchpad.errors import HostError
from launchpad.runner.hint import Next
from launchpad.ssh.configured import carried, way_to
from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.execution import Tell, nobody
from launchpad.ssh.handshakes import HANDSHAKES
from launchpad.ssh.identity import USUAL_FILES, Identity, KeyStrategy
from launchpad.ssh.problems import (
    HostKeyChanged,
    HostKeyUnknown,
    LoginRefused,
    OfferedKey,
    cause_of,
    if_never_provisioned,
)

# paramiko's threads would print tracebacks of errors that are raised here as exceptions too
_PARAMIKO = logging.getLogger("paramiko")
_PARAMIKO.addHandler(logging.NullHandler())
_PARAMIKO.propagate = False

KEEPALIVE_SECONDS = 15
QUIET_SECONDS = 5.0
"""A failure that took longer is reported before the next try."""
DEAD_SECONDS = 45
"""A peer that acknowledges nothing for so many seconds counts as gone."""


HUNG_UP = (
    "the server closed the connection without a reason: sshd does so for some minutes after failed logins, and a "
    "host that was never provisioned rejects every login as launchpad"
)


class _Dropped(Exception):
    """The connection was refused, or dropped before the login: try again."""


class _OtherKey(SSHException):
    """The host offered a key that is not accepted."""

    def __init__(self, key: OfferedKey) -> None:
        super().__init__(key.fingerprint)
        self.key = key


class _Pinned(MissingHostKeyPolicy):
    """Judges every host key, because paramiko itself knows none; called before anything is sent."""

    def __init__(self, accepted: frozenset[str]) -> None:
        self.accepted = accepted

    def missing_host_key(self, client: SSHClient, hostname: str, key: PKey) -> None:  # noqa: ARG002 paramiko's
        if key.fingerprint not in self.accepted:
            raise _OtherKey(OfferedKey(key.get_name(), key.get_base64(), key.fingerprint))


def dial(endpoint: Endpoint, *, identity: Identity, tell: Tell = nobody) -> fabric.Connection:
    """An open connection to a host with one of the endpoint's keys.

    HostKeyUnknown when the endpoint has no keys, HostKeyChanged when the host has others, LoginRefused, otherwise
    HostError. A refused or dropped connection is tried again, up to `attempts` tries.
    """
    offered: list[OfferedKey] = []
    while True:  # one key type after the other: the host may first offer one that is not pinned
        try:
            return _tries(endpoint, tell)(_handshake, endpoint, identity, [key.kind for key in offered])
        except _OtherKey as error:
            if not endpoint.fingerprints:
                raise _unknown(endpoint, error.key) from error
            offered.append(error.key)
        except IncompatiblePeer as error:
            if offered:
                raise _changed(endpoint, offered[0]) from error
            raise HostError(f"{_cannot_connect(endpoint)}: {cause_of(error)}", code="handshake-failed") from error
        except _Dropped as error:
            raise HostError(
                f"{_cannot_connect(endpoint)}: {error}",
                code="connection-dropped",
                hint=_when_dropped(endpoint, identity),
            ) from error


def _tries(endpoint: Endpoint, tell: Tell) -> Retrying:
    begun = time.monotonic()

    def again(state: RetryCallState) -> None:
        error = state.outcome.exception() if state.outcome else None
        if time.monotonic() - begun > QUIET_SECONDS:
            tell(f"{endpoint.host}: {error}; connecting again ({state.attempt_number + 1} of {endpoint.attempts})")

    return Retrying(
        stop=stop_after_attempt(endpoint.attempts),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        retry=retry_if_exception_type(_Dropped),
        before_sleep=again,
        reraise=True,
    )


def _handshake(endpoint: Endpoint, identity: Identity, without: list[str]) -> fabric.Connection:
    """One attempt, offering none of the host key types in `without`."""
    login = KeyStrategy(identity, user=endpoint.user, accepted=endpoint.accepted_keys)
    with HANDSHAKES.passing((endpoint.address, endpoint.port)), tempfile.TemporaryFile() as said:
        dialled = _socket(endpoint, identity, said)
        connection = fabric.Connection(
            endpoint.address,
            user=endpoint.user,
            port=endpoint.port,
            config=_own_config(login),
            connect_kwargs={
                "sock": dialled,
                "timeout": endpoint.connect_seconds,
                "banner_timeout": endpoint.connect_seconds,
                "auth_timeout": endpoint.connect_seconds,
                "disabled_algorithms": {"keys": [name for kind in without for name in _algorithms(kind)]},
            },
        )
        connection.client.set_missing_host_key_policy(_Pinned(endpoint.fingerprints))
        try:
            connection.open()
        except BaseException as error:
            dialled.close()
            connection.client.close()
            if not _was_greeted(connection) and (reason := _last(said)):
                raise _Dropped(reason) from error
            _translate(error, endpoint, login, greeted=_was_greeted(connection))
            raise
        connection.transport.set_keepalive(KEEPALIVE_SECONDS)
        return connection


def _last(said: IO[bytes]) -> str:
    """The last line of the proxy program's errors; empty without any."""
    said.seek(0)
    lines = said.read().decode(errors="replace").strip().splitlines()
    return lines[-1] if lines else ""


def _socket(endpoint: Endpoint, identity: Identity, said: IO[bytes]) -> socket.socket:
    """A connected socket with TCP_NODELAY, which neither fabric nor paramiko sets: without it each small packet of an
    exec waits for the acknowledgement of the packet before."""
    way = way_to(endpoint)
    where: tuple[Any, int] = (
        way.address.encode("ascii"),
        way.port,
    )  # bytes, because Python loads its IDNA tables for text
    try:
        if way.through:
            return carried(way, said)
        dialled = socket.create_connection(where, timeout=endpoint.connect_seconds)
    except ConnectionError as error:
        raise _Dropped(cause_of(error)) from error
    except OSError as error:
        raise HostError(
            f"{_cannot_connect(endpoint)}: {cause_of(error)}", code="cannot-connect", hint=_at_first(endpoint, identity)
        ) from error
    dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux only; other systems use their own, longer timeout
        dialled.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, DEAD_SECONDS * 1000)
    return dialled


def _own_config(login: KeyStrategy) -> fabric.Config:
    """fabric's configuration for this connection alone, without files, because threads must not share one."""

    def strategy(**_: object) -> KeyStrategy:
        return login

    return fabric.Config(
        overrides={"authentication": {"strategy_class": strategy}, "load_ssh_configs": False},
        ssh_config=SSHConfig(),
        lazy=True,
    )


def _algorithms(kind: str) -> tuple[str, ...]:
    """The host key algorithms of a key type; RSA has several."""
    return ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa") if kind == "ssh-rsa" else (kind,)


def _was_greeted(connection: fabric.Connection) -> bool:
    """Whether the peer has identified itself as an SSH server."""
    transport = connection.client.get_transport()
    return transport is not None and bool(transport.remote_version)


def _translate(error: BaseException, endpoint: Endpoint, login: KeyStrategy, *, greeted: bool) -> None:
    """Raise the error for a failed handshake; return when the caller raises its own."""
    match error:
        case _OtherKey() | IncompatiblePeer():
            return
        case AuthFailure() if not _was_dropped(error):
            raise _refused(endpoint, login) from error
        case SSHException() | EOFError() | OSError() if not greeted:
            raise _Dropped(HUNG_UP) from error
        case SSHException() | EOFError() | OSError():
            raise _Dropped(cause_of(error)) from error


def _was_dropped(error: AuthFailure) -> bool:
    """Whether the login failed because the connection broke, and not because the host refused it."""
    return any(
        isinstance(item.result, Exception) and not isinstance(item.result, AuthenticationException)
        for item in error.result
    )


def _unknown(endpoint: Endpoint, key: OfferedKey) -> HostKeyUnknown:
    return HostKeyUnknown(
        f"{endpoint.host}: the host key of {endpoint.address} is not known: {key.fingerprint} ({key.kind})",
        hint=Next("trust", endpoint.host) + ", after comparing the key with your provider's console",
        key=key,
    )


def _changed(endpoint: Endpoint, key: OfferedKey) -> HostKeyChanged:
    mends: str = Next("trust", endpoint.host)
    if endpoint.pinned:
        mends = f"write {key.fingerprint} under fingerprints: of {endpoint.host} in inventory/hosts.yaml"
    return HostKeyChanged(
        f"{endpoint.host}: the host key of {endpoint.address} changed: expected "
        f"{', '.join(sorted(endpoint.fingerprints))}, got {key.fingerprint} ({key.kind}); nothing was sent",
        hint="another machine may be answering; only if you reinstalled the host: " + mends,
    )


def _refused(endpoint: Endpoint, login: KeyStrategy) -> LoginRefused:
    if not login.offered:
        message = (
            f"{endpoint.host}: there is no SSH key to offer to {endpoint}; searched: {_looked_for(login.identity)}"
        )
        return LoginRefused(
            message,
            code="no-ssh-key",
            hint=Next("key make") + "; or set LAUNCHPAD_SSH_KEY to a key file; or ssh-add KEY_FILE",
        )
    one = len(login.offered) == 1
    offered = "does not accept the key" if one else f"accepts none of {len(login.offered)} keys:"
    return LoginRefused(
        f"{endpoint.host}: {endpoint} {offered} {', '.join(login.offered)}",
        code="login-refused",
        hint=f"{_when_dropped(endpoint, login.identity)}; operators: in the inventory names who may log in, and "
        "ssh-add -l lists your agent's keys",
    )


def _looked_for(identity: Identity) -> str:
    """The searched places for keys."""
    files = [str(identity.home / ".ssh" / name) for name in USUAL_FILES] if identity.home else []
    return ", ".join([*files, "keys in the SSH agent" if identity.agent else "no SSH agent"])


def _cannot_connect(endpoint: Endpoint) -> str:
    return f"{endpoint.host}: cannot connect to {endpoint}"


def _by_hand(endpoint: Endpoint, identity: Identity) -> str:
    """An ssh command that shows more details. If the connection works, the runner reports an empty request."""
    words = ["ssh", "-v"]
    if endpoint.port != 22:
        words += ["-p", str(endpoint.port)]
    if key := identity.first_file:
        words += ["-i", str(key)]
    return f"{shlex.join([*words, f'{endpoint.user}@{endpoint.address}'])} </dev/null"


def _at_first(endpoint: Endpoint, identity: Identity) -> str:
    """The same command for a host that does not answer: a host without a known key may be bare, with only root's
    login."""
    return _by_hand(endpoint if endpoint.fingerprints else endpoint.as_user("root"), identity)


def _when_dropped(endpoint: Endpoint, identity: Identity) -> str:
    return f"{if_never_provisioned(endpoint.host)}{_by_hand(endpoint, identity)}"
