"""One host: what a connection costs, a release that is pushed, a deploy that changes nothing."""

from __future__ import annotations

import itertools
import time
from pathlib import Path

import paramiko

from benchkit.figures import Figures, timed
from benchkit.ground import Pretence, open_workspace, pretend, write_workspace
from benchkit.proxy import Proxy
from launchpad.fleet.words.names import TenantName
from launchpad.operations.tenants.deploy import deploy as deploy_tenant
from launchpad.operations.tenants.deploy import deploy_operation
from launchpad.ssh.connection import Connection
from launchpad.workspace import Workspace

RUNS = 7
ROUND_TRIPS = (0.0, 0.025, 0.05)


def connect(figures: Figures, folder: Path) -> None:
    """A cold connection and one exec, with the client's own processor time."""
    host = pretend(folder)
    try:
        bare = [_with_cpu(lambda: bare_true(host)) for _ in range(RUNS)]
        own = [_with_cpu(lambda: _hello(host)) for _ in range(RUNS)]
        figures.add("connect and one exec, bare paramiko", [wall for wall, _ in bare], "ms")
        figures.add("  processor time of the client", [cpu for _, cpu in bare], "ms")
        figures.add("connect and one exec, Launchpad", [wall for wall, _ in own], "ms")
        figures.add("  processor time of the client", [cpu for _, cpu in own], "ms")
    finally:
        host.server.stop()


def push(figures: Figures, folder: Path) -> None:
    """A changed release on an open connection: one exec, whose round trips are counted on the way."""
    host = pretend(folder)
    try:
        workspace = _workspace(folder / "fleet", host, host.server.port)
        for delay in ROUND_TRIPS:
            with Proxy(host.server.port, delay=delay / 2) as far:
                _push_over(figures, workspace, host, far, delay)
    finally:
        host.server.stop()


def noop(figures: Figures, folder: Path) -> None:
    """`deploy` when the host has just that release."""
    host = pretend(folder)
    try:
        with Proxy(host.server.port) as counted:
            workspace = _workspace(folder / "fleet", host, counted.port)
            deploy_tenant(workspace, "tenant-1")
            connections, execs, seconds = [], [], []
            for _ in range(RUNS):
                before = counted.connections, host.requests()
                seconds.append(timed(lambda: deploy_tenant(workspace, "tenant-1")) * 1000)
                connections.append(counted.connections - before[0])
                execs.append(host.requests() - before[1])
        figures.add("no-op deploy: connections", connections, "", goal=1, evidence="noop-connections")
        figures.add("no-op deploy: execs", execs, "", goal=1, evidence="noop-execs")
        figures.add("no-op deploy: load, render, connect, compare", seconds, "ms")
    finally:
        host.server.stop()


def bare_true(host: Pretence) -> None:
    """What the least costs: paramiko without anything of Launchpad's, against the same forced command."""
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    endpoint = host.endpoint()
    client.connect(
        endpoint.address,
        endpoint.port,
        endpoint.user,
        key_filename=str(host.key),
        allow_agent=False,
        look_for_keys=False,
    )
    stdin, stdout, _stderr = client.exec_command("true")
    stdin.write('{"verb": "hello", "body": {}}\n')
    stdin.channel.shutdown_write()
    stdout.read()
    client.close()


def _push_over(figures: Figures, workspace: Workspace, host: Pretence, far: Proxy, delay: float) -> None:
    trips, times = [], []
    with Connection(host.endpoint(far.port), identity=host.identity) as connection:
        connection.ask("hello", {})
        for number in range(RUNS):
            body = _changed(workspace, f"{delay}-{number}")
            far.settle()
            before, begun = far.round_trips, time.perf_counter()
            for line in itertools.islice(connection.exchange("submit", body), 1):
                times.append((time.perf_counter() - begun) * 1000)
                trips.append(far.round_trips - before)
                assert line["body"]["outcome"] == "done", line
    if delay:
        name = f"push and activate a changed release at {delay * 1000:.0f} ms"
        figures.add(f"{name}: round trips", trips, "", goal=3, evidence="push-round-trips")
    else:
        name = "push and activate a changed release on loopback"
    figures.add(name, times, "ms")


def _changed(workspace: Workspace, greeting: str) -> dict[str, object]:
    file = workspace.root / "inventory/tenants/tenant-1.yaml"
    text = file.read_text().partition(', "variables"')[0].removesuffix("}")
    file.write_text(f'{text}, "variables": {{"greeting": "{greeting}"}}}}')
    fleet = workspace.fleet.load()
    operation = deploy_operation(
        workspace, fleet, fleet.tenants[TenantName("tenant-1")], inventory=workspace.revision()
    )
    return {"id": "bench-0000000001", "operation": operation, "secrets": {}, "follow": True}


def _workspace(root: Path, host: Pretence, port: int) -> Workspace:
    environment = write_workspace(root, {"web-1": (port, host.server.fingerprint)})
    return open_workspace(root, environment | {"LAUNCHPAD_SSH_KEY": str(host.key)})


def _hello(host: Pretence) -> None:
    with Connection(host.endpoint(), identity=host.identity) as connection:
        connection.ask("hello", {})


def _with_cpu(work: object) -> tuple[float, float]:
    begun = time.process_time()
    wall = timed(work)  # type: ignore[arg-type]
    return wall * 1000, (time.process_time() - begun) * 1000
