"""The bare host's file system: what a VPS provider's Debian 13 image holds, and nothing of Launchpad."""

import hashlib
import json
import os
import shutil
from pathlib import Path

from labkit import authority, outer
from labkit.network import DOMAIN, GATEWAY
from labkit.paths import Paths, write_text
from labkit.services import MIRROR
from labkit.shell import progress, run

# Raise it when the functions below put something else into the image: it is part of the cache key.
_RECIPE = 1
_PACKAGES = (
    "ca-certificates,curl,dbus,iproute2,iputils-ping,less,libpam-systemd,netbase,nftables,openssh-server,"
    "procps,python3,sudo,systemd,systemd-sysv,udev"
)
# A lab's host is thrown away: no fsync for every unpacked file, no manual pages, no translations.
_DPKG = ("force-unsafe-io", "path-exclude=/usr/share/man/*", "path-exclude=/usr/share/locale/*")
_APT = ('Acquire::Languages "none"',)
# The mirror keeps packages already, next door.
_APT_LATER = 'APT::Keep-Downloaded-Packages "false";\n'
_SOURCES = f"""Types: deb
URIs: http://{MIRROR}/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://{MIRROR}/debian-security
Suites: trixie-security
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
"""
# What a container lacks to look like a machine of its own. The v1 controllers come read-only, and Docker must make
# groups in them. And /sys/block lists every loop device of this machine: `mount -o loop` would take a neighbour's
# device for its own when both keep a volume in a file of the same name.
_MACHINE_SCRIPT = """#!/bin/sh
for group in /sys/fs/cgroup/*; do
    mount -o remount,bind,rw "$group"
done
block=/run/lab-block
mkdir -p "$block"
for link in /sys/block/*; do
    case "$link" in */loop*) ;; *) cp -P "$link" "$block/" ;; esac
done
for node in /dev/loop[0-9]*; do
    number=$(mountpoint -x "$node") || continue
    device=$(readlink -f "/sys/dev/block/$number")
    ln -s "../devices/virtual/block/${device##*/}" "$block/${node##*/}"
done
mount --bind "$block" /sys/block
exit 0
"""
_MACHINE_UNIT = """[Unit]
Description=Lab: look like a machine of its own
DefaultDependencies=no
Before=sysinit.target local-fs-pre.target
Wants=local-fs-pre.target

[Service]
Type=oneshot
RemainAfterExit=yes
StandardError=null
ExecStart=/usr/lib/lab/machine

[Install]
WantedBy=sysinit.target
"""


def bare_root(paths: Paths) -> Path:
    """The folder with the bare host's root file system; built when its recipe is new."""
    certificate = authority.root_certificate(paths)
    recipe = [
        _RECIPE,
        _PACKAGES,
        _DPKG,
        _APT,
        _APT_LATER,
        _SOURCES,
        _MACHINE_SCRIPT,
        _MACHINE_UNIT,
        certificate.read_text(),
    ]
    key = hashlib.sha256(json.dumps(recipe).encode()).hexdigest()[:12]
    root = paths.cache / "bases" / key / "root"
    with paths.lock("base"):
        if not root.exists():
            progress("building the bare Debian 13 host (about half a minute, once)")
            partial = root.parent.with_suffix(".partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)
            build_rootfs(partial / "root", _PACKAGES, variant="apt")
            _furnish(partial / "root", certificate)
            partial.rename(root.parent)
            for old in [folder for folder in root.parent.parent.iterdir() if folder != root.parent]:
                shutil.rmtree(old)
    return root


def build_rootfs(root: Path, packages: str, *, variant: str) -> None:
    """Fill `root` with a Debian 13 of these packages, its downloads kept by the lab's mirror."""
    options = [f"--dpkgopt={option}" for option in _DPKG] + [f"--aptopt={option}" for option in _APT]
    sources = [f"deb http://{GATEWAY}/{archive} {suite} main" for archive, suite in _suites()]
    run(
        [
            *("mmdebstrap", f"--variant={variant}", "--mode=root", "--quiet", f"--include={packages}", *options),
            *("--keyring=/usr/share/keyrings/debian-archive-keyring.gpg", "--skip=output/dev"),
            *("trixie", str(root), *sources),
        ],
        timeout=1200,
        env={"DEBIAN_FRONTEND": "noninteractive"},
    )


def _suites() -> list[tuple[str, str]]:
    archives = outer.debian_archives()
    suites = [("debian", "trixie"), ("debian", "trixie-updates"), ("debian-security", "trixie-security")]
    return [(archive, suite) for archive, suite in suites if archive in archives]


def _furnish(root: Path, certificate: Path) -> None:
    write_text(root / "etc/apt/sources.list.d/debian.sources", _SOURCES)
    write_text(root / "etc/apt/apt.conf.d/90lab", _APT_LATER)
    (root / "etc/apt/sources.list").unlink(missing_ok=True)
    shutil.copy(certificate, root / "usr/local/share/ca-certificates/launchpad-lab.crt")
    run(["chroot", str(root), "update-ca-certificates"])
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    write_text(root / "usr/lib/lab/machine", _MACHINE_SCRIPT, mode=0o755)
    write_text(root / "etc/systemd/system/lab-machine.service", _MACHINE_UNIT)
    units = ["lab-machine.service", "systemd-networkd.service"]
    run(["systemctl", f"--root={root}", "enable", "--quiet", *units])
    run(["systemctl", f"--root={root}", "mask", "--quiet", "systemd-networkd-wait-online.service"])
    write_text(root / "etc/resolv.conf", f"nameserver {GATEWAY}\noptions timeout:1 attempts:5\n")
    shutil.rmtree(root / "var/lib/apt/lists")
    (root / "var/lib/apt/lists/partial").mkdir(parents=True)
    (root / "root/.ssh").mkdir(mode=0o700, exist_ok=True)
    os.truncate(root / "etc/machine-id", 0) if (root / "etc/machine-id").exists() else None


def personalise(root: Path, *, name: str, address: str, machine_id: str) -> None:
    """Make a copied root a host of its own: its name, its address and its machine id."""
    write_text(root / "etc/hostname", f"{name}\n")
    write_text(root / "etc/hosts", f"127.0.0.1 localhost\n::1 localhost\n127.0.1.1 {name}.{DOMAIN} {name}\n")
    write_text(root / "etc/machine-id", f"{machine_id}\n", mode=0o444)
    network = f"[Match]\nName=host0\n\n[Network]\nAddress={address}/24\nGateway={GATEWAY}\nDNS={GATEWAY}\n"
    # The file's name sorts before systemd's own 80-container-host0.network, which would ask for DHCP.
    write_text(root / "etc/systemd/network/10-host0.network", network + "LinkLocalAddressing=no\nIPv6AcceptRA=no\n")


def let_root_in(root: Path, public_key: str) -> None:
    """Do what a provider does for a new server: root's authorized key, and host keys of its own."""
    write_text(root / "root/.ssh/authorized_keys", public_key, mode=0o600)
    # No RSA key, which sshd can do without: to find its primes takes longer than to boot.
    for kind in ("ed25519", "ecdsa"):
        _make_host_key(root / f"etc/ssh/ssh_host_{kind}_key", kind)


def renew_host_keys(root: Path) -> None:
    """Replace each SSH host key that there is by a new one of its kind; a kind that was removed stays removed."""
    for key in (root / "etc/ssh").glob("ssh_host_*_key"):
        kind = key.name.removeprefix("ssh_host_").removesuffix("_key")
        key.unlink()
        _make_host_key(key, kind)


def _make_host_key(path: Path, kind: str) -> None:
    run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "root@lab", "-f", str(path)])
