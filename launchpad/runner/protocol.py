"""What the two sides say to each other: requests, releases, events, replies. Standard library only; data, no behaviour.

One exec carries one request: one line of JSON on standard input,

    {"protocol": 1, "client": "0.1.0", "verb": "submit", "body": {...}}

and any number of JSON lines come back, events first, one reply or one error last:

    {"type": "event", "number": 3, "at": 1790000000.1, "event": "step-done", "step": "pull-images", ...}
    {"type": "reply", "protocol": 1, "runner": "0.1.0", "body": {...}}
    {"type": "error", "error": "state", "message": "...", "hint": "..."}

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

from launchpad.runner.record import REQUIRED, Record

try:  # hashlib loads OpenSSL, a tenth of all that `status` does on a host; the standard library's `random` avoids it so
    from _sha2 import sha256  # type: ignore[import-not-found]
except ImportError:
    try:
        from _sha256 import sha256  # type: ignore[import-not-found]  # before Python 3.12
    except ImportError:
        from hashlib import sha256

PROTOCOL = 1
OLDEST_PROTOCOL = 1
"""The runner serves PROTOCOL and the one before it (none yet); an older client may read and not change."""

READING_VERBS = frozenset(
    {
        "hello", "observe", "follow", "history", "logs", "plan", "generations", "backups", "send", "rollouts",
        "whereabouts", "certificates", "release", "signer", "usage", "names", "diagnose", "alerts",
    }
)  # fmt: skip
CHANGING_VERBS = frozenset(
    {
        "submit",
        "cancel",
        "confirm",
        "act",
        "install",
        "target",
        "receive",
        "rollout",
        "obtain",
        "shown",
        "silence",
        "tell",
    }
)
VERBS = READING_VERBS | CHANGING_VERBS
TIMELESS_VERBS = frozenset({"hello", "install"})
"""Understood between any two protocols: by them a newer client finds an older runner and brings it up to date. Their
bodies never change, and their replies only gain keys."""

BESIDE = frozenset({"backup", "verify", "fetch", "drill", "forget", "rewrap"})
"""Operations that change nothing of their tenant: others go on meanwhile, an upgrade or its undo above all."""
NEVER_RESUMED = BESIDE | {"rehearse-here"}
PUBLIC = "launchpad"
"""The password of the repositories with a wrapped key and with the workspace: what lies in them is sealed, and has to
be found without a key."""
MOST_REHEARSED_AGE = 6 * 3600
"""Seconds: so old the data may be on which another host has rehearsed an upgrade when that begins."""

ErrorKind = Literal["request", "state", "locked", "step", "protocol", "bug"]
"""request: malformed or judged unsafe; state: does not fit what is; locked: retry later; step: a step failed."""


Some = TypeVar("Some", bound=Record)


class Refused(Exception):
    """The runner says no: `kind` for programs, `message` and `hint` for people. Crosses the wire as an error line."""

    def __init__(self, message: str, *, kind: ErrorKind = "request", hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.kind: ErrorKind = kind
        self.hint = hint

    def as_line(self) -> dict[str, str]:
        return {"type": "error", "error": self.kind, "message": self.message, "hint": self.hint}


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def canonical(value: object) -> bytes:
    """The one JSON form that digests are taken of: sorted keys, no spaces, UTF-8."""
    return _CANONICAL.encode(value).encode()


def digest_of(data: bytes) -> str:
    """`sha256:` and 64 hex digits."""
    return "sha256:" + str(sha256(data).hexdigest())


# --- the release -----------------------------------------------------------------------------------------------------


class Service(Record):
    """One container of a release. `name` is the Compose service; its index in the release gives its address."""

    name: str
    image: str
    """`registry/repository@sha256:…`, or with a tag before the @; never a tag alone."""
    memory_mb: int
    cpus: float
    pids: int


class Probe(Record):
    """One question about health, asked by the runner from the host.

    kind `process`: every container runs and none restarted. kind `ready` / `provider` / `channel`: GET
    http://<service address>:<port><path> answers `expect`. Only process and ready decide a deploy; the others warn.
    """

    kind: Literal["process", "ready", "provider", "channel"]
    service: str = ""
    port: int = 0
    path: str = ""
    expect: int = 200


class Action(Record):
    """Something that an app offers to do inside its own container, e.g. openclaw's one-time browser link."""

    name: str
    service: str
    argv: tuple[str, ...]
    """`{0}`, `{1}` … stand for the caller's arguments, each of [A-Za-z0-9_.:-]{1,128}."""
    timeout_seconds: int = 60


EGRESS_PORTS = (465, 587)
"""Where mail is handed in: closed to tenants unless their app says that it needs them. Port 25 always is."""


class Release(Record):
    """What runs: image digests, rendered files, secret versions, and how to start and judge it. Immutable.

    `digest` is taken over the canonical JSON of everything here, and `files` has each file's own digest, so one
    digest names it all. The inventory's revision is not part of it: it travels beside it in the deploy request.
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
    """Names; each is a folder below the tenant's data/ that belongs to its uid."""
    disk_mb: int
    egress: Literal["open", "none"]
    secrets: Mapping[str, int]
    """Name → version. Values are never here."""
    probes: tuple[Probe, ...]
    actions: tuple[Action, ...]
    start_seconds: int
    """How long the probes may take to hold from the start."""
    steady_seconds: int
    """How long they must hold, with unchanged container start times, before traffic."""
    stop_seconds: int
    """How long a stop may take before the kill (Compose's stop_grace_period)."""
    files: Mapping[str, str]
    """Relative path → digest of its bytes. Always `compose.yaml`; `site.caddy` when there is a web."""
    format: int = 1
    real_in_rehearsals: tuple[str, ...] = ()
    """The secrets that a rehearsal's clone has as they are, because the tenant's data was made with them."""
    egress_ports: tuple[int, ...] = ()
    """Those of EGRESS_PORTS that it reaches in the world, beside all others."""

    @cached_property
    def digest(self) -> str:
        return digest_of(canonical(release_as_json(self)))

    @property
    def short(self) -> str:
        """The first 12 hex digits: the release's folder and what people see."""
        return self.digest.removeprefix("sha256:")[:12]


LATER_KEYS = ("real_in_rehearsals", "egress_ports")
"""Of a release; what is empty is not said."""


# --- the rollout -----------------------------------------------------------------------------------------------------


class Member(Record):
    """A tenant of a rollout, where it was and what it ran when the rollout was decided."""

    tenant: str
    host: str
    version: str
    proves: bool = True
    """Whether its going well says anything: not where its probes failed before already."""


class Wave(Record):
    """The tenants that change together, those of one ring."""

    ring: str
    soak: int
    """Seconds for which they must go well before the next wave begins."""
    budget: int
    """So many may fail."""
    members: tuple[Member, ...]


class Rollout(Record):
    """A new version for an app's tenants, wave by wave. Immutable, and on every host in it before the first begins.

    How far it has come is not in it: that is read from the operations, whose ids follow from its own."""

    id: str
    app: str
    version: str
    waves: tuple[Wave, ...]
    tenant_soak: int
    """Seconds for which each tenant is watched before its upgrade is committed."""
    rehearse: bool
    timeout: int
    """Seconds that one tenant's upgrade may take."""
    patience: int
    """Seconds for which a host that went silent is waited for."""
    revision: str
    """The inventory's, when it was decided."""
    format: int = 1


class Intent(Record):
    """What is to become of a rollout, as its operators said last: the highest serial that any of its hosts has."""

    serial: int
    what: Literal["go", "halt", "over", "undo", "undone"]
    passed: tuple[int, ...] = ()
    """The waves that passed, by their place: a host that falls silent later takes nothing of that back."""
    accepted: tuple[int, ...] = ()
    """The waves behind which it goes on whatever their verdict is."""
    reason: str = ""


# --- requests --------------------------------------------------------------------------------------------------------


class Inventory(Record):
    """Where the operator's text came from. `revision` is a Git commit or a content digest; `ancestors` are the
    revisions that it descends from, newest first, at most 500, itself included."""

    revision: str
    ancestors: tuple[str, ...]


def shown_revision(revision: str) -> str:
    """A revision as people see and type it: 12 digits, and behind a + those of what was not committed."""
    base, plus, content = revision.partition("+")
    return base[:12] + plus + content


class Request(Record):
    """One line from the operator."""

    protocol: int
    client: str
    verb: str
    body: Mapping[str, Any] = MappingProxyType({})


def release_as_json(release: Release) -> dict[str, Any]:
    """The release as plain JSON; `release_from_json` reads it back. A later key says nothing where it says what was so
    before there was such a key: a release keeps its digest, and an older runner understands it."""
    value: dict[str, Any] = _plain(release)
    return {name: item for name, item in value.items() if name not in LATER_KEYS or item}


def release_from_json(value: object) -> Release:
    """Parse a release; Refused on an unknown key, a missing one, or a wrong type. Safety is judge's."""
    return _build(Release, value, "release")


def request_from_line(line: bytes) -> Request:
    """Parse a request line; Refused when it is not one."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Refused("the request is not a line of JSON") from error
    request = _build(Request, value, "request")
    if request.verb not in VERBS:
        raise Refused(f"unknown verb {request.verb!r}", kind="protocol", hint="update Launchpad, or provision the host")
    return request


def inventory_from_json(value: object) -> Inventory:
    """Parse an inventory revision; Refused when it is not one."""
    return _build(Inventory, value, "inventory")


def record_as_json(record: Record) -> dict[str, Any]:
    """Any record (of plain fields) as JSON."""
    value: dict[str, Any] = _plain(record)
    return value


def record_from_json(kind: type[Some], value: object, where: str) -> Some:
    """A record of this kind from JSON, closed and typed like a release; `where` begins what a refusal says."""
    return _build(kind, value, where)


def _plain(value: Any) -> Any:
    if isinstance(value, (str, int)):
        return value
    if isinstance(value, Record):
        return {name: _plain(item) for name, item in value.plain().items()}
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [_plain(item) for item in value]
    return value


def _build(kind: type[Some], value: object, where: str) -> Some:
    """A record from JSON by its annotations: closed, typed, with the path of what is wrong."""
    if not isinstance(value, dict):
        raise Refused(f"{where}: expected an object")
    hints = _hints(kind)  # type: ignore[arg-type]
    unknown = set(value) - set(kind.FIELDS)
    if unknown:
        raise Refused(f"{where}: unknown key {min(unknown)!r}")
    arguments = {}
    for name, default in kind.FIELDS.items():
        if name in value:
            arguments[name] = _coerce(hints[name], value[name], f"{where}.{name}")
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


def _coerce(hint: Any, value: Any, where: str) -> Any:
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
        return tuple(_coerce(arguments[0], item, f"{where}[{index}]") for index, item in enumerate(value))
    if origin is Mapping:
        if not isinstance(value, dict):
            raise Refused(f"{where}: expected an object")
        return {key: _coerce(arguments[1], item, f"{where}.{key}") for key, item in value.items()}
    if hint is Any:
        return value
    if origin is UnionType:
        kinds = [kind for kind in arguments if kind is not NoneType]
        return None if value is None and NoneType in arguments else _coerce(kinds[0], value, where)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        if not isinstance(value, str) or value not in {item.value for item in hint}:
            raise Refused(f"{where}: expected one of {', '.join(hint)}")
        return hint(value)
    if isinstance(hint, type) and issubclass(hint, Record):
        return _build(hint, value, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise Refused(f"{where}: expected {hint.__name__}")
    return value
