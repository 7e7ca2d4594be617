"""The lab's own servers on the bridge: names (dnsmasq), packages (mirror), images (registry), certificates (pebble)."""

import socket
import ssl
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from labkit import authority, outer
from labkit.errors import LabError
from labkit.network import BRIDGE, DOMAIN, GATEWAY
from labkit.paths import Paths, read_json, write_json, write_text
from labkit.processes import PACKAGE_FOLDER, Process, spawn

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
    with paths.lock("dnsmasq"):
        if not file.exists() or file.read_text() != text:
            # dnsmasq reads addresses only when it starts; it is back within milliseconds, and resolvers ask again.
            stop(paths, "dnsmasq")
            write_text(file, text)
        _start(paths, "dnsmasq", ["dnsmasq", "--keep-in-foreground", f"--conf-file={file}"], ports=(53,))


def start_mirror(paths: Paths) -> None:
    """Serve Debian's archives on port 80, each file downloaded once."""
    with paths.lock("mirror"):
        if _running(paths, "mirror"):
            return
        file, folder = paths.services / "mirror.json", paths.cache / "mirror"
        write_json(file, {"host": GATEWAY, "port": 80, "folder": str(folder), "upstreams": outer.debian_archives()})
        command = [sys.executable, "-m", "labkit.mirror", str(file)]
        _start(paths, "mirror", command, ports=(80,), env={"PYTHONPATH": str(PACKAGE_FOLDER)})


def start_registry(paths: Paths) -> None:
    """Serve images at registry.lab.test:5000 over TLS, from the cache; nothing in it can be deleted."""
    with paths.lock("registry"):
        if _running(paths, "registry"):
            return
        certificate, key = authority.server_certificate(paths, "registry")
        storage = {"filesystem": {"rootdirectory": str(paths.cache / "registry")}, "delete": {"enabled": False}}
        tls = {"certificate": str(certificate), "key": str(key)}
        http = {"addr": f"{GATEWAY}:5000", "tls": tls}
        # JSON is YAML enough for its reader.
        file = paths.services / "registry.yml"
        write_json(file, {"version": 0.1, "log": {"level": "warn"}, "storage": storage, "http": http})
        _start(paths, "registry", [str(outer.tool(paths, "docker-registry")), "serve", str(file)], ports=(5000,))


def start_acme(paths: Paths) -> None:
    """Issue certificates over ACME at acme.lab.test:14000, validating on ports 80 and 443 of the hosts."""
    with paths.lock("pebble"):
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
        file = paths.services / "pebble.json"
        write_json(file, {"pebble": settings})
        command = [str(outer.tool(paths, "pebble")), "-config", str(file), "-dnsserver", f"{GATEWAY}:53"]
        _start(paths, "pebble", command, ports=(14000, 15000), env=_PEBBLE_MOODS)


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
    record = _records(paths).get(name, {})
    recorded = Process.load(record)
    # The second: what a run that was killed between starting and recording left behind.
    for process in ([recorded] if recorded else []) + Process.started_with(*record.get("command", ["no such"])):
        process.stop()


def stop_all(paths: Paths) -> None:
    """End every recorded server."""
    for name in _records(paths):
        stop(paths, name)
    (paths.services / _STATE).unlink(missing_ok=True)


def _start(
    paths: Paths, name: str, command: list[str], *, ports: tuple[int, ...], env: Mapping[str, str] | None = None
) -> None:
    if _running(paths, name):
        return
    _record(paths, name, {**_records(paths).get(name, {}), "command": command})
    stop(paths, name)
    log = paths.services / f"{name}.log"
    process = spawn(command, log=log, env=env)
    _record(paths, name, {"command": command, **process.record()})
    for port in ports:
        _await_port(process, port, name, log)


def _records(paths: Paths) -> dict[str, Any]:
    return read_json(paths.services / _STATE)


def _running(paths: Paths, name: str) -> bool:
    process = Process.load(_records(paths).get(name))
    return process is not None and process.alive()


def _record(paths: Paths, name: str, record: dict[str, Any]) -> None:
    with paths.lock("services"):
        write_json(paths.services / _STATE, {**_records(paths), name: record})


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
