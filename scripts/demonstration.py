"""scripts/demo: run the commands that an operator types, one after the other, each timed.

Runs in this machine's lab by default, or on a VPS of yours with --host root@203.0.113.7 (with domains of sslip.io and
certificates of Let's Encrypt; the VPS stays provisioned, and the workspace has its keys).
Where the lab cannot run, the demo checks and renders the example fleet instead.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from measurement import record

PROJECT = Path(__file__).resolve().parent.parent
TENANTS = ("alice", "bob")
LAB_HOST = "demo-1"


class Broken(Exception):
    """A step did not show the expected result."""


class Kept(Broken):
    """The host of an earlier `--keep` still runs."""

    def __init__(self, workspace: str) -> None:
        super().__init__(f"{LAB_HOST} still runs, left by scripts/demo --keep with the workspace {workspace}")


@dataclass
class Demo:
    """The state that the steps share, and their times."""

    workspace: Path
    host: str = ""
    address: str = ""
    fingerprint: str = ""
    domains: dict[str, str] = field(default_factory=dict)
    trusted: Path | None = None
    """The root certificate of the tenants' certificates; None for the public authorities."""
    root_key: Path | None = None
    target: str = ""
    """USER@ADDRESS of a VPS; empty for the lab's own host."""
    registry_root: Path | None = None
    """The root certificate of the registry; None for the public authorities."""
    rows: list[tuple[str, float, str]] = field(default_factory=list)

    def step(self, title: str, work: Callable[[], str]) -> None:
        """Run one step, print its result, and record its time."""
        print(f"\n── {title}", flush=True)
        begun = time.monotonic()
        detail = work()
        self.rows.append((title, time.monotonic() - begun, detail))
        print(f"   {detail} ({self.rows[-1][1]:.1f} s)", flush=True)

    def launchpad(self, *words: str, quiet: bool = False, stdin: str | None = None) -> str:
        """Run the command line as an operator does; print its output unless quiet, and return it."""
        print(f"   $ launchpad {' '.join(words)}", flush=True)
        argv = [sys.executable, "-m", "launchpad.cli", "--workspace", str(self.workspace), *words]
        environment = os.environ | {"XDG_CONFIG_HOME": str(self.workspace / ".config")}
        if self.registry_root:
            environment["SSL_CERT_FILE"] = str(self.registry_root)
        done = subprocess.run(
            argv, input=stdin or "", stdout=subprocess.PIPE, text=True, env=environment, cwd=self.workspace, check=False
        )
        if not quiet:
            print("".join(f"   {line}\n" for line in done.stdout.splitlines()), end="", flush=True)
        if done.returncode:
            raise Broken(f"launchpad {words[0]} exited with {done.returncode}")
        return done.stdout


# --- the steps --------------------------------------------------------------------------------------------------------


def make_workspace(demo: Demo) -> str:
    subprocess.run(
        [sys.executable, "-m", "launchpad.cli", "init", str(demo.workspace)],
        env=os.environ | {"XDG_CONFIG_HOME": str(demo.workspace / ".config")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    tiers = demo.workspace / "inventory/tiers.yaml"
    tiers.write_text(tiers.read_text() + "\ndemo:\n  memory: 2GiB\n  cpus: 2\n  pids: 512\n  disk: 2GiB\n")
    words = ["host", "add", demo.host, "--address", demo.address, "--memory", "6GiB", "--cpus", "2", "--disk", "6GiB"]
    demo.launchpad(*words, *(["--fingerprint", demo.fingerprint] if demo.fingerprint else []))
    for name in TENANTS:
        demo.launchpad(
            *("tenant", "add", name, "--app", "openclaw", "--tier", "demo", "--host", demo.host),
            *("--domain", demo.domains[name]),
        )
    return f"a workspace with {len(TENANTS)} tenants"


def provision(demo: Demo) -> str:
    words = ["provision", demo.host]
    if demo.root_key:
        words += ["--root-key", str(demo.root_key)]
    demo.launchpad(*words)
    return "hardened, with Docker, Caddy and a firewall"


def deploy(demo: Demo, name: str) -> str:
    demo.launchpad("deploy", name)
    return f"https://{demo.domains[name]}"


def visit(demo: Demo, name: str) -> str:
    status = https_status(demo, name, "/startupz")
    if status != 200:
        raise Broken(f"https://{demo.domains[name]}/startupz answered {status}")
    return f"/startupz {status}, WebSocket: {websocket_hello(demo, name)}"


def https_status(demo: Demo, name: str, path: str) -> int:
    with connected(demo, name) as stream:
        stream.sendall(f"GET {path} HTTP/1.1\r\nHost: {demo.domains[name]}\r\nConnection: close\r\n\r\n".encode())
        return int(stream.makefile("rb").readline().split()[1])


def websocket_hello(demo: Demo, name: str) -> str:
    """The first message of the gateway over a WebSocket through Caddy."""
    from websockets.sync.client import connect

    domain = demo.domains[name]
    with (
        connected(demo, name) as stream,
        connect(f"ws://{domain}/", sock=stream, origin=f"https://{domain}", proxy=None) as socket_,  # type: ignore[arg-type]
    ):
        message = json.loads(socket_.recv(timeout=20))
    return str(message.get("event") or message.get("type"))


def connected(demo: Demo, name: str) -> ssl.SSLSocket:
    """A verified TLS connection to the host, by the tenant's name; the certificate may take some seconds to come."""
    end = time.monotonic() + 60
    while True:
        context = ssl.create_default_context(cafile=str(demo.trusted) if demo.trusted else None)
        try:
            plain = socket.create_connection((demo.address, 443), timeout=30)
            return context.wrap_socket(plain, server_hostname=demo.domains[name])
        except OSError as error:
            if time.monotonic() > end:
                raise Broken(f"https://{demo.domains[name]}: {error}") from error
            time.sleep(0.5)


def logs(demo: Demo) -> str:
    text = demo.launchpad("logs", TENANTS[0], "--lines", "5")
    if not text.strip():
        raise Broken("no log lines")
    return f"{len(text.splitlines())} lines"


def second_run(demo: Demo) -> str:
    done = [json.loads(demo.launchpad("--json", "deploy", name, quiet=True).splitlines()[-1]) for name in TENANTS]
    demo.launchpad("provision", demo.host)
    outcomes = {str(item.get("outcome")) for item in done}
    if outcomes != {"unchanged"}:
        raise Broken(f"the second deploy was not a no-op: {outcomes}")
    return "nothing changed"


def retire(demo: Demo) -> str:
    for name in TENANTS:
        demo.launchpad("retire", name, "--purge", "--yes")
    return "both tenants gone, with their data"


# --- where it runs ----------------------------------------------------------------------------------------------------


def lab_host(demo: Demo) -> str:
    sys.path.insert(0, str(PROJECT / "scripts"))
    from labkit import Lab

    lab = Lab()
    if kept := workspace_of_kept():
        raise Kept(kept)
    if any(host.name == LAB_HOST for host in lab.hosts()):
        print(f"   {LAB_HOST} of an earlier demo is replaced", flush=True)
    host = lab.up(LAB_HOST, fresh=True)
    lab.start_services()
    demo.host, demo.address, demo.fingerprint = LAB_HOST, host.address, host.fingerprint
    demo.root_key = host.key_path
    demo.domains = {name: f"{name}.{host.domain}" for name in TENANTS}
    demo.trusted = lab.acme_root_pem()
    return f"Debian 13 at {host.address}"


def kept_file() -> Path:
    """The file beside the lab host of `--keep`, which goes with the host."""
    from labkit import Lab

    return Lab().paths.machines / LAB_HOST / "demo-workspace"


def workspace_of_kept() -> str:
    """The workspace of the demo that `--keep` left running; empty when none runs."""
    try:
        return kept_file().read_text()
    except FileNotFoundError:
        return ""


def name_images(demo: Demo) -> str:
    """The images with the digests that hosts require: asked of the registries for a VPS, known for the lab's host."""
    detail = lab_settings(demo) if demo.trusted else ""
    if demo.target:
        demo.launchpad("app", "pin")
    return detail or "openclaw and Caddy, by digest"


def lab_settings(demo: Demo) -> str:
    """The lab's registry and certificate authority instead of a public registry and Let's Encrypt. A host that is given
    with --host gets images without digests, by the registry's address, as this machine cannot resolve its name."""
    from labkit import Lab

    lab = Lab()
    images = {image.name: image for image in lab.images("caddy", "openclaw:2026.9.6")}
    references = {name: image.reference for name, image in images.items()}
    if demo.target:
        address = f"{lab.resolve('registry.lab.test')}:5000"
        parts = {name: text.partition("/")[2].partition("@")[0] for name, text in references.items()}
        references = {name: f"{address}/{parts[name]}:{image.version}" for name, image in images.items()}
        demo.registry_root = lab.ca_pem()
    shutil.copy(lab.ca_pem(), demo.workspace / "acme-root.pem")
    settings = demo.workspace / "launchpad.yaml"
    lines = [
        f"  image: {references['caddy']}",
        "  acme_ca: https://acme.lab.test:14000/dir",
        "  acme_ca_root: acme-root.pem",
    ]
    text = settings.read_text()
    settings.write_text(text.replace("caddy:\n", "caddy:\n" + "\n".join(lines) + "\n", 1))
    openclaw = images["openclaw"]
    app = demo.workspace / "inventory/apps/openclaw.yaml"
    app.write_text(f"extends: openclaw\nimages:\n  {openclaw.version}:\n    gateway: {references['openclaw']}\n")
    return f"openclaw {openclaw.version} and Caddy {images['caddy'].version}, by digest"


def remote_host(demo: Demo) -> str:
    """Connect to the VPS, and take the key that it shows; the login follows with `provision`."""
    user, _, name = demo.target.rpartition("@")
    if user not in ("", "root"):
        raise Broken(f"--host {demo.target}: a bare VPS needs the user root, as in root@203.0.113.7")
    if demo.root_key and not demo.root_key.is_file():
        raise Broken(f"--root-key {demo.root_key}: no such file")
    try:
        address = socket.gethostbyname(name) if name else ""
        fingerprint = host_key(address) if address else ""
    except (OSError, EOFError, UnicodeError, paramiko.SSHException) as error:
        raise Broken(f"--host {demo.target}: port 22 does not answer: {error}") from error
    if not fingerprint:
        raise Broken(f"--host {demo.target}: no address, as in root@203.0.113.7")
    demo.host, demo.address, demo.fingerprint = "demo-vps", address, fingerprint
    demo.domains = {name: f"{name}.{demo.address.replace('.', '-')}.sslip.io" for name in TENANTS}
    if demo.address.startswith("10.77.0."):
        lab_domains(demo)
    return f"{address} answers, with the host key {fingerprint}; names: {', '.join(demo.domains.values())}"


def host_key(address: str) -> str:
    """The fingerprint of the Ed25519 key that the SSH server at the address shows."""
    with socket.create_connection((address, 22), timeout=15) as plain, paramiko.Transport(plain) as transport:
        transport.get_security_options().key_types = ("ssh-ed25519",)
        transport.start_client(timeout=15)
        return str(transport.get_remote_server_key().fingerprint)


def lab_domains(demo: Demo) -> None:
    """A host of this machine's lab that was given with --host: no public name and authority reaches it."""
    from labkit import Lab

    lab = Lab()
    for host in lab.hosts():
        if host.address == demo.address:
            demo.domains = {name: f"{name}.{host.domain}" for name in TENANTS}
            demo.trusted = lab.acme_root_pem()


def without_a_host(why: str) -> int:
    """Check and render the example fleet, and print what was skipped."""
    print(f"The lab cannot run here: {why}")
    print("Running the part that needs no host: check and render the example fleet.\n")
    for words in (["check"], ["tenant", "list"], ["render", "alice"]):
        print(f"$ launchpad {' '.join(words)}", flush=True)
        subprocess.run([sys.executable, "-m", "launchpad.cli", "-w", str(PROJECT), *words], check=True)
    print("\nSkipped: the host, provisioning, deploying, HTTPS, logs, the second run, retiring.")
    print("On a real VPS: scripts/demo --host root@203.0.113.7")
    if os.environ.get("LAUNCHPAD_LAB") == "required":
        print("error: LAUNCHPAD_LAB=required, and the lab cannot run", file=sys.stderr)
        return 1
    return 0


def run(demo: Demo) -> None:
    if demo.target:
        demo.step("reach the VPS", lambda: remote_host(demo))
    else:
        demo.step("start a bare VPS in the lab", lambda: lab_host(demo))
    demo.step("make a workspace", lambda: make_workspace(demo))
    demo.step("name the images", lambda: name_images(demo))
    demo.step(f"provision {demo.host}", lambda: provision(demo))
    for name in TENANTS:
        demo.step(f"deploy {name}", lambda name=name: deploy(demo, name))  # type: ignore[misc]
    for name in TENANTS:
        demo.step(f"visit {name} over HTTPS", lambda name=name: visit(demo, name))  # type: ignore[misc]
    demo.step("status", lambda: demo.launchpad("status") and "healthy")
    demo.step("logs", lambda: logs(demo))
    demo.step("run every step a second time", lambda: second_run(demo))


def table(demo: Demo, whole: float) -> None:
    print("\n   step                              seconds   what")
    for title, seconds, detail in demo.rows:
        print(f"   {title:<32}  {seconds:7.1f}   {detail}")
    print(f"   {'total':<32}  {whole:7.1f}")


def look_around(demo: Demo) -> str:
    """What to type to look at what was left running."""
    command = Path(sys.executable).with_name("launchpad")
    return f"cd {demo.workspace} && XDG_CONFIG_HOME=$PWD/.config {command} status"


def take_down(demo: Demo) -> str:
    """How to remove what was left running."""
    if demo.target:
        return f"reinstall the VPS at your provider (root can no longer log in), then rm -r {demo.workspace}"
    return f"scripts/lab down {LAB_HOST} && rm -r {demo.workspace}"


def stopped(demo: Demo, error: BaseException) -> int:
    """Print why the demo ended early, and what is left; return the exit code."""
    code, why = {
        KeyboardInterrupt: (130, "interrupted"),
        BrokenPipeError: (141, "nobody reads the output any more"),
    }.get(type(error), (1, str(error)))
    print(f"\nerror: {why}", file=sys.stderr)
    if isinstance(error, Kept):
        print(f"hint: scripts/lab down {LAB_HOST}", file=sys.stderr)
        shutil.rmtree(demo.workspace)
    elif demo.address:
        print(f"left as it is: {demo.host} at {demo.address}, with the workspace {demo.workspace}", file=sys.stderr)
        print(f"hint: to look around: {look_around(demo)}", file=sys.stderr)
        print(f"hint: to take it down: {take_down(demo)}", file=sys.stderr)
    else:
        shutil.rmtree(demo.workspace)
    return code


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument("--host", default="", metavar="root@ADDRESS", help="a bare Debian 13 VPS instead of the lab")
    parser.add_argument("--root-key", type=Path, metavar="FILE", help="the SSH key that logs in to the bare VPS")
    parser.add_argument(
        "--keep", action="store_true", help="leave the host and the tenants running, and print their addresses"
    )
    options = parser.parse_args()
    if not options.host:
        doctor = subprocess.run([PROJECT / "scripts/lab", "doctor"], capture_output=True, text=True, check=False)
        if doctor.returncode:
            return without_a_host((doctor.stderr or doctor.stdout).strip())
    # the keys of a VPS are in its workspace: no folder that a reboot empties
    workspace = Path(tempfile.mkdtemp(prefix="launchpad-demo-", dir=Path.home() if options.host else None))
    demo = Demo(workspace, target=options.host, root_key=options.root_key and options.root_key.absolute())
    try:
        demonstrate(demo, keep=options.keep)
    except (Broken, subprocess.CalledProcessError, KeyboardInterrupt, BrokenPipeError) as error:
        if isinstance(error, BrokenPipeError):  # the interpreter flushes the rest at its end, and would print an error
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return stopped(demo, error)
    return 0


def demonstrate(demo: Demo, *, keep: bool) -> None:
    """Run all steps, print their times, and leave what is to be kept."""
    begun = time.monotonic()
    run(demo)
    if keep and not demo.target:
        kept_file().write_text(str(demo.workspace))
    if not keep:
        demo.step("retire both", lambda: retire(demo))
    whole = time.monotonic() - begun
    table(demo, whole)
    if not demo.target and not keep:
        from labkit import Lab

        record("demo-seconds", round(whole, 1))
        Lab().down(LAB_HOST)
        shutil.rmtree(demo.workspace)
        return
    print(f"\nLeft running: {demo.host} at {demo.address}; the workspace is {demo.workspace}")
    print(f"To look around:  {look_around(demo)}")
    print(f"To take it down: {take_down(demo)}")


if __name__ == "__main__":
    sys.exit(main())
