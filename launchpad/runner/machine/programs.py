"""The host's own programs that only look: what a diagnosis reads beside what the runner itself knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from launchpad.runner.machine.command import run


class LookingPrograms:
    """`diagnosing.desk.Examined`'s part of the machine."""

    def looked(self, argv: Sequence[str], *, seconds: float) -> str:
        """What the program wrote, whatever its exit status. Failed when it is missing, or does not end in time."""
        return run(argv, seconds=seconds).out.decode(errors="replace")

    def name_servers(self) -> Mapping[str, bool]:
        """The host's own, and whether each answers."""
        from concurrent.futures import ThreadPoolExecutor

        from launchpad.runner.machine.debian import LinuxSystem
        from launchpad.runner.watching.host_check import answers

        servers = LinuxSystem().facts(()).resolvers
        with ThreadPoolExecutor(max(1, len(servers))) as pool:
            return dict(zip(servers, pool.map(answers, servers), strict=True))
