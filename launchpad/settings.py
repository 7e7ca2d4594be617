"""The operator and the operator's keys.

Settings of the whole fleet are in its launchpad.yaml; an operator's own settings are in the environment:

    LAUNCHPAD_WORKSPACE     the workspace's folder; default: the nearest parent folder with a launchpad.yaml
    LAUNCHPAD_CONFIG        the folder with this operator's keys; default: ~/.config/launchpad
    LAUNCHPAD_OPERATOR      the operator's name in launchpad.yaml; default: the login name
    LAUNCHPAD_ON_BEHALF_OF  for whom this operator acts, such as a customer or a ticket: a label in `launchpad history`
    LAUNCHPAD_IDENTITY      the age identity that opens the fleet's secrets; default: CONFIG/identity
    LAUNCHPAD_SSH_KEY       the SSH key for hosts; default: CONFIG/ssh_ed25519 if it exists, else ~/.ssh and the agent
    LAUNCHPAD_SIGNING_KEY   the key that signs runners; default: CONFIG/signing_ed25519
    LAUNCHPAD_PARALLEL      the number of hosts in parallel, 1 to 256; default: 32
    LAUNCHPAD_CONNECT_TIMEOUT   the timeout of a connection, such as 10s
    LAUNCHPAD_DEBUG         any value: print SSH's debug log to standard error
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launchpad.errors import InventoryError
from launchpad.fleet.words.malformed import Malformed
from launchpad.fleet.words.names import Label, OperatorName, slug
from launchpad.fleet.words.quantities import Duration

MOST_PARALLEL = 256
CONNECT_TIMEOUT = Duration(10)
NOBODY = Label("")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The operator's settings; every path is absolute, and none is checked to exist."""

    operator: OperatorName
    home: Path
    config: Path
    identity: Path
    ssh_key: Path | None
    """None: the usual files in ~/.ssh, and the agent."""
    signing_key: Path
    workspace: Path | None = None
    parallel: int = 32
    connect_timeout: Duration = CONNECT_TIMEOUT
    debug: bool = False
    on_behalf_of: Label = NOBODY
    """For whom the operator acts: a label that the hosts record, and that gives no right."""

    @classmethod
    def of(cls, environment: Mapping[str, str], *, home: Path) -> Settings:
        """Read the settings from an environment; InventoryError, which names the variable, for a wrong value."""

        def path(name: str) -> Path | None:
            text = environment.get(name, "")
            return Path(text).expanduser().absolute() if text else None

        above = environment.get("XDG_CONFIG_HOME", "")
        config = path("LAUNCHPAD_CONFIG") or (Path(above) if above.startswith("/") else home / ".config") / "launchpad"
        made = config / "ssh_ed25519"
        return cls(
            operator=_operator(environment),
            home=home,
            config=config,
            identity=path("LAUNCHPAD_IDENTITY") or config / "identity",
            ssh_key=path("LAUNCHPAD_SSH_KEY") or (made if made.exists() else None),
            signing_key=path("LAUNCHPAD_SIGNING_KEY") or config / "signing_ed25519",
            workspace=path("LAUNCHPAD_WORKSPACE"),
            parallel=_parallel(environment.get("LAUNCHPAD_PARALLEL", "")),
            connect_timeout=_timeout(environment.get("LAUNCHPAD_CONNECT_TIMEOUT", "")),
            debug=bool(environment.get("LAUNCHPAD_DEBUG")),
            on_behalf_of=_label(environment.get("LAUNCHPAD_ON_BEHALF_OF", "")),
        )


def _operator(environment: Mapping[str, str]) -> OperatorName:
    named = environment.get("LAUNCHPAD_OPERATOR", "")
    if named:
        try:
            return OperatorName(named)
        except Malformed as error:
            raise InventoryError(
                f"LAUNCHPAD_OPERATOR: {error.message}", code="bad-operator-name", hint=error.hint
            ) from error
    return OperatorName(slug(environment.get("USER", "") or environment.get("LOGNAME", "")) or "operator")


def _label(text: str) -> Label:
    try:
        return Label(text)
    except Malformed as error:
        message = f"LAUNCHPAD_ON_BEHALF_OF: {error.message}"
        raise InventoryError(message, code="malformed-label", hint=error.hint) from error


def _parallel(text: str) -> int:
    if not text:
        return Settings.parallel
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= MOST_PARALLEL:
        expected = f"a whole number from 1 to {MOST_PARALLEL}"
        raise InventoryError(f"LAUNCHPAD_PARALLEL: bad value {text[:60]!r}; expected {expected}", code="bad-parallel")
    return int(text)


def _timeout(text: str) -> Duration:
    if not text:
        return CONNECT_TIMEOUT
    try:
        return Duration.parse(text)
    except Malformed as error:
        raise InventoryError(
            f"LAUNCHPAD_CONNECT_TIMEOUT: {error.message}", code="bad-connect-timeout", hint=error.hint
        ) from error
