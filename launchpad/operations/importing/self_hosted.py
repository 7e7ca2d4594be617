"""A machine outside the fleet with a self-hosted installation: its files are read over SSH, and nothing else is
done."""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from launchpad.archives.opening import ArchiveRefused
from launchpad.errors import HostError, StateError, StepFailed
from launchpad.operations.hosts.provision import Confirmer, nobody
from launchpad.operations.hosts.trust import Offer, over_ssh
from launchpad.ssh.problems import HostKeyUnknown
from launchpad.workspace import Workspace

_FROM = re.compile(r"(?P<user>[A-Za-z_][A-Za-z0-9_.-]*)@(?P<address>\[[0-9A-Fa-f:]+\]|[^:/@\s]+):(?P<path>[^\0\n]*)")
NO_FOLDER, NOTHING_OF_IT, CHANGED_MEANWHILE = 66, 67, 1
"""Exit codes of the script: no such folder; no files of the app; and GNU tar's, when a file changed during the read."""
SECONDS = 12 * 3600
STOP_SECONDS = 600
# The home folder comes before the archive, as a line of text. Every tar works, because the machine may be a Mac.
_SCRIPT = """cd -- {folder} || exit {no_folder}
pwd -P
set --
for place in {places}; do if [ -e "$place" ]; then set -- "$@" "$place"; fi; done
if [ $# -eq 0 ]; then
    for marker in {markers}; do if [ -f "$marker" ]; then set -- .; fi; done
fi
[ $# -gt 0 ] || exit {nothing_of_it}
# Links are packed as links, but where the app's own folder or configuration is one: then all are followed.
follow=
for place in "$@"; do
    if [ -L "$place" ]; then follow=h; fi
    for inner in {inner}; do if [ -L "$place/$inner" ]; then follow=h; fi; done
done
exec tar -cz"$follow"f - -- "$@"
"""


@dataclass(frozen=True, kw_only=True)
class SshLogin:
    """The machine of a self-hosted installation, and the login."""

    user: str
    address: str
    path: str
    """The home folder of the installation's user, or the app's folder in it; empty: the login's home folder."""
    port: int = 22
    key: Path | None = None
    """The private key for the login; None: the operator's own keys."""
    confirm_key: Confirmer = nobody

    def __str__(self) -> str:
        return f"{self.user}@{self.address}:{self.path}"

    @property
    def host(self) -> str:
        return f"{self.user}@{self.address}"


@dataclass(frozen=True, kw_only=True)
class Copy:
    """The result of a copy."""

    home: str
    """The absolute path of the copied folder."""
    changed_meanwhile: bool
    """Whether tar reported that a file changed during the read."""


def login_of(text: str, *, port: int = 22, key: Path | None = None, confirm_key: Confirmer = nobody) -> SshLogin | None:
    """Parse `user@host:path` to a login; None for any other text, which is then a file's name."""
    match = _FROM.fullmatch(text)
    if match is None or Path(text).exists():
        return None
    path = re.sub(r"^~/?", "", match["path"])
    address = match["address"].strip("[]")
    return SshLogin(user=match["user"], address=address, path=path, port=port, key=key, confirm_key=confirm_key)


def copy(
    workspace: Workspace,
    login: SshLogin,
    places: Sequence[str],
    markers: Sequence[str],
    *,
    inner: Sequence[str] = (),
    to: Path,
    most_bytes: int,
) -> Copy:
    """Copy the named places of the folder into a tar.gz; or the whole folder, when it has none of the places but has
    one of the markers and so is the app's own folder. Links are followed where a place, or one of `inner` below it, is
    a link. Nothing else is read from that machine, and nothing is written there. ArchiveRefused when there are no files
    of the app, or when the archive is too large; HostKeyUnknown when nobody confirms the machine's key; HostError."""
    script = _SCRIPT.format(
        folder=shlex.quote(login.path or "."),
        places=shlex.join(places),
        markers=shlex.join(markers),
        inner=shlex.join(inner or markers),
        no_folder=NO_FOLDER,
        nothing_of_it=NOTHING_OF_IT,
    )
    head = bytearray()
    home: list[str] = []
    size = 0
    with to.open("wb") as file:

        def take(piece: bytes) -> None:
            nonlocal size
            if not home:
                head.extend(piece)
                line, end, piece = bytes(head).partition(b"\n")
                if not end:
                    return
                home.append(line.decode(errors="replace"))
            size += len(piece)
            if size > most_bytes:
                raise ArchiveRefused(
                    f"{login}: the packed files have more than {most_bytes >> 20} MiB", code="packed-files-too-large"
                )
            file.write(piece)

        code, said = _run(workspace, login, script, take, seconds=SECONDS)
    if code == NO_FOLDER or not home:
        raise StateError(
            f"{login}: folder not found", code="folder-not-found", hint=f"ssh {login.host} ls -d {login.path or '.'}"
        )
    if code == NOTHING_OF_IT:
        raise ArchiveRefused(
            f"{login}: the folder has none of {', '.join(places)}",
            code="folder-none",
            hint="give the home folder of the installation's user, or the app's own folder in it: user@host:path",
        )
    if code not in (0, CHANGED_MEANWHILE):
        raise StepFailed(f"{login}: tar ended with {code}: {said}", code="tar-failed", hint=f"ssh {login.host}")
    return Copy(home=home[0], changed_meanwhile=code == CHANGED_MEANWHILE)


def stop(workspace: Workspace, login: SshLogin, command: str) -> float:
    """Run the command that stops the old installation; return the time of sending, by this machine's monotonic clock.
    StepFailed, with the command's output, when the command fails."""
    begun = time.monotonic()
    said = bytearray()
    code, errors = _run(workspace, login, command, said.extend, seconds=STOP_SECONDS)
    if code:
        last = errors or said.decode(errors="replace").strip()
        raise StepFailed(
            f"{login.host}: {command!r} ended with {code}: {last[-300:]}",
            code="old-program-ended",
            hint=f"ssh {login.host}",
        )
    return begun


def _run(
    workspace: Workspace, login: SshLogin, script: str, take: Callable[[bytes], object], *, seconds: float
) -> tuple[int, str]:
    """The exit code, and the last line of standard error."""
    from launchpad.ssh.connection import Connection
    from launchpad.ssh.endpoint import Endpoint
    from launchpad.ssh.identity import Identity

    hosts = over_ssh(workspace)
    identity = hosts.identity if login.key is None else Identity(key_files=(login.key,), agent=False)
    endpoint = Endpoint(
        host=login.host,
        address=login.address,
        port=login.port,
        user=login.user,
        fingerprints=hosts.known.fingerprints(login.address, login.port),
        connect_seconds=workspace.settings.connect_timeout.seconds,
        ssh_config=hosts.ssh_config,
    )
    try:
        connection = Connection(endpoint, identity=identity)
        connection.open()
    except HostKeyUnknown as error:
        offer = Offer(login.host, login.address, login.port, error.key, known=False) if error.key else None
        if offer is None or not login.confirm_key(offer):
            error.hint = f"--fingerprint {error.key.fingerprint}" if error.key else ""
            raise
        hosts.known.remember(login.address, login.port, offer.key)
        connection = Connection(endpoint.trusting(offer.key.fingerprint), identity=identity)
    with connection:
        said = connection.run(script, take, seconds=seconds)
    lines = [line for line in said.err.splitlines() if line.strip()]
    if said.code < 0:
        raise HostError(
            f"{login.host}: the connection broke", code="connection-broke", hint="type the same command again"
        )
    return said.code, lines[-1] if lines else "no output"
