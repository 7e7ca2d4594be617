"""The lab's own servers on the bridge: names (dnsmasq), packages (mirror), images (registry), certificates (pebble)."""

import json
import socket
import ssl
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from labkit import authority, outer
from labkit.errors import LabError
from labkit.network import BRIDGE, DOMAIN, GATEWAY
from labkit.paths import Paths, read_json, write_json, write_text
from labkit.processes import Process, spawn, spawn_module

REGISTRY = f"registry.{DOMAIN}:5000"
ACME_DIRECTORY = f"https://acme.{DOMAIN}:14000/dir"
MIRROR = f"mirror.{DOMAIN}"
OWN_NAMES = ("registry", "acme", "mirror")
_STATE = "processes.json"
# Issue at once, and never refuse a nonce on purpose: pebble's defaults test clients, the lab tests Launchpad.
_PEBBLE_MOODS = {"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}


def start_names(paths: Paths, hosts: Mapping[str, str]) -> None:
    """Serve DNS on the bridge: each host's name and everything below it is its address; the rest is forwarded."""
    lines = [
        f"interface={BRIDGE}",
        "except-interface=lo",
        "bind-interfaces",
        f"listen-address={GATEWAY}",
        "no-hosts",
        "resolv-file=/etc/resolv.conf",
        f"local=/{DOMAIN}/",
        "cache-size=1000",
        "user=root",
        "pid-file",
        *(f"address=/{name}.{DOMAIN}/{GATEWAY}" for name in OWN_NAMES),
        *(f"address=/{name}.{DOMAIN}/{address}" for name, address in sorted(hosts.items())),
    ]
    file = paths.services / "dnsmasq.conf"
    text = "\n".join(lines) + "\n"
    with paths.lock("names"):
        if file.exists() and file.read_text() == text and _running(paths, "dnsmasq"):
            return
        # dnsmasq reads addresses only when it starts; it is back within milliseconds, and resolvers ask again.
        stop(paths, "dnsmasq")
        write_text(file, text)
        log = paths.services / "dnsmasq.log"
        process = spawn(["dnsmasq", "--keep-in-foreground", f"--conf-file={file}"], log=log)
        _record(paths, "dnsmasq", process)
        _await_port(process, 53, "dnsmasq", log)


def start_mirror(paths: Paths) -> None:
    """Serve Debian's archives on port 80, each file downloaded once."""
    settings = paths.services / "mirror.json"
    with paths.lock("mirror"):
        if _running(paths, "mirror"):
            return
        folder = paths.cache / "mirror"
        value = {"host": GATEWAY, "port": 80, "folder": str(folder), "upstreams": outer.debian_archives()}
        write_json(settings, value)
        log = paths.services / "mirror.log"
        process = spawn_module("labkit.mirror", str(settings), log=log)
        _record(paths, "mirror", process)
        _await_port(process, 80, "the mirror", log)


def start_registry(paths: Paths) -> None:
    """Serve images at registry.lab.test:5000 over TLS, from the cache; nothing in it can be deleted."""
    with paths.lock("registry"):
        if _running(paths, "registry"):
            return
        certificate, key = authority.server_certificate(paths, "registry")
        settings = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": str(paths.cache / "registry")},
                "delete": {"enabled": False},
            },
            "http": {
                "addr": f"{GATEWAY}:5000",
                "tls": {"certificate": str(certificate), "key": str(key)},
            },
        }
        # JSON is YAML enough for its reader.
        file, log = paths.services / "registry.yml", paths.services / "registry.log"
        write_text(file, json.dumps(settings, indent=1))
        process = spawn([str(outer.tool(paths, "docker-registry")), "serve", str(file)], log=log)
        _record(paths, "registry", process)
        _await_port(process, 5000, "the registry", log)


def start_acme(paths: Paths) -> None:
    """Issue certificates over ACME at acme.lab.test:14000, validating on ports 80 and 443 of the hosts."""
    with paths.lock("acme"):
        if _running(paths, "pebble"):
            return
        certificate, key = authority.server_certificate(paths, "acme")
        settings = {
            "listenAddress": f"{GATEWAY}:14000",
            "managementListenAddress": f"{GATEWAY}:15000",
            "certificate": str(certificate),
            "privateKey": str(key),
            "httpPort": 80,
            "tlsPort": 443,
            "ocspResponderURL": "",
            "externalAccountBindingRequired": False,
        }
        file, log = paths.services / "pebble.json", paths.services / "pebble.log"
        write_json(file, {"pebble": settings})
        argv = [str(outer.tool(paths, "pebble")), "-config", str(file), "-dnsserver", f"{GATEWAY}:53"]
        process = spawn(argv, log=log, env=_PEBBLE_MOODS)
        _record(paths, "pebble", process)
        _await_port(process, 14000, "pebble", log)
        _await_port(process, 15000, "pebble", log)


def acme_root(paths: Paths) -> Path:
    """A file with the root of pebble's chain, which is new whenever pebble starts: what verifies tenants' sites."""
    trust = ssl.create_default_context(cafile=str(authority.root_certificate(paths)))
    with urllib.request.urlopen(f"https://{GATEWAY}:15000/roots/0", context=trust, timeout=10) as answer:
        text = answer.read().decode()
    file = paths.services / "acme-root.pem"
    write_text(file, text)
    return file


def stop(paths: Paths, name: str) -> None:
    """End one server, if it is the one that was recorded."""
    process = Process.load(read_json(paths.services / _STATE).get(name))
    if process:
        process.stop()


def stop_all(paths: Paths) -> None:
    """End every recorded server."""
    for name in read_json(paths.services / _STATE):
        stop(paths, name)
    (paths.services / _STATE).unlink(missing_ok=True)


def _running(paths: Paths, name: str) -> bool:
    process = Process.load(read_json(paths.services / _STATE).get(name))
    return process is not None and process.alive()


def _record(paths: Paths, name: str, process: Process) -> None:
    with paths.lock("services"):
        processes = read_json(paths.services / _STATE)
        processes[name] = process.record()
        write_json(paths.services / _STATE, processes)


def _await_port(process: Process, port: int, name: str, log: Path) -> None:
    deadline = time.monotonic() + 15
    while process.alive() and time.monotonic() < deadline:
        try:
            socket.create_connection((GATEWAY, port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.03)
    words = " | ".join(log.read_text(errors="replace").splitlines()[-3:])
    raise LabError(f"{name} does not answer on {GATEWAY}:{port}: {words}", hint=f"the log is {log}")
