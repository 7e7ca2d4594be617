"""What can go wrong between here and a host, as errors that callers tell apart by type."""

from __future__ import annotations

from dataclasses import dataclass

from launchpad.errors import HostError


@dataclass(frozen=True)
class OfferedKey:
    """A host's public key as it offered it."""

    kind: str
    encoded: str
    fingerprint: str


class HostKeyUnknown(HostError):
    """Nothing is known of this host's key yet. `key` is what it offered: confirm it, remember it, connect again."""

    retry = False

    def __init__(self, message: str, *, hint: str = "", key: OfferedKey | None = None) -> None:
        super().__init__(message, hint=hint)
        self.key = key

    def as_dict(self) -> dict[str, object]:
        return super().as_dict() | {"fingerprint": self.key.fingerprint if self.key else ""}


class HostKeyChanged(HostError):
    """The host offered another key than the one that is known: another machine answers, or it was installed anew."""

    retry = False


class LoginRefused(HostError):
    """The host let none of the keys in."""

    retry = False


class ConnectionLost(HostError):
    """The connection broke after the request may have been received: come back to it by its id, never repeat it."""


def if_never_provisioned(host: str) -> str:
    """The first half of a hint: what to type on a host that was never provisioned. `launchpad provision` removes it."""
    return f"launchpad provision {host}, if the host was never provisioned; else "


def cause_of(error: BaseException) -> str:
    """What a person reads of an exception from below."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).strip() or type(error).__name__
