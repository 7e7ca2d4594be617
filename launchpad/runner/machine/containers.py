"""Tenants' containers as Docker has them: which there are, what they say, a word said inside one."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from launchpad.runner.host import Container, Failed
from launchpad.runner.machine import docker
from launchpad.runner.machine.files import DiskFiles
from launchpad.runner.machine.http import Stream, quote
from launchpad.runner.machine.logs import DockerLogs, frames

if TYPE_CHECKING:
    from launchpad.runner.host import Output

_MOST_OUTPUT = 256 * 1024
_STANDARD_OUTPUT = 1


def listed(*labels: str) -> list[dict[str, Any]]:
    """What Docker's list says of each container with all these labels, stopped ones too."""
    wanted = quote(json.dumps({"label": list(labels)}))
    found: list[dict[str, Any]] = docker.call("GET", f"/containers/json?all=1&filters={wanted}")
    return found


class DockerContainers(DockerLogs, DiskFiles):
    """The containers part of Containers, and what the reading verbs and the watcher do with one."""

    def containers(self, tenant: str = "") -> list[Container]:
        labels = [f"launchpad.tenant={tenant}" if tenant else "launchpad.tenant"]
        inspected = (docker.call("GET", f"/containers/{item['Id']}/json", fine=(404,)) for item in listed(*labels))
        return sorted((_container(item) for item in inspected if item), key=lambda item: item.name)

    def log_lines(self, project: str, lines: int) -> list[str]:
        """The last lines of each of the project's containers, in the order of time, without the known secrets."""
        from launchpad.runner.redaction import known_secrets

        found: list[tuple[str, str]] = []
        mine = listed(f"com.docker.compose.project={project}")
        for item in mine:
            labels = item["Labels"]
            redaction = known_secrets(self, labels.get("launchpad.tenant", ""))
            before = f"{labels.get('com.docker.compose.service', '')}: " if len(mine) > 1 else ""
            for line in self.log(item["Id"], since=0, tail=lines, follow=False):
                found.append((line.at, before + redaction.line(line)))
        return [text for _, text in sorted(found)]

    def start_container(self, name: str) -> None:
        docker.call("POST", f"/containers/{quote(name)}/start", fine=(304,))

    def docker_version(self) -> str:
        # `/version` would ask containerd and runc too, which takes seven times as long.
        with docker.asked("GET", "/_ping", seconds=5) as answer:
            docker.must_succeed(answer)
            return answer.headers.get("server", "").partition(" ")[0].removeprefix("Docker/")

    def execute(self, container: str, argv: Sequence[str], *, seconds: float) -> Output:
        from launchpad.runner.host import Output

        wanted = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(argv)}
        identity = quote(docker.call("POST", f"/containers/{quote(container)}/exec", wanted)["Id"])
        with docker.asked("POST", f"/exec/{identity}/start", {"Detach": False, "Tty": False}) as answer:
            docker.must_succeed(answer)
            answer.stream.end_within(seconds)
            try:
                out, err = _gathered(answer.stream)
            except TimeoutError as error:
                _kill(identity)
                raise Failed(f"{container}: {argv[0]} did not end within {seconds:g} s") from error
        code = docker.call("GET", f"/exec/{identity}/json")["ExitCode"]
        return Output(code=code, out=out, err=err)

    @contextmanager
    def deaths(self) -> Iterator[Callable[[float], bool]]:
        wanted = {"type": ["container"], "event": ["die"], "label": ["launchpad.tenant"]}
        with docker.asked("GET", f"/events?filters={quote(json.dumps(wanted))}") as answer:
            docker.must_succeed(answer)

            def wait(seconds: float) -> bool:
                answer.stream.wait_at_most(seconds)
                with suppress(TimeoutError):
                    if not answer.stream.line():
                        raise Failed("Docker went away")
                    return True
                return False

            yield wait


def _container(found: dict[str, Any]) -> Container:
    labels, state = found["Config"]["Labels"], found["State"]
    tenant = labels["launchpad.tenant"]
    networks = found["NetworkSettings"]["Networks"] or {}
    return Container(
        name=found["Name"].removeprefix("/"),
        tenant=tenant,
        service=labels.get("com.docker.compose.service", ""),
        side=labels.get("launchpad.side", ""),
        release=labels.get("launchpad.release", ""),
        image=found["Config"]["Image"],
        state=state["Status"],
        started_at=state["StartedAt"],
        exit_code=state["ExitCode"],
        oom_killed=state["OOMKilled"],
        address=(networks.get(f"lp-{tenant}") or {}).get("IPAddress", ""),
    )


def _gathered(stream: Stream) -> tuple[str, str]:
    """Standard output and errors, each up to _MOST_OUTPUT; what comes after that is read and dropped."""
    said = {True: bytearray(), False: bytearray()}
    for kind, piece in frames(stream):
        part = said[kind == _STANDARD_OUTPUT]
        part += piece[: _MOST_OUTPUT - len(part)]
    return said[True].decode(errors="replace"), said[False].decode(errors="replace")


def _kill(identity: str) -> None:
    """End a command inside a container: Docker has no call for it, but tells its process on the host."""
    with suppress(Failed, ProcessLookupError):
        state = docker.call("GET", f"/exec/{identity}/json")
        if state["Running"] and state["Pid"] > 1:
            os.kill(state["Pid"], signal.SIGKILL)
