"""The sandbox: a transient systemd unit in which a program works on one tenant's files and sees nothing else.

The unit starts as root with only the capabilities to change its uid, and its program drops root before it opens
anything (a uid without an entry in /etc/passwd cannot be a unit's User=). Secrets are sent through standard input.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from typing import Any

from launchpad.runner import paths
from launchpad.runner.host import Confined, Failed, Progress
from launchpad.runner.machine.command import ENVIRONMENT, WITH_THE_RUNNER, run
from launchpad.runner.machine.files import DiskFiles

_HIDDEN = (
    paths.ETC,
    paths.STATE,
    paths.RUN,
    "/var/lib/docker",
    "/run/docker.sock",
    "/run/containerd",
    "/root",
)
_PROPERTIES = {
    "CapabilityBoundingSet": "CAP_SETUID CAP_SETGID",
    "NoNewPrivileges": "yes",
    "ProtectSystem": "strict",
    "ProtectHome": "yes",
    "ProtectProc": "invisible",
    "ProtectKernelTunables": "yes",
    "ProtectKernelModules": "yes",
    "ProtectKernelLogs": "yes",
    "ProtectControlGroups": "yes",
    "ProtectClock": "yes",
    "ProtectHostname": "yes",
    "PrivateTmp": "yes",
    "PrivateDevices": "yes",
    "RestrictNamespaces": "yes",
    "RestrictRealtime": "yes",
    "RestrictSUIDSGID": "yes",
    "LockPersonality": "yes",
    "SystemCallArchitectures": "native",
    "SystemCallFilter": "@system-service",
    "RestrictAddressFamilies": "AF_UNIX AF_INET AF_INET6",
    "KeyringMode": "private",
    "UMask": "0077",
    "LimitCORE": "0",
}
LIMITS = {
    "MemoryMax": "1G",
    "TasksMax": "256",
    "CPUWeight": "20",
    "IOWeight": "20",
    "Nice": "10",
    "OOMScoreAdjust": "500",
}
"""Low priority: the tenants have precedence."""
_LAST_LINES = 10


class SystemdSandbox(DiskFiles):
    """Sandbox, by systemd-run."""

    def confined(self, work: Confined, progress: Progress) -> dict[str, Any]:
        with closing(self.streamed(work)) as lines:
            while True:
                try:
                    item = next(lines)
                except StopIteration as end:
                    return dict(end.value)
                progress(str(item.get("progress", "")))

    def streamed(
        self, work: Confined, incoming: Iterable[bytes] = ()
    ) -> Generator[dict[str, Any], None, dict[str, Any]]:
        self.end_confined(work.unit)
        passwd = f"{paths.RUN}/sandbox/{work.unit}.passwd"
        self.write(passwd, _passwd(work.task["uid"]).encode(), mode=0o644)  # ssh needs an entry for its own user
        try:
            return (yield from _lines(work, [*WITH_THE_RUNNER, *words(work, passwd)], incoming))
        finally:
            self.end_confined(work.unit)
            self.remove(passwd)

    def end_confined(self, unit: str) -> None:
        if self.read(f"/run/systemd/transient/{unit}.service") is None:
            return  # the unit is gone; asking systemd would take 0.1 s each time
        run(["systemctl", "stop", "--quiet", f"{unit}.service"], seconds=60)
        run(["systemctl", "reset-failed", "--quiet", f"{unit}.service"])


def words(work: Confined, passwd: str) -> list[str]:
    """The arguments that start the program in its sandbox, without secrets."""
    from launchpad.runner.journal import OWN_FOLDER

    properties = [f"{name}={value}" for name, value in (_PROPERTIES | LIMITS).items()]
    properties += [f"InaccessiblePaths=-{path}" for path in _HIDDEN]
    properties += ["TemporaryFileSystem=/srv:mode=0755", f"BindReadOnlyPaths={passwd}:/etc/passwd"]
    properties += [f"BindReadOnlyPaths={path}:{place}" for place, path in work.reads.items()]
    properties += [f"BindPaths={path}:{place}" for place, path in work.writes.items()]
    properties += [f"RuntimeMaxSec={work.seconds}", f"PrivateNetwork={'no' if work.network else 'yes'}"]
    return [
        "systemd-run",
        "--quiet",
        "--collect",
        "--wait",
        "--pipe",
        "--service-type=exec",
        f"--unit={work.unit}",
        "--working-directory=/srv",
        *(f"--property={item}" for item in properties),
        "--",
        f"{OWN_FOLDER}/start",
        "inside",
    ]


def _lines(
    work: Confined, argv: list[str], incoming: Iterable[bytes]
) -> Generator[dict[str, Any], None, dict[str, Any]]:
    import subprocess  # 5 ms that hello need not pay

    pipe = subprocess.PIPE
    try:
        process = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=pipe, env=ENVIRONMENT)
    except OSError as error:
        raise Failed(f"cannot run systemd-run: {error.strerror}", code="sandbox-cannot-start") from error
    answer: dict[str, Any] = {}
    with process:
        assert process.stdin and process.stdout and process.stderr
        try:
            _give(process.stdin, work.task, incoming)
            for item in _messages(process.stdout):
                if "progress" in item or "data" in item:
                    yield item
                else:
                    answer = item
            errors = process.stderr.read().decode(errors="replace").splitlines()
        except BaseException:
            process.kill()
            raise
    if "result" in answer:
        return dict(answer["result"])
    if "failed" in answer:
        raise Failed(str(answer["failed"]), code="confined-work-failed")
    why = f"was still running after {work.seconds} s, or was killed" if not errors else errors[-1]
    raise Failed(f"the sandboxed process {work.unit} {why}", code="sandbox-failed", lines=errors[-_LAST_LINES:])


def _give(stdin: Any, task: Mapping[str, Any], incoming: Iterable[bytes]) -> None:
    """Write the task and the input after it. A program may end early and report why."""
    with suppress(BrokenPipeError):
        stdin.write(json.dumps(task).encode() + b"\n")
        for piece in incoming:
            stdin.write(piece)
        stdin.flush()
    with suppress(BrokenPipeError):
        stdin.close()


def _messages(lines: Any) -> Iterator[dict[str, Any]]:
    for line in lines:
        with suppress(ValueError):
            item = json.loads(line)
            if isinstance(item, dict):
                yield item


def _passwd(uid: int) -> str:
    return f"root:x:0:0::/:/usr/sbin/nologin\ntenant:x:{uid}:{uid}::/tmp:/usr/sbin/nologin\n"
