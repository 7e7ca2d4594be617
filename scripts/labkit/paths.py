"""Where the lab keeps things: what can be made again (cache) and what runs now (state)."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


def _folder(variable: str, default: str) -> Path:
    return Path(os.environ.get(variable) or default)


@dataclass(frozen=True)
class Paths:
    """The lab's two folders; LAUNCHPAD_LAB_CACHE and LAUNCHPAD_LAB_STATE move them."""

    cache: Path = field(default_factory=lambda: _folder("LAUNCHPAD_LAB_CACHE", "/var/cache/launchpad-lab"))
    state: Path = field(default_factory=lambda: _folder("LAUNCHPAD_LAB_STATE", "/var/lib/launchpad-lab"))

    @property
    def machines(self) -> Path:
        """One folder a host, with its root file system."""
        return self.state / "machines"

    @property
    def services(self) -> Path:
        """Configuration, logs and recorded processes of the lab's own servers."""
        return self.state / "services"

    @property
    def ssh_key(self) -> Path:
        """The private key that opens root on every bare host, as a provider's panel would install it."""
        return self.cache / "ssh" / "id_ed25519"

    @contextmanager
    def lock(self, name: str) -> Iterator[None]:
        """Hold the lab-wide lock `name`; the kernel lets go of it when this process dies."""
        folder = self.state / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / name).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


def read_json(path: Path) -> dict[str, Any]:
    """The object in `path`; empty when there is none yet or a kill cut it short."""
    try:
        found = json.loads(path.read_text())
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def write_text(path: Path, text: str, *, mode: int = 0o644) -> None:
    """Replace the file in one step: a reader sees the old or the new content, never half."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    partial.write_text(text)
    partial.chmod(mode)
    partial.replace(path)


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Replace the JSON file in one step."""
    write_text(path, json.dumps(value, indent=1, sort_keys=True) + "\n")
