"""Names, each with a type of its own: a TenantName is safe as a path, a shell word and a subdomain."""

from __future__ import annotations

import re
import unicodedata

from launchpad.fleet.words.malformed import Malformed, Text, quoted
from launchpad.runner.slots import TENANT_NAME

SLUG = TENANT_NAME
PAST_NAMES = frozenset({"clawdbot", "moltbot"})
"""OpenClaw's earlier names: their data can be imported, but they cannot be hosted."""


def past(name: str) -> str:
    """The reason to reject an earlier name of OpenClaw."""
    lacks = "without the fix of CVE-2026-25253 and without HTTP health"
    return f"{name} cannot be hosted: {name} is an old version of OpenClaw, {lacks}"


_SPELT = str.maketrans(
    {
        "ä": "ae",
        "ö": "oe",
        "ü": "ue",
        "ß": "ss",
        "æ": "ae",
        "ø": "oe",
        "œ": "oe",
        "ð": "d",
        "đ": "d",
        "þ": "th",
        "ł": "l",
    }
)


def latin(text: str) -> str:
    """The text in lower case and without accents; empty when a letter or digit has no known Latin spelling."""
    spelt = unicodedata.normalize("NFC", text.lower()).translate(_SPELT)
    bare = "".join(mark for mark in unicodedata.normalize("NFKD", spelt) if not unicodedata.combining(mark))
    return "" if any(mark.isalnum() and not mark.isascii() for mark in bare) else bare


def slug(text: str) -> str:
    """The nearest text of a-z, 0-9 and single inner hyphens that starts with a letter; may be empty."""
    return re.sub(r"[^a-z0-9]+", "-", latin(text)).strip("-").lstrip("0123456789-")[:32].rstrip("-")


class Name(Text):
    """1 to 32 of a-z, 0-9 and single inner hyphens, a letter first."""

    __slots__ = ()
    noun = "name"
    pattern = SLUG
    longest = 32
    expected = "1 to 32 of a-z, 0-9 and single hyphens inside, a letter first"

    @classmethod
    def suggest(cls, text: str) -> str:
        nearest = slug(text)
        return f"write {nearest}" if nearest and nearest != text else ""


class TenantName(Name):
    """Safe as a path, a shell word, a subdomain and a Compose project."""

    __slots__ = ()
    noun = "tenant name"


class HostName(Name):
    """A host's name in the fleet, independent of its address."""

    __slots__ = ()
    noun = "host name"


class AppName(Name):
    """An app's name; OpenClaw's earlier names are rejected."""

    __slots__ = ()
    noun = "app name"

    @classmethod
    def judge(cls, text: str) -> None:
        if text in PAST_NAMES:
            raise Malformed(
                past(text),
                expected="an app that is still maintained",
                hint=f"write openclaw; the data of a {text} can be imported into it",
            )


class TierName(Name):
    """Resources of a tenant, by name."""

    __slots__ = ()
    noun = "tier name"


class TargetName(Name):
    """A place for backups, by name."""

    __slots__ = ()
    noun = "target name"


class DestinationName(Name):
    """The name of an alert destination."""

    __slots__ = ()
    noun = "alert destination name"


class ServiceName(Name):
    """A Compose service of an app."""

    __slots__ = ()
    noun = "service name"


class ImageName(Name):
    """An app's name for one of its images; services may share an image."""

    __slots__ = ()
    noun = "image name"


class VolumeName(Name):
    """A folder below a tenant's data."""

    __slots__ = ()
    noun = "volume name"


class ActionName(Name):
    """A command that runs inside the app's own container."""

    __slots__ = ()
    noun = "action name"


class OperationName(Text):
    """The id of an operation; safe as a file's name on a host."""

    __slots__ = ()
    noun = "operation id"
    pattern = re.compile(r"[0-9a-z][0-9a-z-]{8,38}[0-9a-z]")
    longest = 40
    expected = "10 to 40 of a-z, 0-9 and hyphens, as launchpad history shows it"


class OperatorName(Name):
    """A person who operates the fleet."""

    __slots__ = ()
    noun = "operator name"


class Label(Text):
    """For whom an operator acts, in the words of the caller."""

    __slots__ = ()
    noun = "label"
    pattern = re.compile(r"|[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f])?")
    longest = 80
    expected = "one line of text, such as: customer 17"

    @classmethod
    def judge(cls, text: str) -> None:
        if not text.isprintable():
            raise Malformed(f"bad {cls.noun} {quoted(text)}", expected=cls.expected)


class VariableName(Text):
    """A variable that an app's templates take; safe as a Jinja name."""

    __slots__ = ()
    noun = "variable name"
    pattern = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
    longest = 32
    expected = "1 to 32 of a-z, 0-9 and single underscores inside, a letter first"

    @classmethod
    def suggest(cls, text: str) -> str:
        nearest = slug(text).replace("-", "_")
        return f"write {nearest}" if nearest and nearest != text else ""


class VersionName(Text):
    """A version of an app, as its publisher writes it."""

    __slots__ = ()
    noun = "version"
    pattern = re.compile(r"[0-9A-Za-z][0-9A-Za-z._-]*")
    longest = 64
    expected = "up to 64 letters, digits, dots, hyphens and underscores"


class TableName(Text):
    """A table in an app's database, or several as a shell pattern."""

    __slots__ = ()
    noun = "table name"
    pattern = re.compile(r"[A-Za-z0-9_*?][A-Za-z0-9_*?.-]*")
    longest = 64
    expected = "letters, digits and _ . -, with * and ? for any"


class SecretName(Text):
    """A secret's name. The name becomes an environment variable inside the container, so names that control a shell or
    a loader are rejected."""

    __slots__ = ()
    noun = "secret name"
    pattern = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*")
    longest = 64
    expected = "1 to 64 of A-Z, 0-9 and single underscores inside, a letter first"
    steering = re.compile(
        r"(?:PATH|HOME|ENV|IFS|SHELL|USER|PWD|TMPDIR|BASH_.*|LD_.*|DYLD_.*|GCONV_PATH|PYTHON.*|PERL5.*|RUBY.*|"
        r"NODE_OPTIONS|NODE_PATH|NODE_EXTRA_CA_CERTS|JAVA_TOOL_OPTIONS|GIT_.*|LAUNCHPAD_.*)"
    )

    @classmethod
    def judge(cls, text: str) -> None:
        if cls.steering.fullmatch(text):
            raise Malformed(
                f"secret name {text!r} would change how programs start in the container",
                expected="a name that only the app uses, such as API_KEY",
            )

    @classmethod
    def suggest(cls, text: str) -> str:
        nearest = re.sub(r"[^A-Z0-9]+", "_", latin(text).upper()).strip("_").lstrip("0123456789_")
        return f"write {nearest}" if nearest and nearest != text else ""


class DomainName(Text):
    """A host name on the internet in lower case, at least two labels; no wildcard, no address, no trailing dot."""

    __slots__ = ()
    noun = "domain"
    pattern = re.compile(r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z](?:[a-z0-9-]{0,61}[a-z0-9])?")
    longest = 253
    expected = "a host name such as alice.example.com: lower case, at least two labels, no wildcard, no scheme, no port"

    @classmethod
    def judge(cls, text: str) -> None:
        if text.rsplit(".", 1)[1].isdigit():
            raise Malformed(f"bad domain {text!r}: an IP address is no domain", expected=cls.expected)

    @classmethod
    def suggest(cls, text: str) -> str:
        if text.startswith("*."):
            return "write each domain out: a certificate for a wildcard needs DNS credentials on the host"
        nearest = text.strip().lower().removeprefix("https://").removeprefix("http://").split("/", 1)[0].rstrip(".")
        nearest = ".".join(map(_label, re.split("[.\u3002\uff0e\uff61]", unicodedata.normalize("NFKC", nearest))))
        return f"write {nearest}" if nearest != text and cls.pattern.fullmatch(nearest) else ""


def _label(label: str) -> str:
    """Encode a label for DNS by IDNA 2008, as browsers do: `straße` is a name of its own; Python's own codec would make
    `strasse`."""
    return label if label.isascii() else f"xn--{label.encode('punycode').decode()}"
