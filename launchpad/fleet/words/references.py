"""Types of references to outside things: images, keys, addresses, URLs and files. Each is parsed once and then safe."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re

from launchpad.fleet.words.malformed import Malformed, Text

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_EXAMPLE_HOST = re.compile(r"(?:^|\.)example(?:\.(?:com|net|org))?$|\.invalid$")
_HOST_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"


class ImageReference(Text):
    """`registry/repository[:tag][@sha256:…]` with an explicit registry, without a default."""

    __slots__ = ()
    noun = "image"
    pattern = re.compile(
        rf"(?:{_HOST_LABEL}(?:\.{_HOST_LABEL})*)(?::[0-9]{{1,5}})?"
        r"(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)+"
        r"(?::[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
    )
    longest = 400
    expected = "registry/repository:tag@sha256:… such as ghcr.io/openclaw/openclaw:2026.9.6@sha256:<64 hex digits>"

    @classmethod
    def judge(cls, text: str) -> None:
        registry = text.split("/", 1)[0]
        if "." not in registry and ":" not in registry and registry != "localhost":
            raise Malformed(
                f"image {text!r} has no registry",
                expected=cls.expected,
                hint=f"write docker.io/{text if '/' in text else 'library/' + text}",
            )

    @classmethod
    def suggest(cls, text: str) -> str:
        library = f"docker.io/library/{text}"
        return f"write {library}" if "/" not in text and cls.pattern.fullmatch(library) else ""

    @property
    def digest(self) -> str:
        """`sha256:` and 64 hex digits, or empty when the reference is not pinned."""
        return self.partition("@")[2]

    @property
    def pinned(self) -> bool:
        """Whether the reference has a digest and so always names the same image."""
        return bool(self.digest)

    @property
    def registry(self) -> str:
        """The registry's host and port, as written."""
        return self.partition("/")[0]

    @property
    def repository(self) -> str:
        """The image's name in the registry."""
        return self.partition("@")[0].partition("/")[2].partition(":")[0]

    @property
    def tag(self) -> str:
        """The tag, or empty."""
        return self.partition("@")[0].partition("/")[2].partition(":")[2]

    @property
    def is_example(self) -> bool:
        """Whether the registry has a name that is reserved for examples (RFC 2606), which must be replaced."""
        return _EXAMPLE_HOST.search(self.registry.partition(":")[0].lower()) is not None

    def with_digest(self, digest: str) -> ImageReference:
        """The same image and tag, with this digest."""
        return ImageReference(f"{self.partition('@')[0]}@{digest}")


class PublicKey(Text):
    """One line of an SSH public key file: type, base64, comment; no options."""

    __slots__ = ()
    noun = "SSH public key"
    kinds = (
        "ssh-ed25519",
        "sk-ssh-ed25519@openssh.com",
        "ecdsa-sha2-nistp256",
        "ecdsa-sha2-nistp384",
        "ecdsa-sha2-nistp521",
        "sk-ecdsa-sha2-nistp256@openssh.com",
        "ssh-rsa",
    )
    pattern = re.compile(r"[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}(?: [\x21-\x7e][\x20-\x7e]{0,200})?")
    longest = 4096
    expected = "a line such as ssh-ed25519 AAAAC3… alice@laptop, as in ~/.ssh/id_ed25519.pub"

    @classmethod
    def judge(cls, text: str) -> None:
        kind, encoded = text.split(" ")[:2]
        if kind not in cls.kinds:
            raise Malformed(f"SSH key of type {kind!r}", expected=f"one of {', '.join(cls.kinds)}")
        try:
            blob = base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise Malformed("the SSH public key is incomplete or mistyped", expected=cls.expected) from error
        length = int.from_bytes(blob[:4], "big")
        if blob[4 : 4 + length] != kind.encode():
            raise Malformed("the SSH public key is incomplete or mistyped", expected=cls.expected)
        if kind == "ssh-rsa" and len(blob) < 384:
            raise Malformed("the RSA key is too short", expected="3072 bits or more, or an Ed25519 key")

    @property
    def comment(self) -> str:
        """The key's comment; may be empty."""
        return self.split(" ", 2)[2] if self.count(" ") > 1 else ""


class Fingerprint(Text):
    """The SHA-256 fingerprint of a host key, as `ssh-keygen -lf` prints it."""

    __slots__ = ()
    noun = "host key fingerprint"
    pattern = re.compile(r"SHA256:[A-Za-z0-9+/]{43}")
    longest = 50
    expected = "SHA256: and 43 characters, as printed by ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub on the host"


class Recipient(Text):
    """An age public key, whose identity can open the secrets."""

    __slots__ = ()
    noun = "age recipient"
    pattern = re.compile(r"age1[02-9ac-hj-np-z]{58}")
    longest = 62
    expected = "age1 and 58 characters, as printed by launchpad key show"

    @classmethod
    def suggest(cls, text: str) -> str:
        if text.upper().startswith("AGE-SECRET-KEY-"):
            return "this is the secret half: remove it from the file, and use the line that begins with age1"
        return ""


class Address(Text):
    """A host's SSH address: an IPv4 or IPv6 address, or a host name."""

    __slots__ = ()
    noun = "address"
    pattern = re.compile(r"[0-9A-Za-z.:-]+")
    longest = 253
    expected = "an IP address or a host name such as 203.0.113.7 or vps1.example.com, without user and port"
    _host_name = re.compile(rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*")

    @classmethod
    def judge(cls, text: str) -> None:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            last = text.rsplit(".", 1)[-1]
            if cls._host_name.fullmatch(text) is None or last.isdigit():
                raise Malformed(f"bad address {text!r}", expected=cls.expected) from None


class HttpsUrl(Text):
    """An https:// URL without user, query or fragment."""

    __slots__ = ()
    noun = "URL"
    pattern = re.compile(rf"https://{_HOST_LABEL}(?:\.{_HOST_LABEL})*(?::[0-9]{{1,5}})?(?:/[A-Za-z0-9._~/-]*)?")
    longest = 400
    expected = "a URL such as https://acme.example.com/directory"


class TargetUrl(Text):
    """A target's location: a path on the host or a server's URL, depending on the target's kind."""

    __slots__ = ()
    noun = "target URL"
    pattern = re.compile(
        rf"(?:(?:sftp|https?)://(?:[a-z_][a-z0-9_-]*@)?{_HOST_LABEL}(?:\.{_HOST_LABEL})*(?::[0-9]{{1,5}})?)?"
        r"(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*"
    )
    longest = 400
    expected = "/mnt/disk, sftp://user@host/path, https://host:8000/path, without credentials"

    @classmethod
    def shown(cls, text: str) -> str:
        """The URL without possible credentials: without the text before an @, or after a ? or #."""
        return re.sub(r"[?#].*", "?…", re.sub(r"^([a-z0-9]*://)?.*@", r"\1…@", text, flags=re.DOTALL), flags=re.DOTALL)


class RevisionName(Text):
    """A revision of the inventory, short as hosts print it, or in full."""

    __slots__ = ()
    noun = "revision"
    pattern = re.compile(r"[0-9a-f]{12,64}(?:\+[0-9a-f]{8})?")
    longest = 80
    expected = "a revision as the host printed it, such as 8dbd8dbd8dbd+1f3a9c21"


class HostKey(Text):
    """A server's public host key: type and base64, as in /etc/ssh/ssh_host_ed25519_key.pub, without the comment."""

    __slots__ = ()
    noun = "host key"
    pattern = re.compile(r"(?:ssh|ecdsa)-[a-z0-9-]+ [A-Za-z0-9+/]{40,2000}={0,2}")
    longest = 2100
    expected = "a line such as ssh-ed25519 AAAAC3…, as printed by ssh-keyscan, without the server's name"


class Email(Text):
    """A mail address, plain."""

    __slots__ = ()
    noun = "mail address"
    pattern = re.compile(rf"[A-Za-z0-9._+-]+@{_HOST_LABEL}(?:\.{_HOST_LABEL})+")
    longest = 254
    expected = "a mail address such as ops@example.com"


class FilePath(Text):
    """A relative path: without `..`, hidden parts or spaces."""

    __slots__ = ()
    noun = "file path"
    pattern = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(?:/[A-Za-z0-9_][A-Za-z0-9._-]*)*")
    longest = 200
    expected = "a relative path of letters, digits, dots, hyphens and underscores, such as config/app.json"


class UrlPath(Text):
    """The path of a health check: a slash and plain characters."""

    __slots__ = ()
    noun = "URL path"
    pattern = re.compile(r"/[A-Za-z0-9._~/?=&-]*")
    longest = 200
    expected = "a path such as /healthz"


class DevicePath(Text):
    """A block device by its path."""

    __slots__ = ()
    noun = "device"
    pattern = re.compile(r"/dev/[A-Za-z0-9][A-Za-z0-9._:-]*(?:/[A-Za-z0-9][A-Za-z0-9._:-]*)*")
    longest = 128
    expected = "a path such as /dev/disk/by-id/scsi-0HC_Volume_1"


class Prose(Text):
    """A sentence for people: one line, no control characters."""

    __slots__ = ()
    noun = "text"


class Argument(Text):
    """One word of a command: printable, never empty; `{0}`, `{1}` … are replaced by the caller's values."""

    __slots__ = ()
    noun = "argument"
    pattern = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")
    longest = 1024
    expected = "printable ASCII text"
