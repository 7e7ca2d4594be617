"""scripts/bench: measure speed in one run on this machine, and print a table.

    backup      sending a backup, beside plain restic under the same limits (a lab host)
    connect     a connection and `true`: bare paramiko, and Launchpad's own way
    push        a changed release, pushed and activated on an open connection, at 0, 25 and 50 ms round trips
    noop        `launchpad deploy` when nothing changed: connections and execs
    help        `launchpad --help`, and what it imports
    one         `launchpad status` of one host, beside `true` by bare paramiko
    fleet       `launchpad status` of 50 sshds, beside `true` through the same sshd, sudo and python3 -I, and bare; and
                `launchpad health` beside it
    others      six files and a command on one host, and `true` on 50, with Ansible and pyinfra

As root, the benchmark runs in mount namespaces of its own, with a user, a sudoers file and a runner that exist only
there and disappear with the process. Without root, the fleet's sshds run as you and without sudo; the table notes this.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchkit import backups, fleet, links, one_host, others, seclusion, startup
from benchkit.figures import Figures
from measurement import record

PARTS: dict[str, Callable[[Figures, Path], None]] = {
    "backup": backups.measure,
    "connect": links.connect,
    "push": links.push,
    "noop": links.noop,
    "help": startup.measure,
    "one": one_host.measure,
    "fleet": fleet.measure,
    "others": others.measure,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="scripts/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "parts", nargs="*", metavar="PART", help=f"the parts to measure, of {', '.join(PARTS)}; default: all"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS):
        parser.error(f"no part {min(unknown)}")
    seclusion.enter()
    figures = Figures(quiet=options.json)
    figures.note(f"{os.cpu_count()} processors; {os.getloadavg()[0]:.1f} programs ran beside this at its start")
    folder = Path(tempfile.mkdtemp(prefix="launchpad-bench-"))
    folder.chmod(0o755)
    try:
        for name, measure in PARTS.items():
            if not options.parts or name in options.parts:
                figures.say(f"bench: {name}")
                measure(figures, folder / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for figure in figures.all:
        if figure.evidence:
            record(figure.evidence, figure.value, n=figure.n, detail=figure.text)
    print(json.dumps(figures.as_json(), indent=2) if options.json else figures.table())
    return 1 if figures.short else 0


if __name__ == "__main__":
    sys.exit(main())
