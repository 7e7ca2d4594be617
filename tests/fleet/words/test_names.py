"""A name that could be made is safe everywhere: as a path, a shell word, a subdomain, in YAML and in a Caddyfile."""

from __future__ import annotations

import copy
import pickle
import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from launchpad.errors import InventoryError
from launchpad.fleet.words.malformed import Malformed, Text
from launchpad.fleet.words.names import (
    AppName,
    DomainName,
    HostName,
    Name,
    SecretName,
    TenantName,
    VariableName,
    VersionName,
)
from launchpad.fleet.words.references import (
    Address,
    Argument,
    DevicePath,
    Email,
    FilePath,
    Fingerprint,
    HttpsUrl,
    ImageReference,
    Prose,
    PublicKey,
    Recipient,
    TargetUrl,
    UrlPath,
)

HOSTILE = (
    "",
    " ",
    "a b",
    "a\nb",
    "a\n",
    "\na",
    "a\tb",
    "a\0b",
    "../etc",
    "/etc/passwd",
    "a/../../b",
    ".",
    "..",
    "-rf",
    "--privileged",
    "a;reboot",
    "$(reboot)",
    "`reboot`",
    "a|b",
    "a&b",
    "a>b",
    "'a'",
    '"a"',
    "a\\b",
    "{{ 7*7 }}",
    "{% include 'x' %}",
    "${HOME}",
    "a: b",
    "- a",
    "&a",
    "*a",
    "!!python/none",
    "#a",
    "a{",
    "}",
    "a {\n file_server\n}",
    "import *",
    "{$ENV}",
    "a@b c",
    "\u202ea",
    "\uff41\uff42",
    "é",
    "a\u0000",
    "\x1b[31m",
    "x" * 10_000,
)

SAFE_TYPES = (
    TenantName,
    HostName,
    AppName,
    DomainName,
    SecretName,
    VariableName,
    VersionName,
    FilePath,
    ImageReference,
)


@pytest.mark.parametrize("kind", SAFE_TYPES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: repr(text)[:20])
def test_hostile_texts_are_refused(kind: type[Text], text: str) -> None:
    with pytest.raises(InventoryError) as raised:
        kind(text)
    assert raised.value.message.isprintable()
    assert len(raised.value.message) < 400


@given(st.text(max_size=40))
def test_what_is_accepted_is_inert(text: str) -> None:
    for kind in SAFE_TYPES:
        try:
            name = kind(text)
        except Malformed:
            continue
        assert name == text
        assert shlex.quote(name) in {name, f"'{name}'"}
        assert ".." not in name.split("/")
        assert not name.startswith(("/", "-", "."))
        assert name.isascii()
        assert name.isprintable()
        assert not set(name) & set(" \t\n\"'\\`$&|;<>(){}*?!#,%^~")


@given(st.from_regex(r"[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,5}){0,3}", fullmatch=True))
def test_right_names_are_taken_as_they_are(text: str) -> None:
    name = TenantName(text)
    assert (name, hash(name), str(name)) == (text, hash(text), text)
    assert type(pickle.loads(pickle.dumps(name))) is TenantName
    assert type(copy.deepcopy(name)) is TenantName


@pytest.mark.parametrize("text", ["a" * 33, "1a", "a--b", "a-", "-a", "A", "a_b", "a.b"])
def test_tenant_names_have_one_form(text: str) -> None:
    with pytest.raises(Malformed):
        TenantName(text)


def test_the_hint_is_what_to_type() -> None:
    with pytest.raises(Malformed) as raised:
        TenantName("My Tenant_2")
    assert raised.value.hint == "write my-tenant-2"
    with pytest.raises(Malformed) as raised:
        SecretName("anthropic-api-key")
    assert raised.value.hint == "write ANTHROPIC_API_KEY"
    with pytest.raises(Malformed) as raised:
        DomainName("https://Bücher.example/")
    assert raised.value.hint == "write xn--bcher-kva.example"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:s3cr3t@x.example/b", "'https://…@x.example/b'"),
        ("HTTPS://me:s3/cr@3t@x.example", "'…@x.example'"),
        ("me:s3cr3t@x.example:/b", "'…@x.example:/b'"),
        ("https://x.example/b?key=s3cr3t", "'https://x.example/b?…'"),
        ("https://x.example/a b", "'https://x.example/a b'"),
    ],
)
def test_a_refused_target_shows_no_password(text: str, shown: str) -> None:
    with pytest.raises(Malformed) as raised:
        TargetUrl(text)
    assert raised.value.what == f"bad target URL {shown}"


@pytest.mark.parametrize("text", ["clawdbot", "moltbot"])
def test_openclaw_past_is_not_hosted(text: str) -> None:
    with pytest.raises(Malformed) as raised:
        AppName(text)
    assert "CVE-2026-25253" in raised.value.message
    assert "write openclaw" in raised.value.hint
    TenantName(text)


@pytest.mark.parametrize(
    "text", ["PATH", "LD_PRELOAD", "LD_LIBRARY_PATH", "NODE_OPTIONS", "BASH_ENV", "PYTHONPATH", "HOME"]
)
def test_secrets_cannot_steer_how_programs_start(text: str) -> None:
    with pytest.raises(Malformed, match="would change how"):
        SecretName(text)


@pytest.mark.parametrize(
    "text",
    [
        "localhost",
        "*.example.com",
        "10.0.0.1",
        "example.com.",
        "a..example.com",
        "-a.example.com",
        "a_b.example.com",
        "Example.com",
        "example.com:443",
        "x" * 64 + ".example.com",
        ".".join(["abcdefgh"] * 30),
        "example.123",
    ],
)
def test_domains_are_plain_host_names(text: str) -> None:
    with pytest.raises(Malformed):
        DomainName(text)


@pytest.mark.parametrize("text", ["alice.example.com", "xn--bcher-kva.example", "a.co", "1.example.com"])
def test_domains_that_are_right(text: str) -> None:
    assert DomainName(text) == text


ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILoV++Mt6IECLaJEolaONTFYgz7x4Ocm0QcA48Y21tI4"
AGE = "age12707s542rk65qyrgjrqv5p2qh24w2fh4z2rvhg7wnmf6n4cjwgpsg68yp4"


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Address, "203.0.113.7"),
        (Address, "2001:db8::7"),
        (Address, "vps1.example.com"),
        (PublicKey, ED25519),
        (PublicKey, f"{ED25519} alice@laptop, the blue one"),
        (Recipient, AGE),
        (Fingerprint, "SHA256:" + "A" * 43),
        (HttpsUrl, "https://acme.example.com:14000/dir"),
        (Email, "ops+tls@example.com"),
        (DevicePath, "/dev/disk/by-id/scsi-0HC_Volume_1"),
        (UrlPath, "/startupz?x=1"),
        (Argument, "{0}"),
        (Prose, "It's “fine”: {really}"),
        (ImageReference, "localhost:5000/a/b:1@sha256:" + "0" * 64),
        (FilePath, "config/app.json"),
    ],
)
def test_references_that_are_right(kind: type[Text], text: str) -> None:
    assert kind(text) == text


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (Address, "root@203.0.113.7"),
        (Address, "203.0.113.7:22"),
        (Address, "203.0.113"),
        (Address, "-oProxyCommand=x"),
        (PublicKey, f'command="x" {ED25519}'),
        (PublicKey, ED25519[:-10]),
        (PublicKey, ED25519.replace("ssh-ed25519 ", "ssh-rsa ")),
        (PublicKey, f"{ED25519}\n{ED25519}"),
        (PublicKey, "ssh-dss " + "A" * 60),
        (Recipient, AGE[:-1]),
        (Recipient, "AGE-SECRET-KEY-1" + "Q" * 58),
        (Fingerprint, "MD5:aa"),
        (HttpsUrl, "http://acme.example.com"),
        (HttpsUrl, "https://user:password@example.com"),
        (Email, "a b@example.com"),
        (DevicePath, "/dev/../etc/passwd"),
        (UrlPath, "/a b"),
        (Argument, "a\nb"),
        (Prose, "two\nlines"),
        (ImageReference, "nginx"),
        (ImageReference, "library/nginx:1"),
        (ImageReference, "docker.io/library/Nginx"),
        (ImageReference, "docker.io/library/nginx@sha256:abc"),
        (FilePath, "a/../b"),
        (FilePath, ".hidden"),
    ],
)
def test_references_that_are_refused(kind: type[Text], text: str) -> None:
    with pytest.raises(Malformed):
        kind(text)


def test_an_image_is_pinned_by_its_digest_alone() -> None:
    tagged = ImageReference("ghcr.io/openclaw/openclaw:2026.9.6")
    pinned = ImageReference(f"{tagged}@sha256:{'0' * 64}")
    assert (tagged.pinned, pinned.pinned) == (False, True)
    assert pinned.digest == "sha256:" + "0" * 64


def test_every_name_says_what_it_expects() -> None:
    kinds: list[type[Text]] = [Text, *Text.__subclasses__(), *Name.__subclasses__()]
    assert len(kinds) > 20
    for kind in kinds:
        assert kind.expected
        assert kind.noun
