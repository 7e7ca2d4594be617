"""The light app of the tests: two services and a volume in 25 MB, and a version for each way to go wrong."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

from labkit import base
from labkit.images.oci import ImageRecipe, LayerRecipe
from labkit.paths import write_text

VERSIONS = (
    *("1.0.0", "1.1.0", "1.2.0", "1.3.0", "1.4.0", "1.5.0", "1.6.0", "1.7.0"),
    *("2.0.0", "2.1.0"),
    *("3.0.0", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.5.0", "3.6.0", "3.7.0", "3.8.0"),
)
_DECLARES = {"1.6.0": ["/cache", "/data"], "1.7.0": ["/data"]}
"""The volumes that some versions' images declare; only /data is mounted."""
_RECIPE = "beacon 1"
_PACKAGES = "base-files,busybox,dash,libpython3-stdlib,python3-minimal"
_APPLETS = ("cat", "chmod", "cp", "env", "id", "ls", "mkdir", "mv", "rm", "sleep", "stat", "touch", "true", "wget")
_SOURCE = Path(__file__).resolve().parent.parent / "beacon" / "beacon.py"


def recipe(version: str) -> ImageRecipe:
    """The image recipe of this version; versions share all but a layer of a few kilobytes."""
    source = _SOURCE.read_text()
    digest = hashlib.sha256(source.encode()).hexdigest()
    debian = LayerRecipe(f"{_RECIPE} debian {_PACKAGES} {_APPLETS}", _fill_debian)
    program = LayerRecipe(f"{_RECIPE} program {digest} {version}", lambda root: _fill_program(root, source, version))
    config: dict[str, Any] = {
        "Cmd": ["beacon", "web"],
        "Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "LANG=C.UTF-8", "PYTHONUNBUFFERED=1"],
        "ExposedPorts": {"8080/tcp": {}, "8081/tcp": {}},
        "User": "65534:65534",
        "WorkingDir": "/",
    }
    if version in _DECLARES:
        config["Volumes"] = {path: {} for path in _DECLARES[version]}
    return ImageRecipe("beacon", version, (debian, program), config)


def _fill_debian(root: Path) -> None:
    base.build_rootfs(root, _PACKAGES, variant="extract")
    for applet in _APPLETS:
        path = root / "usr/bin" / applet
        if not path.exists():
            path.symlink_to("busybox")
    for folder in ("doc", "info", "lintian", "locale", "man", "perl5", "debconf", "bash-completion"):
        shutil.rmtree(root / "usr/share" / folder, ignore_errors=True)
    # The build's own traces, which would differ from one run to the next.
    for folder in ("var/cache", "var/lib", "var/log", "etc/apt"):
        shutil.rmtree(root / folder, ignore_errors=True)
    write_text(root / "etc/passwd", "root:x:0:0:root:/:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n")
    write_text(root / "etc/group", "root:x:0:\nnogroup:x:65534:\n")
    (root / "data").mkdir()


def _fill_program(root: Path, source: str, version: str) -> None:
    write_text(root / "usr/local/bin/beacon", source, mode=0o755)
    write_text(root / "usr/local/share/beacon/version", f"{version}\n")
