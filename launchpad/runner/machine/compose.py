"""Projects by the program Compose, which knows the order of services and which of them have changed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from launchpad.runner.host import Failed
from launchpad.runner.machine import docker
from launchpad.runner.machine.command import succeed
from launchpad.runner.machine.containers import listed, wake

# The plugin's own binary: as a child of `docker compose` it would outlive a killed runner.
_COMPOSE = "/usr/libexec/docker/cli-plugins/docker-compose"
# Compose reads files that the text names (env_file, extends, include), and can fetch from Git and registries. So an
# unjudged text is resolved by the user nobody without a network.
_AS_NOBODY = ("unshare", "--net", "--", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs")
_NO_ENVIRONMENT_FILE = "--env-file=/dev/null"
_RESOLVE_SECONDS = 30
_UP_SECONDS = 900
"""A high limit, because `up` waits until the services that others depend on are healthy."""
_GRACE_SECONDS = 60
_PROGRESS = ("Container ", "Network ", "Volume ")


class ComposeProjects:
    """The projects part of Containers."""

    def resolve(self, folder: str, project: str, environment: Mapping[str, str]) -> dict[str, Any]:
        words = [*_AS_NOBODY, *_compose(project, folder), "config", "--format=json"]
        text = succeed(words, environment=environment, seconds=_RESOLVE_SECONDS)
        resolved = json.loads(text)
        if not isinstance(resolved, dict):
            raise Failed(f"{folder}/compose.yaml: Compose cannot read the file", code="compose-cannot-read")
        return resolved

    def up(self, folder: str, project: str, environment: Mapping[str, str]) -> None:
        flags = ["--detach", "--no-build", "--pull=never", "--quiet-pull", "--remove-orphans"]
        _remove_homeless(project)
        _wake_all(project)
        words = [*_compose(project, folder), "--progress=plain", "up", *flags]
        try:
            succeed(words, environment=environment, seconds=_UP_SECONDS)
        except Failed as failed:
            # Progress lines name a container; the last other line says what failed.
            said = [line.strip() for line in failed.lines if not line.lstrip().startswith(_PROGRESS)]
            raise Failed(
                f"Compose: {said[-1]}" if said else failed.message, code="compose-failed", lines=said
            ) from failed

    def start(self, project: str) -> None:
        if not _has_containers(project):
            raise Failed(f"{project} has no containers to start", code="no-containers")
        _wake_all(project)
        succeed([*_compose(project), "start"], seconds=_UP_SECONDS)

    def stop(self, project: str, seconds: int) -> None:
        if _has_containers(project):
            succeed([*_compose(project), "stop", f"--timeout={seconds}"], seconds=seconds + _GRACE_SECONDS)

    def down(self, project: str, seconds: int) -> None:
        if _has_containers(project):
            succeed([*_compose(project), "down", "--volumes", f"--timeout={seconds}"], seconds=seconds + _GRACE_SECONDS)


def _compose(project: str, folder: str = "") -> list[str]:
    where = [f"--project-directory={folder}", f"--file={folder}/compose.yaml"] if folder else []
    return [_COMPOSE, _NO_ENVIRONMENT_FILE, "--ansi=never", f"--project-name={project}", *where]


def _remove_homeless(project: str) -> None:
    """Remove stopped containers whose network was removed: Docker does not start them in a new network of the same
    name, and Compose does not recreate them."""
    still = [item for item in listed(f"com.docker.compose.project={project}") if item["State"] != "running"]
    known = {"", *(item["Id"] for item in docker.call("GET", "/networks"))} if still else set()
    for item in still:
        networks = item["NetworkSettings"]["Networks"] or {}
        if not known.issuperset(own["NetworkID"] for own in networks.values()):
            docker.call("DELETE", f"/containers/{item['Id']}?v=1", fine=(404,))


def _wake_all(project: str) -> None:
    """Wake dead containers first, because Compose does not start a container that Docker lists as running."""
    for item in listed(f"com.docker.compose.project={project}"):
        if item["State"] == "running":
            wake(item["Id"])


def _has_containers(project: str) -> bool:
    return bool(listed(f"com.docker.compose.project={project}"))
