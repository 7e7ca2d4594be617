"""A new workspace with its owner's keys, which passes every check."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from launchpad.errors import StateError
from launchpad.fleet.keeping.schema import write_schemas
from launchpad.fleet.keeping.workspace_files import STATE, remove_file, replace_file, told
from launchpad.fleet.reading.inventory_files import INVENTORY, SCHEMAS, SETTINGS_FILE, schema_line
from launchpad.fleet.words.names import OperatorName
from launchpad.fleet.words.references import PublicKey, Recipient
from launchpad.runner.hint import Next

EXAMPLE = Path(__file__).parents[2] / INVENTORY
TIERS = EXAMPLE / "tiers.yaml"

_SETTINGS = """\
# The settings of the whole fleet. `launchpad check` reports every mistake in this folder.

# The fleet's operators. keys: SSH keys that may run Launchpad's runner on every host. signing_keys: sign what
# changes a tenant, and, unless `admin: false` stands beside them, a new runner and a change of a host's settings.
# recipients: age public keys that can read the secrets in inventory/secrets.
# `launchpad operator add` and `launchpad operator remove` edit this list and print what is left to do.
operators:
  - name: {operator}
    keys:
      - {ssh_key}
    signing_keys:
      - {signing_key}
    recipients:
      - {recipient}

# The web server in front of the tenants. `launchpad app pin` writes its image here, with the digest that hosts require.
caddy:
  # Certificates come from Let's Encrypt, which sends warnings to this address. Write your own address.
  # acme_email: ops@example.com
  stream_close_delay: 24h
"""

_GITIGNORE = f"""\
# this checkout's own state
{STATE}/
"""


@dataclass(frozen=True)
class Owner:
    """The workspace's first operator; only public keys."""

    operator: OperatorName
    ssh_key: PublicKey
    signing_key: PublicKey
    recipient: Recipient


def refuse_existing(root: Path) -> None:
    """StateError when the folder already has parts of a workspace."""
    for there in (SETTINGS_FILE, INVENTORY):
        if (root / there).exists() or (root / there).is_symlink():
            raise StateError(
                f"{root / there} exists already", code="workspace-exists", hint=Next("init") + " another-folder"
            )


def scaffold(root: Path, owner: Owner, *, example: bool = False) -> tuple[Path, ...]:
    """Write a workspace into a folder, which is made when missing; return the files. With `example` the workspace has
    the example fleet, otherwise only tiers. StateError, and nothing is written, when the folder already has parts of a
    workspace. An existing .gitignore does not change."""
    refuse_existing(root)
    made: list[Path] = []
    try:
        for folder in ("apps", "tenants"):
            with told(root):
                (root / INVENTORY / folder).mkdir(parents=True, exist_ok=True)
        for name, content in _contents(owner, example=example).items():
            if name != ".gitignore" or not (root / name).exists():
                replace_file(root / name, content)
                made.append(root / name)
        made += write_schemas(root)
    except BaseException:
        for path in [*made, *(root / SCHEMAS).glob("*.json")]:
            remove_file(path)
        raise
    return tuple(made)


def _contents(owner: Owner, *, example: bool) -> dict[str, bytes]:
    """Every file; launchpad.yaml last, because it makes the folder a workspace."""
    contents = {
        f"{INVENTORY}/{path.relative_to(EXAMPLE).as_posix()}": path.read_bytes()
        for path in (sorted(EXAMPLE.rglob("*.yaml")) if example else [TIERS])
    }
    settings = schema_line("launchpad") + _SETTINGS.format(
        operator=owner.operator,
        ssh_key=owner.ssh_key,
        signing_key=owner.signing_key,
        recipient=owner.recipient,
    )
    return contents | {".gitignore": _GITIGNORE.encode(), SETTINGS_FILE: settings.encode()}
