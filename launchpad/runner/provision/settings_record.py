"""A host's settings: operators, signers, Caddy, storage, ssh. The host judges them itself.

On the host they are in /etc/launchpad/settings.json as {"serial", "settings"}. The signature of the next change names
the file's digest; the serial guarantees that a digest never occurs twice.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, Protocol

from launchpad.runner import paths
from launchpad.runner.alerting.destination import Destination
from launchpad.runner.alerting.peer import Peer, judge_peer
from launchpad.runner.backups.host_target import CREDENTIALS, HostTarget, target_from_json
from launchpad.runner.judge.alert_texts import QUIET, TIMEZONE
from launchpad.runner.protocol import Refused, canonical, digest_of, record_as_json, record_from_json
from launchpad.runner.record import Record
from launchpad.runner.shipping.log_collector import LogCollector, judge_collector
from launchpad.runner.slots import is_tenant_name
from launchpad.runner.system import Storage

SETTINGS = f"{paths.ETC}/settings.json"
LEAST_LOOP_MB = 256
MOST_LOOP_MB = 64 * 1024 * 1024
LEAST_RSA_BITS = 3072

MOST_CADDYFILE = 64 * 1024
MOST_RECIPIENTS = 64
MOST_TARGETS = 64
MOST_DESTINATIONS = 16

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_KEY = re.compile(
    r"(ssh-ed25519|sk-ssh-ed25519@openssh\.com|sk-ecdsa-sha2-nistp256@openssh\.com"
    r"|ecdsa-sha2-nistp(?:256|384|521)|ssh-rsa) ([A-Za-z0-9+/]+={0,2})(?: ([A-Za-z0-9@._+ -]{0,100}))?"
)
_IMAGE = re.compile(
    r"[a-z0-9]+(?:[.-][a-z0-9]+)*(?::[0-9]{1,5})?(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)+"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?@sha256:[0-9a-f]{64}"
)
_RECIPIENT = re.compile(r"age1[02-9ac-hj-np-z]{58}")
_DEVICE = re.compile(r"/dev/[A-Za-z0-9_.:-]+(?:/[A-Za-z0-9_.:-]+)*")
_PEM = re.compile(r"(?:-----BEGIN CERTIFICATE-----\n[A-Za-z0-9+/=\n]+\n-----END CERTIFICATE-----\n?)+")


class Person(Record):
    """A person and the person's public keys: `ssh-ed25519 AAAA… comment`, without options."""

    name: str
    keys: tuple[str, ...]


class Caddy(Record):
    """The web server in front of the tenants."""

    image: str
    """The image, with its digest."""
    caddyfile: str
    """The global Caddyfile; judged in the form that Caddy resolves."""
    acme_root: str = ""
    """PEM of the authority that signs the ACME server's own certificate; empty for public authorities."""


class Ssh(Record):
    port: int = 22
    root_login: bool = False
    """Whether root may log in with a key. If False, only the operators' user and the admins may log in."""


class KnownTarget(Record):
    """A place for backups that this host may use, and the versions of its credentials."""

    target: HostTarget
    credentials: Mapping[str, int] = MappingProxyType({})
    """Name → version; the values are sent beside the settings and sealed. Empty: the target has no credentials."""


class HostIdentity(Record):
    """The host's name and its fleet."""

    host: str
    fleet: str


class HostSettings(Record):
    """Everything about a host that its operators decide; the runner decides the rest."""

    identity: HostIdentity
    operators: tuple[Person, ...]
    """Who may send requests to the runner."""
    allowed_signers: tuple[Person, ...]
    """The admins: who may sign a runner, a change of these settings, and what changes a tenant."""
    caddy: Caddy
    storage: Storage
    ssh: Ssh = Ssh()
    intent_signers: tuple[Person, ...] = ()
    """Who else may sign what changes a tenant."""
    admins: tuple[str, ...] = ()
    """Personal users on the host that may log in and become root; Launchpad does not create them."""
    recipients: tuple[str, ...] = ()
    """The age recipients for tenants' data and backup keys; without recipients neither may leave the host."""
    targets: tuple[KnownTarget, ...] = ()
    """The allowed places for backups; a request cannot name another."""
    alerts: tuple[Destination, ...] = ()
    """The destinations of alerts."""
    exporter: bool = False
    """Whether prometheus-node-exporter runs, on loopback."""
    peer: Peer | None = None
    """The host that this host looks at from outside; None for a host without another."""
    logs: LogCollector | None = None
    """The host that collects the logs of tenants; None for a fleet without one."""
    format: Literal["1"] = "1"

    @property
    def digest(self) -> str:
        return digest_of(canonical(settings_as_json(self)))


def settings_as_json(settings: HostSettings) -> dict[str, Any]:
    """The settings as plain JSON; `settings_from_json` is the inverse."""
    return record_as_json(settings)


def settings_from_json(value: object) -> HostSettings:
    """Parse and judge settings; Refused with the problem and its path."""
    settings = record_from_json(HostSettings, value, "settings")
    _judge(settings)
    return settings


# --- on the host ------------------------------------------------------------------------------------------------------


class SettingsReading(Protocol):
    def read(self, path: str) -> bytes | None: ...


class StoredSettings(Record):
    """The host's present settings; serial 0 and None before the first provision."""

    serial: int
    settings: HostSettings | None
    digest: str


def stored_settings(host: SettingsReading) -> StoredSettings:
    """Read the settings that the last provision recorded. An unreadable file, for example of a newer runner, counts as
    none."""
    data = host.read(SETTINGS)
    return StoredSettings(0, None, "") if data is None else _stored(data)


@lru_cache(maxsize=4)
def _stored(data: bytes) -> StoredSettings:
    """Cached, because the watch's checks read the same settings several times a minute."""
    try:
        value = json.loads(data)
        return StoredSettings(int(value["serial"]), settings_from_json(value["settings"]), digest_of(data))
    except (ValueError, TypeError, KeyError, Refused):
        return StoredSettings(0, None, digest_of(data))


def stored_text(settings: HostSettings, serial: int) -> str:
    """The content of settings.json."""
    return canonical({"serial": serial, "settings": settings_as_json(settings)}).decode() + "\n"


# --- judging ----------------------------------------------------------------------------------------------------------


def _judge(settings: HostSettings) -> None:
    for where, name in (("identity.host", settings.identity.host), ("identity.fleet", settings.identity.fleet)):
        if not is_tenant_name(name):
            raise Refused(
                f"settings.{where}: {name[:60]!r} is not a name of a-z, 0-9 and single hyphens", code="settings-name"
            )
    _judge_people(settings.operators, "settings.operators")
    _judge_people(settings.allowed_signers, "settings.allowed_signers")
    if settings.intent_signers:
        _judge_people(settings.intent_signers, "settings.intent_signers")
    if _IMAGE.fullmatch(settings.caddy.image) is None:
        raise Refused(
            f"settings.caddy.image: {settings.caddy.image[:120]!r} is not an image with its @sha256 digest",
            code="caddy-image-digest",
        )
    if len(settings.caddy.caddyfile) > MOST_CADDYFILE or _CONTROL.search(settings.caddy.caddyfile):
        raise Refused("settings.caddy.caddyfile: more than 64 KiB, or control characters", code="caddyfile-size")
    if settings.caddy.acme_root and _PEM.fullmatch(settings.caddy.acme_root) is None:
        raise Refused("settings.caddy.acme_root: not certificates in PEM form", code="acme-root")
    _judge_storage(settings.storage)
    if len(settings.recipients) > MOST_RECIPIENTS:
        raise Refused(f"settings.recipients: more than {MOST_RECIPIENTS}", code="recipients-count")
    for index, recipient in enumerate(settings.recipients):
        if _RECIPIENT.fullmatch(recipient) is None:
            raise Refused(
                f"settings.recipients[{index}]: not an age recipient: {recipient[:70]!r}", code="recipient-not-age"
            )
    _judge_targets(settings.targets)
    _judge_alerts(settings.alerts)
    if settings.peer is not None:
        judge_peer(settings.peer, own=settings.identity.host)
    if settings.logs is not None:
        judge_collector(settings.logs, own=settings.identity.host)
    for index, name in enumerate(settings.admins):
        if not is_tenant_name(name):
            raise Refused(
                f"settings.admins[{index}]: {name[:60]!r} is not a user's name of a-z, 0-9 and single hyphens",
                code="admin-name",
            )
    if not 1 <= settings.ssh.port <= 65535 or settings.ssh.port in (80, 443):
        raise Refused(
            f"settings.ssh.port: {settings.ssh.port} is not a free port", code="ssh-port", hint="22 is the usual one"
        )


def _judge_targets(targets: tuple[KnownTarget, ...]) -> None:
    names = [item.target.name for item in targets]
    if len(targets) > MOST_TARGETS or len(set(names)) != len(names):
        raise Refused(f"settings.targets: more than {MOST_TARGETS}, or one appears twice", code="settings-targets")
    for item in targets:
        target_from_json(item.target.as_json())
        known = CREDENTIALS[item.target.kind]
        if item.credentials and (set(item.credentials) != set(known) or min(item.credentials.values()) < 1):
            raise Refused(
                f"settings.targets: {item.target.name}: expected versions of {', '.join(known) or 'nothing'}",
                code="target-versions",
            )


def _judge_alerts(destinations: tuple[Destination, ...]) -> None:
    names = [item.name for item in destinations]
    if len(destinations) > MOST_DESTINATIONS or len(set(names)) != len(names):
        raise Refused(f"settings.alerts: more than {MOST_DESTINATIONS}, or one appears twice", code="settings-alerts")
    for item in destinations:
        where = f"settings.alerts: {item.name[:60]!r}"
        if not all(map(is_tenant_name, (item.name, *item.tenants))) or item.version < 1:
            raise Refused(
                f"{where}: expected names of a-z, 0-9 and single hyphens, and the version of the URL",
                code="alert-names",
            )
        if item.quiet and QUIET.fullmatch(item.quiet) is None:
            raise Refused(
                f"{where}: quiet {item.quiet[:20]!r} is not a time range",
                code="quiet-hours",
                hint="write quiet hours as 22:00-07:00",
            )
        if TIMEZONE.fullmatch(item.timezone) is None:
            raise Refused(
                f"{where}: timezone {item.timezone[:60]!r} is not valid",
                code="time-zone",
                hint="write a time zone such as Europe/Berlin",
            )


def _judge_people(people: tuple[Person, ...], where: str) -> None:
    if not people:
        raise Refused(f"{where}: is empty, so nobody could log in to the host again", code="nobody-could-log-in")
    names = [person.name for person in people]
    for index, person in enumerate(people):
        if not is_tenant_name(person.name):
            raise Refused(
                f"{where}[{index}].name: {person.name[:60]!r} is not a name of a-z, 0-9 and single hyphens",
                code="operator-name",
            )
        if person.name in names[:index]:
            raise Refused(f"{where}[{index}].name: {person.name} appears twice", code="operator-twice")
        if not person.keys:
            raise Refused(f"{where}[{index}].keys: {person.name} has none", code="operator-without-keys")
        for number, key in enumerate(person.keys):
            judge_key(key, f"{where}[{index}].keys[{number}]")


def judge_key(key: str, where: str) -> None:
    """Refuse anything but one plain public key: no options, no second line, no weak RSA key."""
    found = _KEY.fullmatch(key)
    if found is None:
        raise Refused(
            f"{where}: not a plain public key",
            code="key-not-plain",
            hint="it starts with ssh-ed25519 AAAA…, without options",
        )
    try:
        parts = _wire_strings(base64.b64decode(found[2], validate=True))
    except (binascii.Error, ValueError) as error:
        raise Refused(f"{where}: the key is damaged", code="key-damaged") from error
    if not parts or parts[0] != found[1].encode():
        raise Refused(f"{where}: the key's content does not match its type", code="key-type-differs")
    if found[1] == "ssh-rsa" and (len(parts) != 3 or int.from_bytes(parts[2], "big").bit_length() < LEAST_RSA_BITS):
        raise Refused(
            f"{where}: an RSA key of fewer than {LEAST_RSA_BITS} bits",
            code="key-too-short",
            hint="ssh-keygen -t ed25519",
        )


def _wire_strings(data: bytes) -> list[bytes]:
    """The length-prefixed parts of a key; ValueError when the lengths do not match."""
    parts = []
    while data:
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length:
            raise ValueError("truncated")
        parts.append(data[4 : 4 + length])
        data = data[4 + length :]
    return parts


def _judge_storage(storage: Storage) -> None:
    if bool(storage.loop_mb) == bool(storage.device):
        raise Refused(
            "settings.storage: expected either a loop file (loop_mb) or a device",
            code="storage-kind",
            hint="set exactly one of the two",
        )
    if storage.device and (_DEVICE.fullmatch(storage.device) is None or ".." in storage.device):
        raise Refused(
            f"settings.storage.device: {storage.device[:60]!r} is not a device below /dev", code="storage-device"
        )
    if storage.loop_mb and not LEAST_LOOP_MB <= storage.loop_mb <= MOST_LOOP_MB:
        raise Refused(
            f"settings.storage.loop_mb: {storage.loop_mb} is not {LEAST_LOOP_MB} or more", code="storage-size"
        )
