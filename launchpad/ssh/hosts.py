"""The fleet's hosts over SSH. Light to import: paramiko is imported with the first connection."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from launchpad.fleet.model.host import Host
from launchpad.settings import Settings
from launchpad.ssh.endpoint import Endpoint
from launchpad.ssh.known import KnownHosts

if TYPE_CHECKING:
    from launchpad.ssh.connection import Connection
    from launchpad.ssh.identity import Identity

KNOWN_HOSTS = "known_hosts"


class SshHosts:
    """Connects to each host at its address, as its user, with this operator's keys, if the host's key is a known one.
    `tell` takes a sentence about a long wait.

    Known keys are the fingerprints in the inventory and the keys in `state`/known_hosts that a person has confirmed.
    """

    def __init__(self, settings: Settings, *, state: Path, tell: Callable[[str], None] = lambda _text: None) -> None:
        self._settings = settings
        self.tell = tell
        self.known = KnownHosts(state / KNOWN_HOSTS)

    def silent(self) -> SshHosts:
        """The same, which tells of no long wait."""
        silent = copy(self)
        silent.tell = lambda _text: None
        return silent

    @contextmanager
    def reach(self, host: Host) -> Iterator[Connection]:
        """A connection to the host's runner; HostError when the host cannot be reached."""
        with self.connection(self.endpoint(host)) as connection:
            connection.open()
            yield connection

    def endpoint(self, host: Host) -> Endpoint:
        """The host's address, user and known keys."""
        confirmed = self.known.fingerprints(str(host.address), host.port)
        return Endpoint(
            host=str(host.name),
            address=str(host.address),
            port=host.port,
            user=host.user,
            fingerprints=frozenset(map(str, host.fingerprints)) or confirmed,
            pinned=bool(host.fingerprints),
            accepted_keys=tuple(str(key) for operator in host.operators for key in operator.keys),
            connect_seconds=self._settings.connect_timeout.seconds,
            ssh_config=self.ssh_config,
        )

    @property
    def ssh_config(self) -> Path:
        """This operator's own ~/.ssh/config, the file that `ssh` reads."""
        return self._settings.home / ".ssh/config"

    def connection(self, endpoint: Endpoint) -> Connection:
        """A new connection that is not yet open."""
        from launchpad.ssh.connection import Connection
        from launchpad.ssh.intents import signs_with

        return Connection(endpoint, identity=self.identity, tell=self.tell, sign=signs_with(self._settings.signing_key))

    @cached_property
    def identity(self) -> Identity:
        """This operator's keys."""
        from launchpad.ssh.identity import Identity

        named = self._settings.ssh_key
        return Identity(key_files=(named,) if named else (), agent=named is None, home=self._settings.home)
