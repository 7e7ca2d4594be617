"""The command line of the lab: one call for each command, plain text output."""

import argparse
import json
import os
import sys
from collections.abc import Callable

from labkit import outer
from labkit.errors import LabError
from labkit.host import Host
from labkit.lab import BARE, Lab

_Command = Callable[[Lab, argparse.Namespace], int]


def main(words: list[str] | None = None) -> int:
    """Run one command and return its exit status; an expected error is one sentence and a hint."""
    arguments = _parser().parse_args(words)
    command: _Command = arguments.command
    try:
        return command(Lab(), arguments)
    except LabError as error:
        print(f"lab: {error.message}", file=sys.stderr)
        if error.hint:
            print(f"  {error.hint}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        return 130
    except OSError as error:
        # Without root, or on a full disk, the system's own message is clearer than a traceback.
        print(f"lab: {error}\n  to check whether the lab can run here: scripts/lab doctor", file=sys.stderr)
        return 3


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/lab", description="Real Debian 13 hosts on this machine.")
    verbs = parser.add_subparsers(metavar="COMMAND", required=True)

    def verb(name: str, command: _Command, about: str, example: str) -> argparse.ArgumentParser:
        added = verbs.add_parser(name, help=about, description=about, epilog=f"example: scripts/lab {example}")
        added.set_defaults(command=command)
        return added

    verb("doctor", _doctor, "Check whether the lab can run here.", "doctor")
    made = verb("up", _up, "Make and boot hosts; running hosts do not change.", "up web-1 web-2")
    made.add_argument("names", nargs="+", metavar="NAME")
    made.add_argument("--from", dest="source", default=BARE, metavar="SNAPSHOT", help="a snapshot instead of bare")
    made.add_argument("--keep-keys", action="store_true", help="keep the snapshot's SSH host keys")
    made.add_argument("--fresh", action="store_true", help="remove an existing host with this name first")
    gone = verb("down", _down, "Power hosts off at once and remove them.", "down --all")
    gone.add_argument("names", nargs="*", metavar="NAME")
    gone.add_argument("--all", action="store_true", help="every host, the servers, the bridge and the rules")
    listed = verb("list", _list, "List the hosts.", "list --json")
    listed.add_argument("--json", action="store_true")
    shell = verb("ssh", _ssh, "Log in to a host as root, or run one command.", "ssh web-1 systemctl is-system-running")
    shell.add_argument("name", metavar="NAME")
    shell.add_argument("words", nargs=argparse.REMAINDER, metavar="CMD")
    built = verb("images", _images, "Build app images into the lab's registry.", "images beacon openclaw:2026.9.5")
    built.add_argument("apps", nargs="*", metavar="APP", help="caddy, beacon[:VERSION], openclaw[:VERSION]")
    built.add_argument("--json", action="store_true")
    verb("warm", _warm, "Prepare everything that takes long: packages, the bare host, the images.", "warm")
    kept = verb("snapshot", _snapshot, "Keep a host's disk, to boot copies of it.", "snapshot web-1 provisioned")
    kept.add_argument("name", metavar="NAME")
    kept.add_argument("label", metavar="LABEL")
    kept.add_argument("--key", default="", help="the key of the snapshot's content; another key means another snapshot")
    return parser


def _doctor(lab: Lab, _: argparse.Namespace) -> int:
    sentence = outer.obstacle(lab.paths)
    print(sentence or "The lab can run here.")
    return 3 if sentence else 0


def _up(lab: Lab, arguments: argparse.Namespace) -> int:
    wanted = {"source": arguments.source, "keep_keys": arguments.keep_keys, "fresh": arguments.fresh}
    for host in lab.up_all(arguments.names, **wanted):
        print(f"{host.name}  {host.address}  {host.fingerprint}  {host.key_path}")
    return 0


def _down(lab: Lab, arguments: argparse.Namespace) -> int:
    if arguments.all:
        lab.down_all()
    elif not arguments.names:
        raise LabError("no host is named", hint="scripts/lab down NAME, or scripts/lab down --all", exit_code=2)
    for name in arguments.names:
        lab.down(name)
    return 0


def _list(lab: Lab, arguments: argparse.Namespace) -> int:
    facts = [_facts(host) for host in lab.hosts()]
    if arguments.json:
        print(json.dumps(facts, indent=1))
    for fact in [] if arguments.json else facts:
        print("  ".join(fact.values()))
    return 0


def _facts(host: Host) -> dict[str, str]:
    return {
        "name": host.name,
        "address": host.address,
        "state": "running" if host.running() else "off",
        "fingerprint": host.fingerprint,
        "key": str(host.key_path),
    }


def _ssh(lab: Lab, arguments: argparse.Namespace) -> int:
    # As ssh itself does it: the remote shell reads the words, so pipes and quotes work as people expect.
    remote = [" ".join(arguments.words)] if arguments.words else []
    command = lab.host(arguments.name).ssh_command() + remote
    sys.stdout.flush()
    os.execvp(command[0], command)


def _snapshot(lab: Lab, arguments: argparse.Namespace) -> int:
    lab.prepare()
    lab.snapshot(lab.host(arguments.name), arguments.label, key=arguments.key)
    print(f"kept; to boot a copy: scripts/lab up NAME --from {arguments.label}")
    return 0


def _images(lab: Lab, arguments: argparse.Namespace) -> int:
    images = lab.images(*arguments.apps)
    if arguments.json:
        print(json.dumps([image.record() for image in images], indent=1))
    for image in [] if arguments.json else images:
        print(f"{image.name} {image.version} {image.digest}")
    return 0


def _warm(lab: Lab, _: argparse.Namespace) -> int:
    lab.warm()
    print("prepared; `scripts/lab up web-1` now takes seconds")
    return 0
