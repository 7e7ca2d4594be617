"""Judging what an image declares for itself: Docker makes a volume of its own for each `VOLUME` that no mount covers,
outside of the tenant's quota, its generations and its backups, and a new one for each new container."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from launchpad.runner.protocol import Refused, Release


def judge_volumes(compose: str, release: Release, declared: Mapping[str, Collection[str]]) -> None:
    """Refuse a release whose image declares a volume that no mount of its service covers. `compose` is its judged
    compose.yaml; `declared` has the volumes of the images that are known, by image."""
    services = json.loads(compose)["services"]
    for service in release.services:
        if service.name not in services:
            continue  # who judges what Compose makes of it refuses that
        for path in sorted(uncovered(services[service.name], declared.get(service.image, ()))):
            image = service.image.partition("@")[0].rpartition("/")[2]
            raise Refused(
                f"{release.tenant}: image {image} of {service.name} declares the volume {path}, and nothing is mounted "
                "there: data in it would escape the tenant's quota and be lost at the next deploy",
                hint=f"mount a volume or a tmpfs at {path} in the template of {release.app}'s compose.yaml",
            )


def uncovered(service: Mapping[str, Any], declared: Collection[str]) -> set[str]:
    """Of these paths, those at which the Compose service mounts nothing. A mount above one does not cover it."""
    volumes, tmpfs = service.get("volumes") or (), service.get("tmpfs") or ()
    mounted = {_plain(str(item["target"])) for item in volumes}
    mounted |= {_plain(str(item).partition(":")[0]) for item in tmpfs}
    return {path for path in map(_plain, declared) if path not in mounted}


def _plain(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")
