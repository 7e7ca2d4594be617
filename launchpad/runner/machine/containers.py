"""Tenants' containers in Docker: list them, read their logs, run a command inside one."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from launchpad.runner.host import Container, Failed
from launchpad.runner.machine import cgroups, docker
from launchpad.runner.machine.docker_logs import DockerLogs, frames
from launchpad.runner.machine.files import DiskFiles
from launchpad.runner.machine.http import Stream, quote

if TYPE_CHECKING:
    from launchpad.runner.host import CommandOutput

_MOST_OUTPUT = 256 * 1024
_STANDARD_OUTPUT = 1
TOLD_SECONDS, _TOLD_POLL = 1.0, 0.1
"""How long Docker may take to notice the end of a process."""
_USUAL_STOP = 10
"""Docker's default stop time in seconds."""
_RESTART_SECONDS = 60
_NANO, _LEAST_CPUS = 10**9, 0.01
"""Docker accepts no smaller limit."""
_FIRST_TO_GO = "1000"


def listed(*labels: str) -> list[dict[str, Any]]:
    """Docker's list entries of the containers with all these labels, including stopped ones."""
    wanted = quote(json.dumps({"label": list(labels)}))
    found: list[dict[str, Any]] = docker.call("GET", f"/containers/json?all=1&filters={wanted}")
    return found


class DockerContainers(DockerLogs, DiskFiles):
    """The containers part of Containers, and the container methods for the reading verbs and the watch."""

    _running: Mapping[str, Container] = MappingProxyType({})
    """Container → what Docker said of it when it was seen to run: for a process that looks again and again. Replaced as
    a whole, because threads share it."""

    def containers(self, tenant: str = "") -> list[Container]:
        labels = [f"launchpad.tenant={tenant}" if tenant else "launchpad.tenant"]
        entries = listed(*labels)
        found = {item["Id"]: self._still_running(item) or _inspected(item["Id"]) for item in entries}
        seen = {identity: item for identity, item in found.items() if item}
        others = {key: item for key, item in self._running.items() if tenant and item.tenant != tenant}
        self._running = others | {key: item for key, item in seen.items() if item.state == "running"}
        return sorted(seen.values(), key=lambda item: item.name)

    def _still_running(self, entry: Mapping[str, Any]) -> Container | None:
        """What is known of the container, if the same process of it still runs; None when Docker has to be asked."""
        known = self._running.get(entry["Id"])
        if known is None or entry["State"] != "running" or not _lives(entry["Id"], known.process):
            return None
        networks = (entry.get("NetworkSettings") or {}).get("Networks") or {}
        address = (networks.get(f"lp-{known.tenant}") or {}).get("IPAddress", "")
        return known.but(ill="(unhealthy)" in entry.get("Status", ""), address=address)

    def log_lines(self, project: str, lines: int) -> list[str]:
        """The last lines of each of the project's containers, in order of time, without known secrets."""
        from launchpad.runner.log_redaction import known_secrets

        found: list[tuple[str, str]] = []
        mine = listed(f"com.docker.compose.project={project}")
        for item in mine:
            labels = item["Labels"]
            redaction = known_secrets(self, labels.get("launchpad.tenant", ""))
            before = f"{labels.get('com.docker.compose.service', '')}: " if len(mine) > 1 else ""
            for line in self.log(item["Id"], since=0, tail=lines, follow=False):
                found.append((line.at, before + redaction.line(line)))
        return [text for _, text in sorted(found)]

    def memory(self, container: str, *, process: int = 0) -> tuple[int, int]:
        if process and (told := cgroups.memory(process)):
            return told
        target = f"/containers/{quote(container)}/stats?stream=false&one-shot=true"
        found = (docker.call("GET", target, fine=(404, 409)) or {}).get("memory_stats") or {}
        kept = found.get("stats") or {}
        cache = kept.get("inactive_file", kept.get("total_inactive_file", 0))
        return max(0, found.get("usage", 0) - cache), found.get("limit", 0)

    def cpus(self, container: str) -> float:
        found = docker.call("GET", f"/containers/{quote(container)}/json", fine=(404,)) or {}
        return float((found.get("HostConfig") or {}).get("NanoCpus", 0)) / _NANO

    def set_cpus(self, container: str, cpus: float) -> None:
        limit = {"NanoCpus": int(max(cpus, _LEAST_CPUS) * _NANO)}
        docker.call("POST", f"/containers/{quote(container)}/update", limit)

    def start_container(self, name: str) -> None:
        wake(name)
        docker.call("POST", f"/containers/{quote(name)}/start", fine=(304,))

    def docker_version(self) -> str:
        # `/version` also asks containerd and runc, which takes seven times as long.
        with docker.asked("GET", "/_ping", seconds=5) as answer:
            docker.must_succeed(answer)
            return answer.headers.get("server", "").partition(" ")[0].removeprefix("Docker/")

    def execute(self, container: str, argv: Sequence[str], *, seconds: float) -> CommandOutput:
        from launchpad.runner.host import CommandOutput

        wanted = {"AttachStdout": True, "AttachStderr": True, "Cmd": list(argv)}
        identity = quote(docker.call("POST", f"/containers/{quote(container)}/exec", wanted)["Id"])
        with docker.asked("POST", f"/exec/{identity}/start", {"Detach": False, "Tty": False}) as answer:
            docker.must_succeed(answer)
            _give_way(identity)
            answer.stream.end_within(seconds)
            try:
                out, err = _gathered(answer.stream)
            except TimeoutError as error:
                _kill(identity)
                raise Failed(
                    f"{container}: {argv[0]} was still running after {seconds:g} s", code="exec-timeout"
                ) from error
        code = docker.call("GET", f"/exec/{identity}/json")["ExitCode"]
        return CommandOutput(code=code, out=out, err=err)

    @contextmanager
    def deaths(self) -> Iterator[Callable[[float, Iterable[int]], bool]]:
        wanted = {"type": ["container"], "event": ["die"], "label": ["launchpad.tenant"]}
        with docker.asked("GET", f"/events?filters={quote(json.dumps(wanted))}") as answer:
            docker.must_succeed(answer)

            def wait(seconds: float, processes: Iterable[int]) -> bool:
                if answer.stream.is_silent() and _one_ends(processes, answer.stream, seconds):
                    return True
                answer.stream.wait_at_most(0.001)
                with suppress(TimeoutError):
                    if not answer.stream.line():
                        raise Failed("Docker closed its event stream", code="docker-events-ended")
                    return True
                return False

            yield wait


def inspected_alive(identity: str) -> dict[str, Any] | None:
    """Docker's description of a container, with the state `dead` when Docker reports `running` but the process is gone
    (containerd died, so Docker was not notified). None when there is no such container."""
    for _ in range(int(TOLD_SECONDS / _TOLD_POLL)):
        found: dict[str, Any] | None = docker.call("GET", f"/containers/{quote(identity)}/json", fine=(404,))
        if not found or not found["State"]["Running"] or _lives(found["Id"], found["State"]["Pid"]):
            return found
        time.sleep(_TOLD_POLL)
    return found and found | {"State": found["State"] | {"Status": "dead"}}


def wake(identity: str) -> None:
    """Make Docker notice that a container listed as running has ended, and start the container again; does nothing for
    any other container."""
    found = inspected_alive(identity)
    if not found or not found["State"]["Running"] or found["State"]["Status"] != "dead":
        return
    try:
        if (found["Config"].get("StopTimeout") or _USUAL_STOP) <= _USUAL_STOP:
            docker.call("POST", f"/containers/{quote(found['Id'])}/restart?t=0", seconds=2 * _USUAL_STOP)
            return
    except Failed:
        pass
    # Docker would wait for the lost process for the whole stop time. A restarted Docker checks the processes itself,
    # and with live-restore the other containers keep running.
    from launchpad.runner.machine.command import succeed

    succeed(["systemctl", "restart", "docker.service"], seconds=_RESTART_SECONDS)


def _inspected(identity: str) -> Container | None:
    found = inspected_alive(identity)
    return _container(found) if found else None


def _lives(identity: str, process: int) -> bool:
    """Whether the container's first process is alive, checked by its control group, because pids are reused. A zombie
    has no control group."""
    try:
        with open(f"/proc/{process}/cgroup") as file:  # noqa: PTH123  pathlib costs an import
            return identity in file.read()
    except OSError:
        return False


def _one_ends(processes: Iterable[int], stream: Stream, seconds: float) -> bool:
    """Wait until one of the processes ends (True), the stream has data, or the seconds are over."""
    handles: list[int] = []
    try:
        for process in processes:
            try:
                handles.append(os.pidfd_open(process))
            except OSError:
                return True
        poll = select.poll()
        for handle in (*handles, stream.fileno()):
            poll.register(handle, select.POLLIN)
        return any(handle in handles for handle, _ in poll.poll(seconds * 1000))
    finally:
        for handle in handles:
            os.close(handle)


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
        process=state["Pid"] if state["Status"] in ("running", "paused") else 0,
        ill=(state.get("Health") or {}).get("Status") == "unhealthy",
        log=_log_of(found["HostConfig"]["LogConfig"]),
    )


def _log_of(found: dict[str, Any]) -> str:
    options = found["Config"] or {}
    return f"{found['Type']} {options.get('max-size', 'unlimited')} {options.get('max-file', 'unlimited')}"


def _gathered(stream: Stream) -> tuple[str, str]:
    """Standard output and errors, each up to _MOST_OUTPUT; the rest is read and dropped."""
    said = {True: bytearray(), False: bytearray()}
    for kind, piece in frames(stream):
        part = said[kind == _STANDARD_OUTPUT]
        part += piece[: _MOST_OUTPUT - len(part)]
    return said[True].decode(errors="replace"), said[False].decode(errors="replace")


def _give_way(identity: str) -> None:
    """Where the container's memory ends, have the kernel end this command and not the app."""
    with suppress(Failed, OSError, TypeError):
        pid = docker.call("GET", f"/exec/{identity}/json")["Pid"]
        with open(f"/proc/{int(pid)}/oom_score_adj", "w") as file:  # noqa: PTH123  pathlib costs an import
            file.write(_FIRST_TO_GO)


def _kill(identity: str) -> None:
    """End a command inside a container by its pid on the host, because Docker has no call for that."""
    with suppress(Failed, ProcessLookupError):
        state = docker.call("GET", f"/exec/{identity}/json")
        if state["Running"] and state["Pid"] > 1:
            os.kill(state["Pid"], signal.SIGKILL)
