"""Nothing secret is left in what the redactor gives back, and names stay apart and alike."""

from __future__ import annotations

import json

import pytest

from launchpad.runner.diagnosing.leaks import leaks
from launchpad.runner.diagnosing.redactor import Redactor
from tests.runner.diagnosing.seeding import buried, holds, secrets

KEY = b"the key of a case"


@pytest.mark.parametrize("seed", range(5))
def test_of_a_hundred_secrets_in_thirteen_forms_none_is_left(seed: int) -> None:
    values = secrets(100, seed)
    known = {f"alice/S{number}": [value] for number, value in enumerate(values)}
    before = json.dumps(buried(values, seed))
    assert all(holds(before, value) or value.isdigit() for value in values)
    redactor = Redactor(known, key=KEY)
    after = json.dumps(redactor.tree(buried(values, seed)), indent=1)
    assert [(value, holds(after, value)) for value in values if holds(after, value)] == []
    assert leaks(after.encode(), known) == []
    assert redactor.removed["secrets"] >= 100 * 13 - 100


def test_any_twelve_characters_of_a_random_secret_go() -> None:
    value = "q7Zr1Lw9Xc4Vb8Nm2Ks6"
    redactor = Redactor({"S": [value]}, key=KEY)
    for at in range(len(value) - 11):
        assert redactor.text(f"<{value[at : at + 12]}>") == "<[secret]>"
    assert redactor.text(value[:11]) == value[:11]


def test_a_password_in_an_url_and_a_line_of_a_key_are_secrets() -> None:
    key = "-----BEGIN X KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\nAAAAEbm9uZQAAAAAAAAABAAAAMwAA\n-----END X KEY-----"
    redactor = Redactor({"DATABASE": ["postgres://shop:hunter22@db/x"], "KEY": [key]}, key=KEY)
    assert redactor.text("login hunter22 failed") == "login [secret] failed"
    assert redactor.text("AAAAEbm9uZQAAAAAAAAABAAAAMwAA") == "[secret]"
    assert redactor.text("-----BEGIN X KEY-----") == "-----BEGIN X KEY-----"


@pytest.mark.parametrize(
    "text",
    [
        "sk-ant-api03-ab12cd34ef56gh78ij90kl",
        "xoxb-1234567890-abcdefghij",
        "123456789:AAE7xk2mP0qR5sT8uV1wX4yZ7aB0cD3eF6g",
        "ghp_0123456789abcdefghijABCDEFGHIJ",
        "AGE-SECRET-KEY-1QQQQ",
        "Authorization: Bearer abcdef0123456789",
        'token="abcdef0123456789"',
        "-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----",
    ],
)
def test_what_looks_like_a_token_goes_although_nobody_knows_the_value(text: str) -> None:
    assert "[secret]" in Redactor({}, key=KEY).text(f"before {text} after")
    assert Redactor({}, key=KEY).text(f"{text} after").endswith(" after")


@pytest.mark.parametrize(
    "text",
    [
        "release.json",
        "launchpad-operation@0123.service",
        "launchpad.runner.verbs.observe",
        "openclaw 2026.9.6",
        "2026-11-30T10:00:00Z",
        "12:34:56",
        "sha256:0123456789abcdef",
        "10.200.0.18",
        "127.0.0.1:2019",
        "::1",
        "[::]:443",
        "api.anthropic.com",
        "https://acme-v02.api.letsencrypt.org/directory",
        "/srv/launchpad/caddy/sites/alice.caddy",
        "AAAA",
        "0.0.0.0/0",
        "192.0.2.1",
        "OPENCLAW_GATEWAY_TOKEN@3.cred",
        "secret version 3",
        "token refresh failed",
    ],
)
def test_what_says_nothing_about_anybody_stays(text: str) -> None:
    assert Redactor({}, key=KEY).text(text) == text


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("203.0.113.7", "ip"),
        ("2001:db8::7", "ip"),
        ("fe80::1", "ip"),
        ("52:54:00:12:34:56", "mac"),
        ("192.168.1.20", "ip"),
        ("alice.example.com", "name"),
        ("ALICE.example.com", "name"),
        ("bob@example.com", "name"),
        ("+4915112345678", "name"),
        ("/certificates/x/alice.example.com/alice.example.com.crt", "name"),
        ("https://shop.customer.de/path", "name"),
        ("/home/berta/.ssh", "name"),
        ("user berta logged in", "name"),
        ("acme.slack.com", "name"),
    ],
)
def test_addresses_and_names_are_mapped(text: str, kind: str) -> None:
    redactor = Redactor({}, key=KEY, names=["berta"])
    after = redactor.text(text)
    assert f"{kind}-" in after
    assert not any(
        word in after.lower() for word in ("example.com", "berta", "customer", "203.0", "2001", "1.20", "4915", "acme")
    )


def test_the_same_name_is_the_same_in_all_bundles_of_a_case_and_no_other() -> None:
    one, other = Redactor({}, key=KEY), Redactor({}, key=KEY)
    text = "alice.example.com at 203.0.113.7 and bob.example.com at 203.0.113.8"
    assert one.text(text) == other.text(text)
    assert len({word for word in one.text(text).split() if "-" in word}) == 4
    assert Redactor({}, key=b"another case").text(text) != one.text(text)
    assert one.text("Alice.Example.com") == one.text("alice.example.com")


def test_a_name_that_is_kept_stays() -> None:
    assert (
        Redactor({}, key=KEY, names=["carol"], kept=["web-1.example.com"]).text("web-1.example.com")
        == "web-1.example.com"
    )


def test_the_redactor_shows_no_secret() -> None:
    assert "hunter22" not in repr(Redactor({"S": ["hunter22-hunter22"]}, key=KEY))
