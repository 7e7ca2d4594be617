"""restic, run inside the sandbox: one command at a time, secrets only in the sandbox's own files.

restic's exit codes (since 0.17): 3 some files could not be read, 10 no repository, 11 locked, 12 wrong key.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlsplit

from launchpad.runner.protocol import PUBLIC

UNREADABLE, NO_REPOSITORY, LOCKED, WRONG_KEY = 3, 10, 11, 12
KEY_FILE = "key.age"
CACHE = "/srv/cache"
"""The folder of restic's cache in the sandbox, when a cache is allowed."""
PORTS = {"http": 80, "https": 443, "sftp": 22}
REACH_SECONDS = 15.0
_RETRY_LOCK = "--retry-lock=2m"


class ResticFailed(Exception):
    """restic failed; `code` is its exit status."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.message = message
        self.code = code


@dataclass(frozen=True)
class Repository:
    """One repository, with everything that restic needs to open it."""

    folder: Path
    """A folder of the sandbox, for the files with secrets."""
    location: str
    password: str
    options: tuple[str, ...] = ()
    environment: Mapping[str, str] | None = None
    cache: str = ""

    def run(
        self,
        *words: str,
        stdin: bytes = b"",
        cwd: str = "/",
        on_message: Callable[[dict[str, Any]], None] = lambda _message: None,
    ) -> list[dict[str, Any]]:
        """restic's JSON without the status lines, which go to `on_message`; ResticFailed unless restic exits with 0, or
        with 3 after a summary."""
        argv = ["restic", *self._global(), *words]
        messages: list[dict[str, Any]] = []
        errors = self.folder / "errors"
        with errors.open("w+b") as said:
            process = subprocess.Popen(
                argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=said, env=self._environment(), cwd=cwd
            )
            assert process.stdin and process.stdout
            process.stdin.write(stdin)
            process.stdin.close()
            for line in process.stdout:
                for message in _parsed(line):
                    on_message(message) if message.get("message_type") == "status" else messages.append(message)
            code = process.wait()
        told = errors.read_bytes()
        messages += [message for line in told.splitlines() for message in _parsed(line)]
        if code and not (code == UNREADABLE and any(item.get("message_type") == "summary" for item in messages)):
            raise ResticFailed(_cause(messages, told, code), code)
        return messages

    def pour(self, *words: str, into: BinaryIO, on_bytes: Callable[[int], None]) -> None:
        """Write restic's output to the file, and report the number of bytes so far; ResticFailed unless restic exits
        with 0."""
        errors = self.folder / "errors"
        argv = ["restic", *self._global(), *words]
        with errors.open("w+b") as said:
            process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=said, env=self._environment(), cwd="/"
            )
            assert process.stdout
            total = 0
            while piece := process.stdout.read(1 << 20):
                total += into.write(piece)
                on_bytes(total)
            code = process.wait()
        if code:
            told = errors.read_bytes()
            raise ResticFailed(_cause([item for line in told.splitlines() for item in _parsed(line)], told, code), code)

    def raw(self, *words: str) -> bytes:
        """restic's output that is not JSON; ResticFailed unless restic exits with 0."""
        done = subprocess.run(
            ["restic", *self._global(), *words],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env=self._environment(),
            cwd="/",
            check=False,
        )
        if done.returncode:
            errors = [message for line in done.stderr.splitlines() for message in _parsed(line)]
            raise ResticFailed(_cause(errors, done.stderr, done.returncode), done.returncode)
        return done.stdout

    def exists(self) -> bool:
        """Whether the repository exists and opens with this key; ResticFailed when that cannot be determined."""
        try:
            self.run("cat", "config", "--no-lock")
        except ResticFailed as error:
            if error.code == NO_REPOSITORY:
                return False
            raise
        return True

    def _global(self) -> list[str]:
        self.folder.mkdir(mode=0o700, exist_ok=True)
        for name, text in (("location", self.location), ("password", self.password)):
            file = self.folder / name
            file.touch(mode=0o600)
            file.write_text(text)
        cache = f"--cache-dir={self.cache}" if self.cache else "--no-cache"
        files = [f"--repository-file={self.folder}/location", f"--password-file={self.folder}/password"]
        return ["--json", "--quiet", cache, *files, *self.options]

    def _environment(self) -> dict[str, str]:
        plain = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(_own()),
            "TMPDIR": str(_own()),
            "LC_ALL": "C.UTF-8",
        }
        return plain | dict(self.environment or {}) | {"RESTIC_PROGRESS_FPS": "1"}


def repository(given: Mapping[str, Any], name: str, *, public: bool = False) -> Repository:
    """The tenant's repository on a target, or the public repository beside it with the wrapped key.

    given {"kind", "url", "password", "credentials": {NAME: value}, "host_keys": [line]}."""
    name = f"{name}.key" if public else name
    folder = _own() / name
    credentials = given["credentials"]
    options: tuple[str, ...] = ()
    environment: dict[str, str] = {}
    match given["kind"]:
        case "local":
            location = f"{given['url']}/{name}"
        case "rest":
            location = f"rest:{_with_login(given['url'], credentials)}/{name}/"
        case "s3":
            location = f"s3:{given['url']}/{name}"
            environment = {"AWS_SHARED_CREDENTIALS_FILE": _written("aws", _aws(credentials))}
        case _:
            server, _, path = given["url"].removeprefix("sftp://").partition("/")
            location = f"sftp://{server}//{path}/{name}"
            options = (f"--option=sftp.args={_ssh(given, server)}",)
    password = PUBLIC if public else given["password"]
    cache = CACHE if given["kind"] != "local" and Path(CACHE).is_dir() else ""
    return Repository(folder, location, password, options, environment, cache)


def reach(given: Mapping[str, Any]) -> None:
    """ResticFailed at once when the target does not answer, or S3 rejects the credentials: restic itself would retry
    for a quarter of an hour."""
    if given["kind"] == "local":
        return
    place = urlsplit(given["url"])
    host, port = place.hostname or "", place.port or PORTS[place.scheme]
    try:
        socket.create_connection((host, port), timeout=REACH_SECONDS).close()
    except OSError as error:
        raise ResticFailed(f"{host} port {port} cannot be reached: {error.strerror or error}", 1) from error
    if given["kind"] == "s3":
        from launchpad.runner.backups.s3 import refusal

        if reason := refusal(given["url"], given["credentials"]):
            raise ResticFailed(reason, 1)


def back_up(
    to: Repository, paths: Sequence[str], *, tenant: str, tags: Sequence[str], progress: Callable[[str], None]
) -> dict[str, Any]:
    """Send the files; {"snapshot", "files", "bytes", "added", "unreadable"}."""

    def tell(status: dict[str, Any]) -> None:
        done = int(100 * float(status.get("percent_done", 0)))
        progress(f"{done} % of {int(status.get('total_bytes', 0)) >> 20} MiB")

    about = [f"--host={tenant}", *(f"--tag={tag}" for tag in tags)]
    words = ["backup", _RETRY_LOCK, "--group-by=host", *about, "--", *paths]
    try:
        said = to.run(*words, on_message=tell)
    except ResticFailed as error:
        if error.code != LOCKED:
            raise
        unlock(to)
        said = to.run(*words, on_message=tell)
    summary = next(item for item in said if item.get("message_type") == "summary")
    return {
        "snapshot": summary["snapshot_id"],
        "files": summary["total_files_processed"],
        "bytes": summary["total_bytes_processed"],
        "added": summary.get("data_added_packed", summary["data_added"]),
        "unreadable": sum(item.get("message_type") == "error" for item in said),
    }


def unlock(where: Repository) -> None:
    """Remove stale locks: locks of ended processes of this machine, and locks that were not renewed for half an
    hour."""
    where.run("unlock")


def put_wrap(to: Repository, wrap: str, *, tenant: str) -> None:
    """Store the wrapped key beside the repository, unless it is already the newest one there."""
    if not to.exists():
        to.run("init")
    elif wraps(to, most=1) == [wrap]:
        return
    put_file(to, wrap, file=KEY_FILE, host=tenant)


def put_file(to: Repository, text: str, *, file: str, host: str) -> None:
    """Add one file to the existing repository."""
    to.run("backup", _RETRY_LOCK, "--stdin", f"--stdin-filename={file}", f"--host={host}", stdin=text.encode())


def wraps(where: Repository, *, most: int = 0) -> list[str]:
    """The wrapped keys beside the repository, newest first: `most` of them, or all. Anybody who can write there may
    have added others. None when the repository of keys does not exist."""
    try:
        snapshots = snapshots_of(where)
    except ResticFailed as error:
        if error.code == NO_REPOSITORY:
            return []
        raise
    found = (where.raw("dump", "--no-lock", item["id"], f"/{KEY_FILE}") for item in reversed(snapshots[-most:]))
    return list(dict.fromkeys(text.decode(errors="replace") for text in found))


def snapshots_of(where: Repository) -> list[dict[str, Any]]:
    """Every backup in the repository, oldest first: [{"id", "time", "tags", "bytes", "files", "new_files", "added"}].
    The numbers are None in backups by an old restic."""
    found = [
        {
            "id": item["id"],
            "time": item["time"],
            "tags": item.get("tags") or [],
            "bytes": item.get("summary", {}).get("total_bytes_processed"),
            "files": item.get("summary", {}).get("total_files_processed"),
            "new_files": item.get("summary", {}).get("files_new"),
            "added": item.get("summary", {}).get("data_added_packed"),
        }
        for item in where.run("snapshots", "--no-lock")
    ]
    return sorted(found, key=lambda item: str(item["time"]))


def _parsed(line: bytes) -> list[dict[str, Any]]:
    try:
        value = json.loads(line)
    except ValueError:
        return []
    return [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, dict)]


def _cause(messages: Sequence[Mapping[str, Any]], said: bytes, code: int) -> str:
    """The cause of a failure, from restic's last output."""
    lines = said.decode(errors="replace").splitlines()
    told = [
        str(item.get("message") or item.get("error", {}).get("message", "")) for item in messages if _is_error(item)
    ]
    text = next((item for item in reversed(told) if item), "") or next((line for line in reversed(lines) if line), "")
    sentences = text.removeprefix("Fatal: ").splitlines()[
        : 2 if code == LOCKED else 1
    ]  # a lock's second line says since when
    return f"restic: {'; '.join(sentences)[:300] or f'exit status {code}'}"


def _is_error(item: Mapping[str, Any]) -> bool:
    return item.get("message_type") in ("exit_error", "error")


def _own() -> Path:
    """The sandbox's own /tmp."""
    return Path(tempfile.gettempdir())


def _written(name: str, text: str) -> str:
    path = _own() / name
    path.touch(mode=0o600)
    path.write_text(text)
    return str(path)


def _with_login(url: str, credentials: Mapping[str, str]) -> str:
    if not credentials:
        return url
    scheme, _, rest = url.partition("://")
    user, password = quote(credentials["REST_USER"], safe=""), quote(credentials["REST_PASSWORD"], safe="")
    return f"{scheme}://{user}:{password}@{rest}"


def _aws(credentials: Mapping[str, str]) -> str:
    key, secret = credentials["S3_KEY_ID"], credentials["S3_SECRET"]
    return f"[default]\naws_access_key_id = {key}\naws_secret_access_key = {secret}\n"


def _ssh(given: Mapping[str, Any], server: str) -> str:
    """Arguments for ssh, which restic splits at spaces: only this key, only this server."""
    host, _, port = server.rpartition("@")[2].partition(":")
    known = f"[{host}]:{port}" if port and port != "22" else host
    hosts = _written("known_hosts", "".join(f"{known} {line}\n" for line in given["host_keys"]))
    key = _written("ssh_key", given["credentials"]["SSH_KEY"].rstrip("\n") + "\n")
    options = {
        "UserKnownHostsFile": hosts,
        "StrictHostKeyChecking": "yes",
        "IdentitiesOnly": "yes",
        "BatchMode": "yes",
        "ServerAliveInterval": "30",
    }
    words = [f"-i {key}", "-F none", *(f"-o {name}={value}" for name, value in options.items())]
    return " ".join(words)
