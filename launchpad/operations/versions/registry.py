"""Ask an image's registry for the present digest of a tag: the OCI distribution protocol, without a login."""

from __future__ import annotations

import hashlib
import http.client
import json
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from launchpad import __version__
from launchpad.errors import LaunchpadError, ServiceError
from launchpad.fleet.words.references import DIGEST, ImageReference

MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
"""The media types that a tag may name: an image for several platforms, or for one."""
USUAL = "amd64"
"""Images for several platforms declare the same volumes for each platform."""
LARGEST_ANSWER = 4 * 1024 * 1024
DOCKER_HUB = {"docker.io": "registry-1.docker.io", "index.docker.io": "registry-1.docker.io"}
NO_SUCH_NAME = (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME))
THIS_MACHINE = frozenset({"localhost", "127.0.0.1"})
_PARAMETER = re.compile(r'([a-z_]+)="([^"]*)"', re.IGNORECASE)


class RegistryRefused(ServiceError):
    """The registry rejected the request; a retry does not help."""

    retry = False


class _Passing(Exception):
    """A failure that a retry may solve."""


@dataclass(frozen=True)
class RegistryAnswer:
    """A server's answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Registries:
    """Public and private registries. Certificates are verified with the system's authorities, or with SSL_CERT_FILE."""

    seconds: float = 15
    """The timeout of one request, in seconds."""
    attempts: int = 3
    pause: float = 0.5
    """The longest wait before the second attempt, in seconds; doubled for each further attempt."""
    plain: frozenset[str] = THIS_MACHINE
    """Hosts that are asked without TLS."""

    def digest(self, image: ImageReference) -> str:
        """The present digest (`sha256:…`) of the image's tag. ServiceError when the registry does not answer;
        RegistryRefused when a retry does not help."""
        tries = Retrying(
            stop=stop_after_attempt(self.attempts),
            wait=wait_random_exponential(multiplier=self.pause, max=8),
            retry=retry_if_exception_type(_Passing),
            reraise=True,
        )
        try:
            answer = tries(self._manifest, image)
        except _Passing as error:
            hint = f"try again; curl -I {self._base(image.registry)}/v2/ says more"
            raise ServiceError(f"{_subject(image)}: {error}", code="registry-unreachable", hint=hint) from error
        return _checked(image, answer)

    def volumes(self, image: ImageReference) -> tuple[str, ...]:
        """The paths for which the image with that digest declares volumes, if its registry returns them: only for a
        warning."""
        try:
            manifest = self._document(image, f"manifests/{image.digest}")
            parts = manifest.get("manifests") or []
            if parts:
                mine = next((part for part in parts if part.get("platform", {}).get("architecture") == USUAL), parts[0])
                manifest = self._document(image, f"manifests/{mine['digest']}")
            config = self._document(image, f"blobs/{manifest['config']['digest']}")
            return tuple(sorted(map(str, (config.get("config") or {}).get("Volumes") or ())))
        except (LaunchpadError, _Passing, ValueError, LookupError, TypeError, AttributeError):
            return ()

    def _document(self, image: ImageReference, what: str) -> dict[str, Any]:
        url = f"{self._base(image.registry)}/v2/{_repository(image)}/{what}"
        document: dict[str, Any] = json.loads(self._asked(url, image).body)
        return document

    def url(self, image: ImageReference) -> str:
        """The URL of the image's manifest."""
        return f"{self._base(image.registry)}/v2/{_repository(image)}/manifests/{image.tag}"

    def _manifest(self, image: ImageReference) -> RegistryAnswer:
        answer = self._asked(self.url(image), image)
        match answer.status:
            case 200:
                return answer
            case 401 | 403:
                raise _needs_login(image)
            case 404:
                raise RegistryRefused(
                    f"{_subject(image)}: the registry has no such image or tag",
                    code="no-such-image",
                    hint="check the image's name and tag on its publisher's page",
                )
            case _:
                raise RegistryRefused(
                    f"{_subject(image)}: the registry answers {answer.status}",
                    code="registry-status",
                    hint=f"check that {image.registry} is an image registry: curl -I {self._base(image.registry)}/v2/",
                )

    def _asked(self, url: str, image: ImageReference) -> RegistryAnswer:
        """The answer without a login, with an anonymous token when the registry requires one."""
        headers = {"Accept": ", ".join((*MANIFESTS, "*/*") if "/blobs/" in url else MANIFESTS)}
        answer = self._get(url, headers, image)
        if answer.status == 401:
            token = self._token(answer.headers.get("www-authenticate", ""), image)
            answer = self._get(url, {**headers, "Authorization": f"Bearer {token}"}, image)
        return answer

    def _token(self, challenge: str, image: ImageReference) -> str:
        """An anonymous token from the server that the registry names, for public images."""
        scheme, _, rest = challenge.partition(" ")
        asked = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
        realm = urllib.parse.urlsplit(asked.get("realm", ""))
        if scheme.lower() != "bearer" or not realm.hostname:
            raise _needs_login(image)
        if realm.scheme != "https" and not (realm.scheme == "http" and realm.hostname in self.plain):
            raise RegistryRefused(
                f"{_subject(image)}: the registry's token server {realm.hostname} has no TLS",
                code="registry-token-without-tls",
            )
        query = urllib.parse.parse_qsl(realm.query)
        query += [(name, asked[name]) for name in ("service",) if name in asked]
        query.append(("scope", asked.get("scope") or f"repository:{_repository(image)}:pull"))
        answer = self._get(realm._replace(query=urllib.parse.urlencode(query)).geturl(), {}, image)
        if answer.status in (400, 401, 403, 404):
            raise _needs_login(image)
        try:
            told: dict[str, Any] = json.loads(answer.body)
            token = told.get("token") or told["access_token"]
        except (ValueError, KeyError, AttributeError, TypeError):
            token = None
        if answer.status != 200 or not isinstance(token, str) or re.fullmatch(r"[\x21-\x7e]+", token) is None:
            raise RegistryRefused(
                f"{_subject(image)}: {realm.hostname} returns no token ({answer.status})",
                code="registry-gives-no-token",
            )
        return token

    def _base(self, registry: str) -> str:
        scheme = "http" if registry.partition(":")[0] in self.plain else "https"
        return f"{scheme}://{DOCKER_HUB.get(registry, registry)}"

    def _get(self, url: str, headers: Mapping[str, str], image: ImageReference) -> RegistryAnswer:
        """The answer with any status; _Passing without an answer, or with a status that asks for a retry."""
        request = urllib.request.Request(url, headers={"User-Agent": f"launchpad/{__version__}", **headers})  # noqa: S310 the schemes are ours
        try:
            with self._opener.open(request, timeout=self.seconds) as reply:
                answer = _answer(reply)
        except urllib.error.HTTPError as error:
            with error:
                answer = RegistryAnswer(error.code, _lower(error.headers), b"")
        except urllib.error.URLError as error:
            raise unanswered(error.reason, image, url) from error
        except (http.client.HTTPException, OSError) as error:
            raise unanswered(error, image, url) from error
        if answer.status == 429 or answer.status >= 500:
            raise _Passing(f"{_host(url)} answers {answer.status}")
        if len(answer.body) > LARGEST_ANSWER:
            raise RegistryRefused(
                f"{_subject(image)}: the registry's answer is longer than {LARGEST_ANSWER} bytes",
                code="registry-answer-too-long",
            )
        return answer

    @cached_property
    def _opener(self) -> urllib.request.OpenerDirector:
        trust = ssl.create_default_context()
        return urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust), _Redirects())


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows redirects: without the token to another server, and never from TLS to plain HTTP."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        there = super().redirect_request(req, fp, code, msg, headers, newurl)
        if there is not None:
            if req.type == "https" and there.type != "https":
                raise RegistryRefused(
                    f"{req.host} redirects to {there.host} without TLS", code="registry-redirects-without-tls"
                )
            if there.host != req.host or there.type != req.type:
                there.remove_header("Authorization")
        return there


def _checked(image: ImageReference, answer: RegistryAnswer) -> str:
    """The digest of the manifest's bytes, which must equal the registry's digest; the content must be a manifest."""
    digest = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    claimed = answer.headers.get("docker-content-digest", "")
    if DIGEST.fullmatch(claimed) and claimed != digest:
        raise RegistryRefused(
            f"{_subject(image)}: the registry sent content with digest {digest}, but announced {claimed}",
            code="registry-digest-differs",
            hint="a proxy may change the registry's answers; nothing was written",
        )
    try:
        manifest = json.loads(answer.body)
    except ValueError:
        manifest = None
    if not isinstance(manifest, dict) or manifest.get("schemaVersion") != 2:
        raise RegistryRefused(
            f"{_subject(image)}: the registry's answer is no image manifest",
            code="registry-answer-no-image-manifest",
            hint=f"check that {image.registry} is an image registry, and that no proxy or login page answers instead",
        )
    return digest


def _answer(reply: Any) -> RegistryAnswer:
    return RegistryAnswer(reply.status, _lower(reply.headers), reply.read(LARGEST_ANSWER + 1))


def _lower(headers: Any) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def unanswered(reason: object, image: ImageReference, url: str) -> Exception:
    """The error of a request without an answer. For a wrong name or certificate a retry does not help."""
    if isinstance(reason, ssl.SSLCertVerificationError):
        return RegistryRefused(
            f"{_subject(image)}: the certificate of {_host(url)} is not trusted: {reason.verify_message}",
            code="registry-certificate",
            hint="for a registry with your own certificate authority: SSL_CERT_FILE=ca.pem",
        )
    if isinstance(reason, socket.gaierror):
        name = urllib.parse.urlsplit(url).hostname
        if reason.errno not in NO_SUCH_NAME:
            return _Passing(f"this machine cannot resolve {name} now: {reason.strerror}")
        return RegistryRefused(
            f"{_subject(image)}: this machine's DNS has no host {name}",
            code="registry-name-unknown",
            hint=f"check the registry's name in the inventory; to ask DNS again: getent hosts {name}",
        )
    if isinstance(reason, TimeoutError):
        return _Passing(f"{_host(url)} does not answer")
    text = getattr(reason, "strerror", None) or str(reason) or type(reason).__name__
    return _Passing(f"{_host(url)}: {text}")


def _needs_login(image: ImageReference) -> RegistryRefused:
    return RegistryRefused(
        f"{_subject(image)}: the registry requires a login for this image, or does not have it",
        code="registry-login",
        hint=f"docker login {image.registry}; docker buildx imagetools inspect {image}; write the digest by hand",
    )


def _repository(image: ImageReference) -> str:
    """The image's name for the registry: Docker Hub's official images are in `library`."""
    alone = image.registry in DOCKER_HUB and "/" not in image.repository
    return f"library/{image.repository}" if alone else image.repository


def _subject(image: ImageReference) -> str:
    return image.partition("@")[0]


def _host(url: str) -> str:
    return urllib.parse.urlsplit(url).netloc
