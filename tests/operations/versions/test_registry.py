"""What a registry is asked, and what becomes of each of its answers."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from launchpad.errors import LaunchpadError, ServiceError
from launchpad.fleet.words.references import ImageReference
from launchpad.operations.versions.registry import Registries, RegistryRefused, unanswered
from tests.operations.versions.registry_server import TOKEN, Registry, make_certificate, serving

QUICK = Registries(pause=0.001, seconds=5)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving(Registry()) as registry:
        yield registry


def image(registry: Registry, tag: str = "1.0", *, name: str = "team/app") -> ImageReference:
    return ImageReference(f"127.0.0.1:{registry.port}/{name}:{tag}")


def refused(registry: Registry, tag: str = "1.0") -> LaunchpadError:
    with pytest.raises(RegistryRefused) as raised:
        QUICK.digest(image(registry, tag))
    assert raised.value.exit_code == 7
    assert not raised.value.retry
    assert TOKEN not in raised.value.message
    return raised.value


def test_a_tag_has_the_digest_of_the_index_that_it_names(registry: Registry) -> None:
    digest = registry.put("team/app", "1.0")
    assert QUICK.digest(image(registry)) == digest
    assert registry.paths == ["/v2/team/app/manifests/1.0"]


def test_a_token_for_anyone_is_fetched_where_the_registry_says(registry: Registry) -> None:
    registry.wants_token = True
    digest = registry.put("team/app", "1.0")
    assert QUICK.digest(image(registry)) == digest
    path, token, again = registry.paths
    assert path == again
    assert token == "/token?service=the+registry&scope=repository%3Ateam%2Fapp%3Apull"


def test_an_image_that_is_not_for_everyone_needs_a_login(registry: Registry) -> None:
    registry.wants_token, registry.public = True, False
    error = refused(registry)
    assert "requires a login" in error.message
    assert error.hint.startswith("docker login 127.0.0.1")


def test_what_was_sent_must_have_the_digest_that_is_claimed(registry: Registry) -> None:
    registry.put("team/app", "1.0")
    registry.claims = "sha256:" + "0" * 64
    assert "but announced" in refused(registry).message


def test_a_page_is_no_manifest(registry: Registry) -> None:
    registry.manifests["team/app", "1.0"] = b"<html>please log in</html>"
    assert "no image manifest" in refused(registry).message


def test_there_is_no_such_tag(registry: Registry) -> None:
    registry.put("team/app", "1.0")
    error = refused(registry, "2.0")
    assert error.message == f"{image(registry, '2.0')}: the registry has no such image or tag"
    assert len(registry.asked) == 1, "what is not there is not asked for again"


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_what_may_be_gone_at_the_next_try_is_tried_again(registry: Registry, status: int) -> None:
    digest = registry.put("team/app", "1.0")
    registry.failing = [status, status]
    assert QUICK.digest(image(registry)) == digest
    assert len(registry.asked) == 3


def test_three_tries_are_all(registry: Registry) -> None:
    registry.put("team/app", "1.0")
    registry.failing = [500] * 4
    with pytest.raises(ServiceError) as raised:
        QUICK.digest(image(registry))
    assert raised.value.retry
    assert "answers 500" in raised.value.message
    assert len(registry.asked) == 3


def test_another_status_is_said(registry: Registry) -> None:
    registry.failing = [418]
    assert "the registry answers 418" in refused(registry).message


def test_a_registry_that_is_not_there_is_told_of(registry: Registry) -> None:
    with serving(Registry()) as other:
        nowhere = image(other)
    with pytest.raises(ServiceError, match="Connection refused") as raised:
        QUICK.digest(nowhere)
    assert raised.value.retry


@pytest.mark.parametrize(
    ("number", "said", "final"),
    [
        (socket.EAI_AGAIN, "this machine cannot resolve ghcr.io now: Temporary failure", False),
        (socket.EAI_FAIL, "this machine cannot resolve ghcr.io now: ", False),
        (socket.EAI_NONAME, "ghcr.io/a/b:1: this machine's DNS has no host ghcr.io", True),
    ],
)
def test_a_name_that_cannot_be_looked_up_now_is_not_one_that_does_not_exist(
    number: int, said: str, final: bool
) -> None:
    reason = socket.gaierror(number, {socket.EAI_AGAIN: "Temporary failure in name resolution"}.get(number, "No"))
    error = unanswered(reason, ImageReference("ghcr.io/a/b:1"), "https://ghcr.io/v2/a/b/manifests/1")
    assert said in str(error)
    assert isinstance(error, RegistryRefused) == final, "only what does not exist need not be tried again"


def test_a_silent_registry_is_not_waited_for_forever() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        reference = ImageReference(f"127.0.0.1:{silent.getsockname()[1]}/a:b")
        with pytest.raises(ServiceError, match="does not answer"):
            Registries(seconds=0.1, attempts=1).digest(reference)


def test_the_token_stays_behind_when_sent_to_another_server(registry: Registry) -> None:
    with serving(Registry()) as other:
        digest = other.put("team/app", "1.0")
        registry.wants_token, registry.moved_to = True, f"http://127.0.0.1:{other.port}"
        assert QUICK.digest(image(registry)) == digest
        assert [headers.get("Authorization") for _, headers in registry.asked if "Authorization" in headers] == [
            f"Bearer {TOKEN}"
        ]
        assert ["Authorization" in headers for _, headers in other.asked] == [False]


# --- with TLS --------------------------------------------------------------------------------------------------------


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return make_certificate(tmp_path)


def secure() -> Registries:
    return Registries(pause=0.001, plain=frozenset())


def test_tls_is_checked_against_ssl_cert_file(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(Registry(wants_token=True), certificate=certificate) as registry:
        digest = registry.put("team/app", "1.0")
        assert secure().digest(image(registry)) == digest


def test_a_certificate_that_nobody_vouches_for_is_refused_at_once(certificate: Path) -> None:
    with serving(Registry(), certificate=certificate) as registry, pytest.raises(RegistryRefused) as raised:
        secure().digest(image(registry))
    assert "is not trusted" in raised.value.message
    assert "SSL_CERT_FILE" in raised.value.hint


def test_nobody_is_sent_from_tls_to_none(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    with serving(Registry()) as plain, serving(Registry(), certificate=certificate) as registry:
        plain.put("team/app", "1.0")
        registry.moved_to = f"http://127.0.0.1:{plain.port}"
        with pytest.raises(RegistryRefused, match="without TLS"):
            secure().digest(image(registry))
        assert plain.asked == []


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("docker.io/library/caddy:2.11.7", "https://registry-1.docker.io/v2/library/caddy/manifests/2.11.7"),
        ("docker.io/caddy:2.11.7", "https://registry-1.docker.io/v2/library/caddy/manifests/2.11.7"),
        ("ghcr.io/openclaw/openclaw:2026.9.6", "https://ghcr.io/v2/openclaw/openclaw/manifests/2026.9.6"),
        (f"ghcr.io/a/b:1@sha256:{'0' * 64}", "https://ghcr.io/v2/a/b/manifests/1"),
        ("localhost:5000/a:b", "http://localhost:5000/v2/a/manifests/b"),
    ],
)
def test_where_an_image_is_asked_for(written: str, asked: str) -> None:
    assert Registries().url(ImageReference(written)) == asked


@pytest.mark.parametrize("wants_token", [False, True])
def test_an_image_tells_which_volumes_it_declares(registry: Registry, wants_token: bool) -> None:
    registry.wants_token = wants_token
    registry.blobs["sha256:" + "c" * 64] = b'{"config": {"Volumes": {"/data": {}, "/cache": {}}}}'
    own = registry.put("team/app", "one", config={"digest": "sha256:" + "c" * 64})
    other = registry.put("team/app", "other", config={"digest": "sha256:" + "d" * 64})
    registry.manifests["team/app", own] = registry.manifests["team/app", "one"]
    machines = ((other, "arm64"), (own, "amd64"))
    parts = [{"digest": digest, "platform": {"architecture": name}} for digest, name in machines]
    index = registry.put("team/app", "1.0", manifests=parts)
    registry.manifests["team/app", index] = registry.manifests["team/app", "1.0"]
    pinned = image(registry).with_digest
    assert QUICK.volumes(pinned(index)) == ("/cache", "/data")
    assert QUICK.volumes(pinned(own)) == ("/cache", "/data")
    assert QUICK.volumes(pinned(other)) == (), "what it does not tell is no failure"
