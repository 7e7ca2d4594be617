"""Images by digest, and the volumes that Docker makes for them, through Docker's API."""

from __future__ import annotations

import json
import os
import time
from typing import Any

from launchpad.runner.host import Announced, Failed, Progress
from launchpad.runner.machine import docker
from launchpad.runner.machine.command import succeed
from launchpad.runner.machine.http import Answer, quote

_SILENCE_SECONDS = 300
_TELL_EVERY_SECONDS = 2.0
_MEGABYTE = 1 << 20
_ASK_SECONDS = 30
_ANONYMOUS = "com.docker.volume.anonymous"
"""Docker's label of anonymous volumes."""
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


class DockerImages:
    """The images part of Containers."""

    def has_image(self, image: str) -> bool:
        return docker.call("GET", f"/images/{quote(image)}/json", fine=(404,)) is not None

    def pull(self, image: str, progress: Progress) -> None:
        if self.has_image(image):
            return
        target = f"/images/create?fromImage={quote(image)}"
        with docker.asked("POST", target, seconds=_SILENCE_SECONDS) as answer:
            _follow(answer, image, progress)
        if not self.has_image(image):
            raise Failed(f"cannot pull {image}: Docker ended the download without the image", code="image-pull-cut")

    def declared_volumes(self, image: str) -> tuple[str, ...]:
        found = docker.call("GET", f"/images/{quote(image)}/json", fine=(404,)) or {}
        return tuple(sorted((found.get("Config") or {}).get("Volumes") or ()))

    def loose_volumes(self) -> tuple[str, ...]:
        wanted = quote(json.dumps({"dangling": ["true"], "label": [_ANONYMOUS]}))
        found = docker.call("GET", f"/volumes?filters={wanted}")
        return tuple(sorted(item["Name"] for item in found["Volumes"] or ()))

    def remove_volume(self, name: str) -> None:
        docker.call("DELETE", f"/volumes/{quote(name)}", fine=(404, 409), seconds=_SILENCE_SECONDS)

    def announced(self, image: str) -> Announced | None:
        try:
            said = json.loads(succeed(["docker", "manifest", "inspect", "--verbose", image], seconds=_ASK_SECONDS))
        except (Failed, ValueError):
            return None
        return _announced(said if isinstance(said, list) else [said], os.uname().machine)

    def images(self) -> dict[str, int]:
        found = docker.call("GET", "/images/json?digests=1")
        return {name: item["Size"] for item in found for name in item.get("RepoDigests") or () if "<none>" not in name}

    def remove_image(self, image: str) -> bool:
        docker.call("DELETE", f"/images/{quote(image)}", fine=(404, 409), seconds=_SILENCE_SECONDS)
        return not self.has_image(image)


def _announced(said: list[dict[str, Any]], machine: str) -> Announced:
    """The size and architectures of an image; of a multi-architecture image, the size for this machine."""
    parts = {item["Descriptor"].get("platform", {}).get("architecture", ""): item for item in said}
    wanted = _ARCHITECTURES.get(machine, machine)
    mine = parts.get(wanted) or parts.get("")
    manifest = (mine.get("OCIManifest") or mine.get("SchemaV2Manifest") or {}) if mine else {}
    size = sum(int(layer["size"]) for layer in manifest.get("layers") or ())
    known = tuple(sorted(name for name in parts if name not in ("", "unknown")))
    return Announced(size=size, architectures=known, fits=mine is not None or not known)


def _follow(answer: Answer, image: str, progress: Progress) -> None:
    if answer.status != 200:
        raise Failed(f"cannot pull {image}: {docker.message(answer.body(), answer.status)}", code="image-pull-failed")
    layers: dict[str, tuple[int, int]] = {}
    told, said = time.monotonic(), ""
    while line := answer.stream.line():
        news = json.loads(line)
        if "error" in news:
            raise Failed(f"cannot pull {image}: {news['error']}", code="image-pull-failed")
        if _note(layers, news) and time.monotonic() - told >= _TELL_EVERY_SECONDS:
            told = time.monotonic()
            done, total = (sum(column) / _MEGABYTE for column in zip(*layers.values(), strict=True))
            text = f"{done:.0f} of {total:.0f} MiB" if done < total else f"{total:.0f} MiB downloaded, unpacking"
            if text != said:
                progress(text)
            said = text


def _note(layers: dict[str, tuple[int, int]], news: dict[str, Any]) -> bool:
    """Note the progress of a layer; whether there is progress to report."""
    detail = news.get("progressDetail") or {}
    if news.get("status") == "Downloading" and detail.get("total"):
        layers[news["id"]] = (detail.get("current", 0), detail["total"])
    elif news.get("status") == "Download complete" and news.get("id") in layers:
        total = layers[news["id"]][1]
        layers[news["id"]] = (total, total)
    return bool(layers)
