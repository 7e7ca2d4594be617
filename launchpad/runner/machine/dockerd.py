"""Docker's systemd unit: its start, and why a start failed."""

from __future__ import annotations

from launchpad.runner.machine.command import run, succeed

_UNIT = "docker.service"
_LINES = 50
_START_SECONDS = 60


class DockerUnit:
    """The unit's part of Containers."""

    def docker_failure(self) -> list[str]:
        properties = "ActiveState,SubState,InvocationID"
        shown = run(["systemctl", "show", f"--property={properties}", _UNIT]).out.decode(errors="replace")
        state = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        if state.get("ActiveState") != "failed" and not state.get("SubState", "").startswith("auto-restart"):
            return []
        # Only the last start counts.
        start = f"_SYSTEMD_INVOCATION_ID={state.get('InvocationID') or 'none'}"
        words = ["journalctl", "--quiet", "--no-pager", "--boot", "--output=cat", f"--lines={_LINES}", start]
        return run(words).out.decode(errors="replace").splitlines()

    def start_docker(self, *, anew: bool = False) -> None:
        run(["systemctl", "reset-failed", _UNIT, "docker.socket"])
        succeed(["systemctl", "restart" if anew else "start", _UNIT], seconds=_START_SECONDS)
