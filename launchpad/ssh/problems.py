"""The errors of a connection to a host, which callers distinguish by type."""

from __future__ import annotations

from dataclasses import dataclass

from launchpad.errors import HostError, StateError


@dataclass(frozen=True)
class OfferedKey:
    """A public key that a host offered."""

    kind: str
    encoded: str
    fingerprint: str


class HostKeyUnknown(HostError):
    """No key of this host is known. `key` is the offered key: confirm it, store it, connect again."""

    code = "host-key-unknown"
    retry = False

    def __init__(self, message: str, *, hint: str = "", key: OfferedKey | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key = key

    def as_dict(self) -> dict[str, object]:
        return super().as_dict() | {"fingerprint": self.key.fingerprint if self.key else ""}


class HostKeyChanged(HostError):
    """The host offered an unknown key although its key is known: another machine answers, or the host was
    reinstalled."""

    code = "host-key-changed"
    retry = False


class LoginRefused(HostError):
    """The host accepted none of the keys."""

    retry = False


class ConnectionLost(HostError):
    """The connection broke after the request may have been received: attach to the operation by its id; do not repeat
    the request."""


def if_never_provisioned(host: str) -> str:
    """The first half of a hint: what to type on a host that was never provisioned. `launchpad provision` removes it."""
    return f"launchpad provision {host}, if the host was never provisioned; else "


def cause_of(error: BaseException) -> str:
    """The cause of a lower-level exception, for people."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip() or type(error).__name__


class StaleCheckout(StateError):
    """The host rejected an inventory, because none of the ancestors sent is the running revision."""

    def __init__(self, text: str, *, code: str = "", hint: str = "", host: str = "", revision: str = "") -> None:
        super().__init__(text, code=code, hint=hint, host=host)
        self.revision = revision
        """The running revision, as the host reports it."""
