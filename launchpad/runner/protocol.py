"""What the two sides say to each other: requests, releases, events, replies. Standard library only; data, no behaviour.

One exec carries one request: one line of JSON on standard input,

    {"protocol": 1, "client": "0.1.0", "verb": "submit", "body": {...}}

and any number of JSON lines come back, events first, one reply or one error last:

    {"type": "event", "number": 3, "at": 1790000000.1, "event": "step-done", "step": "pull-images", ...}
    {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {...}}
    {"type": "error", "error": "state", "code": "not-deployed", "message": "...", "hint": ["...", ["deploy", "alice"]]}

A hint with commands is a list, of texts and commands (launchpad/runner/hint.py).

    {"type": "alive"}

comes each ten seconds while the answer is made, and means nothing else.

What a tenant's data is carried in are lines too: {"type": "data", "data": base64} from the host (`send`), and
{"data": base64} behind the request (`receive`), the last one {"end": {"bytes", "digest"}}.

The parsers here are closed: an unknown key, a missing one or a wrong type is refused, so that a field that one side
does not know never passes in silence.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cache, cached_property
from types import MappingProxyType, NoneType, UnionType
from typing import Any, Literal, TypeVar

from launchpad.runner.hint import Hint, hint_as_json, hint_from_json
from launchpad.runner.record import REQUIRED, Record

try:  # hashlib loads OpenSSL, a tenth of `status`'s time on a host; the standard library's `random` does the same
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # before Python 3.12
    except ImportError:
        from hashlib import sha256

PROTOCOL = 1
OLDEST_PROTOCOL = 1
"""The runner serves PROTOCOL and the protocol before it (none yet); an older client may read but not change."""

READING_VERBS = frozenset(
    {
        "hello", "observe", "follow", "history", "logs", "plan", "generations", "backups", "send", "rollouts",
        "whereabouts", "certificates", "release", "signer", "usage", "names", "diagnose", "alerts",
        "metered", "metrics", "costs",
    }
)  # fmt: skip
CHANGING_VERBS = frozenset(
    {
        "submit",
        "cancel",
        "confirm",
        "act",
        "install",
        "previous",
        "target",
        "receive",
        "rollout",
        "gameday",
        "obtain",
        "shown",
        "silence",
        "tell",
        "expect",
    }
)
VERBS = READING_VERBS | CHANGING_VERBS
SIGNED_VERBS = frozenset(
    {
        "submit",
        "cancel",
        "act",
        "send",
        "certificates",
        "receive",
        "rollout",
        "target",
        "silence",
        "gameday",
        "obtain",
        "shown",
        "tell",
    }
)
"""Verbs for which a person's signature is asked, but of some operations (see `judge.intent`)."""
TIMELESS_VERBS = frozenset({"hello", "install"})
"""Verbs that work between any two protocols: a newer client uses them to detect and update an older runner. Their
bodies never change, and their replies only gain keys."""

BESIDE = frozenset({"backup", "verify", "fetch", "drill", "forget", "rewrap"})
"""Operations that change nothing of their tenant: other operations, such as an upgrade, may run meanwhile."""
FOR_ANOTHER_HOST = frozenset({"rehearse-here", "drill-here"})
"""Operations on another host's tenant, which leave nothing of the tenant on this host."""
NEVER_RESUMED = BESIDE | FOR_ANOTHER_HOST
PUBLIC = "launchpad"
"""The password of the repositories with wrapped keys and with the workspace: their content is already encrypted, and
must be readable without a key."""
MOST_REHEARSED_AGE = 6 * 3600
"""Seconds: the largest age of the data of a rehearsal on another host when the upgrade begins."""

ErrorKind = Literal["request", "state", "locked", "step", "protocol", "bug"]
"""request: malformed or unsafe; state: does not fit the host's state; locked: retry later; step: a step failed."""


MALFORMED = "malformed-request"
"""The code of a request that no Launchpad of this version sends; nothing but an update helps."""

Some = TypeVar("Some", bound=Record)


class Refused(Exception):
    """The runner refuses a request: `kind` and `code` for programs, `message` and `hint` for people. Sent as an error
    line. A code stands for one cause, and for one thing to do next."""

    code = MALFORMED

    def __init__(self, message: str, *, code: str = "", kind: ErrorKind = "request", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.code
        self.kind: ErrorKind = kind
        self.hint = hint

    def as_line(self) -> dict[str, Any]:
        return {
            "type": "error",
            "error": self.kind,
            "code": self.code,
            "message": self.message,
            "hint": hint_as_json(self.hint),
        }


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: object) -> bytes:
    """The JSON form that digests are computed from: sorted keys, no spaces, UTF-8."""
    return _CANONICAL.encode(value).encode()


def digest_of(data: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + str(sha256(data).hexdigest())


# --- the release -----------------------------------------------------------------------------------------------------


class Service(Record):
    """One container of a release. `name` is the Compose service; its index in the release gives its address."""

    name: str
    image: str
    """`registry/repository@sha256:…`, with an optional tag before the @; never a tag alone."""
    memory_mb: int
    cpus: float
    pids: int


class Probe(Record):
    """One health check, sent by the runner from the host.

    kind `process`: every container runs and none has restarted. kind `ready` / `provider` / `channel`: GET
    http://<service address>:<port><path> answers `expect`. Only process and ready decide a deploy; the others warn.
    """

    kind: Literal["process", "ready", "provider", "channel"]
    service: str = ""
    port: int = 0
    path: str = ""
    expect: int = 200


class Action(Record):
    """A command that an app offers inside its own container, such as openclaw's one-time browser link."""

    name: str
    service: str
    argv: tuple[str, ...]
    """`{0}`, `{1}` … stand for the caller's arguments, each of [A-Za-z0-9_.:-]{1,128}."""
    timeout_seconds: int = 60


EGRESS_PORTS = (465, 587)
"""Mail submission ports: closed for a tenant unless its app declares them. Port 25 is always closed."""


class Release(Record):
    """What runs: image digests, rendered files, secret versions, and how to start and check it. Immutable.

    `digest` covers the canonical JSON of all fields, and `files` has each file's digest, so one digest names
    everything. The inventory's revision is not a field: the deploy request has it beside the release.
    """

    tenant: str
    slot: int
    app: str
    version: str
    strategy: Literal["swap", "beside"]
    """swap: one writer, the old one stops before the new one starts; beside: two may run at once."""
    services: tuple[Service, ...]
    web: str
    """`service:port` that Caddy dials, or empty for an app without a site."""
    domains: tuple[str, ...]
    volumes: tuple[str, ...]
    """Names; each is a folder below the tenant's data/, owned by the tenant's uid."""
    disk_mb: int
    egress: Literal["open", "none"]
    secrets: Mapping[str, int]
    """Name → version; never values."""
    probes: tuple[Probe, ...]
    actions: tuple[Action, ...]
    start_seconds: int
    """Seconds from the start until the probes must pass."""
    steady_seconds: int
    """Seconds for which the probes must pass, with unchanged container start times, before traffic opens."""
    stop_seconds: int
    """Seconds for a stop before the kill (Compose's stop_grace_period)."""
    files: Mapping[str, str]
    """Relative path → digest. Always has `compose.yaml`; has `site.caddy` with a web service."""
    format: int = 1
    real_in_rehearsals: tuple[str, ...] = ()
    """The secrets whose real values a rehearsal's clone gets, because the tenant's data depends on them."""
    egress_ports: tuple[int, ...] = ()
    """Those of EGRESS_PORTS that the tenant may reach."""
    epoch: int = 0
    """Above every epoch of the slot's earlier tenants; 0 for the slot's first one."""

    @cached_property
    def digest(self) -> str:
        return digest_of(canonical(release_as_json(self)))

    @property
    def short(self) -> str:
        """The first 12 hex digits: the release's folder, and its name for people."""
        return self.digest.removeprefix("sha256:")[:12]


LATER_KEYS = ("real_in_rehearsals", "egress_ports", "epoch")
"""Keys of a release that were added later; left out when empty."""


# --- the rollout -----------------------------------------------------------------------------------------------------


class Member(Record):
    """A tenant of a rollout, with its host and version when the rollout was planned."""

    tenant: str
    host: str
    version: str
    proves: bool = True
    """Whether its success proves anything: False when its probes failed before the rollout."""


class Wave(Record):
    """The tenants that change together: those of one ring."""

    ring: str
    soak: int
    """Seconds for which the wave must stay healthy before the next wave begins."""
    budget: int
    """How many tenants may fail."""
    members: tuple[Member, ...]


class Rollout(Record):
    """A new version for an app's tenants, wave by wave. Immutable, and on every included host before the first wave.

    Its progress is not stored here: it is read from the operations, whose ids follow from the rollout's id."""

    id: str
    app: str
    version: str
    waves: tuple[Wave, ...]
    tenant_soak: int
    """Seconds for which each tenant is watched before its upgrade commits."""
    rehearse: bool
    timeout: int
    """The longest time for one tenant's upgrade, in seconds."""
    patience: int
    """Seconds to wait for a host that does not answer."""
    revision: str
    """The inventory's revision when the rollout was planned."""
    format: int = 1


class Intent(Record):
    """What its operators last requested for a rollout: the intent with the highest serial on any of its hosts."""

    serial: int
    what: Literal["go", "halt", "over", "undo", "undone"]
    passed: tuple[int, ...] = ()
    """The indexes of the waves that passed; a host that becomes silent later does not change that."""
    accepted: tuple[int, ...] = ()
    """The indexes of the waves after which the rollout continues whatever their verdict."""
    reason: str = ""


# --- requests --------------------------------------------------------------------------------------------------------


class Inventory(Record):
    """The inventory's revision: a Git commit or a content digest. `ancestors`: the revisions that it descends from,
    newest first, at most 500, including itself."""

    revision: str
    ancestors: tuple[str, ...]


def shown_revision(revision: str) -> str:
    """A revision for people: 12 digits, then + and a digest of uncommitted changes."""
    base, plus, content = revision.partition("+")
    return base[:12] + plus + content


class Envelope(Record):
    """What a person signs so that one host carries one request out (see `judge.intent`)."""

    fleet: str
    host: str
    verb: str
    nonce: str
    """Chosen anew for each try: a host carries out one envelope once."""
    body: str
    """The digest of the whole body: of an operation with its id, its revision and the values of its secrets."""
    revision: str
    """The inventory's, for the journal; empty where the request has none."""
    until: int
    """Seconds since 1970, by the host's clock: afterwards the signature is worth nothing."""
    format: int = 1


class SignedIntent(Record):
    envelope: Envelope
    signature: str
    """Over the envelope's canonical JSON, as `ssh-keygen -Y sign` makes it."""


class Request(Record):
    """One line from the operator."""

    protocol: int
    client: str
    verb: str
    body: Mapping[str, Any] = MappingProxyType({})
    intent: SignedIntent | None = None
    """What a person signed of it; None for what needs no signature."""


def release_as_json(release: Release) -> dict[str, Any]:
    """The release as plain JSON; `release_from_json` is the inverse. A key that was added later is omitted while it has
    its empty value: so a release keeps its digest, and an older runner accepts it."""
    value: dict[str, Any] = _plain(release)
    return {name: item for name, item in value.items() if name not in LATER_KEYS or item}


def release_from_json(value: object) -> Release:
    """Parse a release; Refused for an unknown key, a missing key, or a wrong type. `judge` checks the safety."""
    return _build(Release, value, "release")


def request_from_line(line: bytes) -> Request:
    """Parse a request line; Refused when it is malformed."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused("the request is not a line of JSON") from error
    request = _build(Request, value, "request")
    if request.verb not in VERBS:
        raise Refused(
            f"unknown verb {request.verb!r}",
            code="unknown-verb",
            kind="protocol",
            hint="update Launchpad, or provision the host",
        )
    return request


def inventory_from_json(value: object) -> Inventory:
    """Parse an inventory revision; Refused when it is malformed."""
    return _build(Inventory, value, "inventory")


def record_as_json(record: Record) -> dict[str, Any]:
    """Any record (of plain fields) as JSON."""
    value: dict[str, Any] = _plain(record)
    return value


def record_from_json(kind: type[Some], value: object, where: str) -> Some:
    """A record of this kind from JSON, closed and typed like a release; a refusal's message begins with `where`."""
    return _build(kind, value, where)


def reply_from_json(kind: type[Some], value: object, where: str) -> Some:
    """The same, from a runner that may be newer: unknown keys are passed over, in the records inside too."""
    return _build(kind, value, where, closed=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Hint):
        return hint_as_json(value)
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Record):
        return {name: _plain(item) for name, item in value.plain().items()}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _build(kind: type[Some], value: object, where: str, *, closed: bool = True) -> Some:
    """A record from JSON by its annotations; Refused with the path of an unknown key (if `closed`) or a wrong type."""
    if not isinstance(value, dict):
        raise Refused(f"{where}: expected an object")
    hints = _hints(kind)  # type: ignore[arg-type]
    unknown = set(value) - set(kind.FIELDS) if closed else ()
    if unknown:
        raise Refused(f"{where}: unknown key {min(unknown)!r}")
    arguments = {}
    for name, default in kind.FIELDS.items():
        if name in value:
            arguments[name] = _coerce(hints[name], value[name], f"{where}.{name}", closed)
        elif default is REQUIRED:
            raise Refused(f"{where}: missing key {name!r}")
    return kind(**arguments)


@cache
def _hints(kind: type) -> dict[str, Any]:
    import typing

    return typing.get_type_hints(kind)


@cache
def _shape(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    import typing

    return typing.get_origin(hint), typing.get_args(hint)


def _coerce(hint: Any, value: Any, where: str, closed: bool) -> Any:
    if type(value) is hint:
        return value
    origin, arguments = _shape(hint)
    if origin is Literal:
        if not isinstance(value, str) or value not in arguments:
            raise Refused(f"{where}: expected one of {', '.join(arguments)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise Refused(f"{where}: expected a list")
        return tuple(_coerce(arguments[0], item, f"{where}[{index}]", closed) for index, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise Refused(f"{where}: expected an object")
        return {key: _coerce(arguments[1], item, f"{where}.{key}", closed) for key, item in value.items()}
    if hint is Any:
        return value
    if hint is Hint:
        return hint_from_json(value)
    if origin is UnionType:
        kinds = [kind for kind in arguments if kind is not NoneType]
        return None if value is None and NoneType in arguments else _coerce(kinds[0], value, where, closed)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if not isinstance(value, str) or value not in {item.value for item in hint}:
            raise Refused(f"{where}: expected one of {', '.join(hint)}")
        return hint(value)
    if isinstance(hint, type) and issubclass(hint, Record):
        return _build(hint, value, where, closed=closed)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise Refused(f"{where}: expected {hint.__name__}")
    return value
