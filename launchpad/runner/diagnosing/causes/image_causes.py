"""Causes in images: one that its registry does not have any more, or does not give."""

from __future__ import annotations

import re
from collections.abc import Iterator

from launchpad.runner.diagnosing.collected import Collected, Diagnosis, stamp
from launchpad.runner.hint import Next

_PULL = re.compile(r"cannot pull (\S+): (.*)", re.DOTALL)
_GONE = re.compile(
    r"(?i)manifest unknown|not found|no such (?:image|manifest)|name unknown|repository does not exist(?!.*login)"
)
_LOGIN = re.compile(
    r"(?i)unauthorized|authentication required|no basic auth|pull access denied|requested access|denied"
    r"|forbidden|\b40[13]\b|login"
)


def registry_login(collected: Collected) -> Iterator[Diagnosis]:
    """The registry wants a login that this host does not have."""
    for tenant, image, why in _refused(collected):
        if _LOGIN.search(why) and not _LIMIT.search(why):
            registry = image.partition("/")[0]
            yield Diagnosis(
                cause="registry-login",
                tenant=tenant,
                message=f"{registry} does not give {tenant}'s image without a login ({why[:160]})",
                hint=f"as root on {collected.host}: docker login {registry}; then " + Next("deploy", tenant),
                evidence=(f"cannot pull {image}: {why}",),
            )


def image_gone(collected: Collected) -> Iterator[Diagnosis]:
    """The registry does not have the image any more, or cannot be reached."""
    for tenant, image, why in _refused(collected):
        registry = image.partition("/")[0]
        if _LIMIT.search(why):
            yield Diagnosis(
                cause="registry-limit",
                tenant=tenant,
                message=f"{registry} gives this host no more images for now: its limit is reached ({why[:160]})",
                hint=f"as root on {collected.host}: docker login {registry}; or "
                + Next("deploy", tenant)
                + " in six hours",
                evidence=(f"cannot pull {image}: {why}",),
            )
            continue
        if _LOGIN.search(why):
            continue
        gone = _GONE.search(why) is not None
        what = f"{registry} has {tenant}'s image no more" if gone else f"{registry} does not give {tenant}'s image"
        yield Diagnosis(
            cause="image-gone" if gone else "registry-down",
            tenant=tenant,
            message=f"{what} ({why[:160]})",
            hint=Next("app pin") + ", or another version: " + Next("versions", "APP")
            if gone
            else Next("status", collected.host) + "; then " + Next("deploy", tenant),
            evidence=(f"cannot pull {image}: {why}",),
        )


def image_damaged(collected: Collected) -> Iterator[Diagnosis]:
    """Docker has an image and cannot use it, or the host's processor cannot."""
    journal = [line for line in collected.get("journal", otherwise=[]) if collected.at - 3600 <= stamp(line)]
    for tenant in collected.tenants():
        said = [str(tenant.last_failed.get("message", "")), *(journal if tenant.is_ill else ())]
        if layers := [line for line in said if _LAYER.search(line)]:
            yield Diagnosis(
                cause="image-damaged",
                tenant=tenant.name,
                message=f"a layer of {tenant.name}'s image is damaged in Docker's storage",
                hint=f"as root on {collected.host}: docker image rm the image of {tenant.name}; then "
                + Next("deploy", tenant.name)
                + " pulls the image again",
                evidence=tuple(layers[-2:]),
            )
        elif words := [line for line in tenant.last_words if "exec format error" in line]:
            yield Diagnosis(
                cause="wrong-architecture",
                tenant=tenant.name,
                message=f"{tenant.name}'s image is made for another processor than the host's",
                hint="an image for this processor: " + Next("app pin") + ", then " + Next("deploy", tenant.name),
                evidence=tuple(words[-1:]),
            )


_LAYER = re.compile(
    r"(?i)error creating overlay mount|failed to register layer|layer does not exist"
    r"|/var/lib/docker/overlay2/\S*: (?:no such file|input/output error|structure needs cleaning)"
)
_LIMIT = re.compile(r"(?i)toomanyrequests|pull rate limit|too many requests|\b429\b")


def is_refused_pull(message: str) -> bool:
    """Whether a registry refused the image."""
    return _PULL.search(message) is not None


def _refused(collected: Collected) -> Iterator[tuple[str, str, str]]:
    for tenant in collected.tenants():
        said = [tenant.last_failed.get("message", ""), *tenant.get("findings", otherwise=[])]
        for text in said:
            if found := _PULL.search(str(text)):
                yield tenant.name, found[1], " ".join(found[2].split())
                break
