"""Judge the volumes that an image declares. For each `VOLUME` without a mount Docker creates an anonymous volume, a new
one for each new container, outside the tenant's quota, generations and backups."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Collection, Mapping
from typing import Any

from launchpad.runner.protocol import Refused, Release


def judge_volumes(compose: str, release: Release, declared: Mapping[str, Collection[str]]) -> None:
    """Refuse a release with an image that declares a volume where its service mounts nothing. `compose` is the judged
    compose.yaml; `declared` has the volumes of the known images, by image."""
    services = json.loads(compose)["services"]
    for service in release.services:
        if service.name not in services:
            continue  # judge_compose refuses a missing service
        for path in sorted(uncovered(services[service.name], declared.get(service.image, ()))):
            image = service.image.partition("@")[0].rpartition("/")[2]
            raise Refused(
                f"{release.tenant}: image {image} of {service.name} declares the volume {path}, and nothing is mounted "
                "there: data in it would escape the tenant's quota and be lost at the next deploy",
                code="image-volume-not-mounted",
                hint=f"mount a volume or a tmpfs at {path} in the template of {release.app}'s compose.yaml",
            )


def uncovered(service: Mapping[str, Any], declared: Collection[str]) -> set[str]:
    """Those of the paths where the Compose service mounts nothing. A mount on a parent folder does not count."""
    volumes, tmpfs = service.get("volumes") or (), service.get("tmpfs") or ()
    mounted = {_plain(str(item["target"])) for item in volumes}
    mounted |= {_plain(str(item).partition(":")[0]) for item in tmpfs}
    return {path for path in map(_plain, declared) if path not in mounted}


def _plain(path: str) -> str:
    return posixpath.normpath(f"/{path.lstrip('/')}")
