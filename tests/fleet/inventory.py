"""A small right inventory on disk, and ways to look at what a test did to it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from launchpad.fleet.keeping.store import FolderStore
from launchpad.workspace import SHIPPED_TEMPLATES

DIGEST = "sha256:" + "0123456789abcdef" * 4

RIGHT = {
    "launchpad.yaml": "# the fleet\noperators: []\n",
    "inventory/hosts.yaml": """\
# hosts
web-1:
  address: 203.0.113.7
  resources:
    memory: 8GiB
    cpus: 4
    disk: 60GiB
web-2:
  address: 203.0.113.8
  resources:
    memory: 4GiB
    cpus: 2
    disk: 30GiB
""",
    "inventory/tiers.yaml": """\
light:
  memory: 256MiB
  cpus: 0.5
  disk: 1GiB
standard:
  memory: 2GiB
  cpus: 2
  disk: 10GiB
""",
    "inventory/apps/echo.yaml": f"""\
summary: an app for tests
template: echo
strategy: beside
services:
  web: {{}}
  worker:
    image: web
web: {{service: web, port: 8080}}
volumes: [data]
secrets:
  - name: ECHO_TOKEN
    required: true
    generate: 40
  - name: API_KEY
variables:
  greeting: {{default: hello}}
  count: {{type: integer, default: 1}}
  loud: {{type: switch}}
versions:
  - version: 1.0.0
    images: {{web: "registry.example.com/echo:1.0.0@{DIGEST}"}}
  - version: 1.1.0
    images: {{web: "registry.example.com/echo:1.1.0@{DIGEST}"}}
""",
    "inventory/tenants/alice.yaml": """\
slot: 1
app: openclaw
version: 2026.9.6
tier: standard
host: web-1
domains:
  - alice.example.com
variables:
  model: anthropic/claude-sonnet-4-5
""",
    "inventory/tenants/bob.yaml": """\
slot: 2
app: echo
version: 1.0.0
tier: light
host: web-1
domains: [bob.example.com]
""",
}


def write(root: Path, files: Mapping[str, str | bytes | None] | None = None) -> Path:
    """A workspace with the right inventory and these files instead of or beside its own; None takes one away."""
    for name, content in {**RIGHT, **(files or {})}.items():
        path = root / name
        if content is None:
            path.unlink(missing_ok=True)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def store(root: Path) -> FolderStore:
    """The fleet in a workspace, with the shipped apps."""
    return FolderStore(root, templates=[SHIPPED_TEMPLATES])


def digest_of_folder(root: Path) -> str:
    """Over every path, kind, mode and content below a folder; what a command may leave in .launchpad does not count."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.split("/")[0] == ".launchpad":
            continue
        content = path.readlink().as_posix().encode() if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
        total.update(f"{name}\0{path.lstat().st_mode}\0{len(content)}\0".encode() + content)
    return total.hexdigest()
