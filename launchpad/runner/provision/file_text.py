"""The text of every file that provisioning writes: `files/` beside this module has the host's folder tree."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files

from launchpad.runner import caller
from launchpad.runner.provision.settings_record import Person

_HOLE = re.compile(r"@[A-Z_]+@")


def text(path: str, **values: object) -> str:
    """The content of the file at this absolute path, with each @NAME@ filled in."""
    content = _raw(path)
    for name, value in values.items():
        content = content.replace(f"@{name.upper()}@", str(value))
    left = _HOLE.search(content)
    if left:
        raise ValueError(f"{path}: {left[0]} is not filled in")
    return content


@cache
def _raw(path: str) -> str:
    return files("launchpad.runner.provision").joinpath("files", *path.strip("/").split("/")).read_text("utf-8")


def authorized_keys(operators: Sequence[Person]) -> str:
    """The operators' keys. Each key can only run the runner in its operator's name; the runner checks at each request
    that the key is still in this file."""
    lines = [
        f'restrict,command="sudo -n /usr/local/sbin/launchpad-runner {caller.words(person.name, key)}" {key}'
        for person in operators
        for key in person.keys
    ]
    return "\n".join(["# Written by Launchpad.", *lines, ""])


def allowed_signers(signers: Mapping[Sequence[str], Sequence[Person]]) -> str:
    """Who (by the namespaces) may sign what, in the format of `ssh-keygen -Y verify`; without the keys' comments."""
    lines = [
        f'{person.name} namespaces="{",".join(namespaces)}" {" ".join(key.split(" ")[:2])}'
        for namespaces, people in signers.items()
        for person in people
        for key in person.keys
    ]
    return "\n".join(["# Written by Launchpad.", *lines, ""])


def kernel_values(content: str) -> dict[str, str]:
    """Key → value of a sysctl file."""
    pairs = (line.split("=", 1) for line in content.splitlines() if "=" in line and not line.startswith("#"))
    return {key.strip(): value.strip() for key, value in pairs}


def with_line(content: str, owner: str, line: str) -> str:
    """A colon-separated file such as /etc/subuid with exactly this line for the owner; unchanged when it has the
    line."""
    lines = [item for item in content.splitlines() if item]
    if [item for item in lines if item.split(":", 1)[0] == owner] == [line]:
        return content
    return "\n".join([*(item for item in lines if item.split(":", 1)[0] != owner), line, ""])
