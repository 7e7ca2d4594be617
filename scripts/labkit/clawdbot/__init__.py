"""The app's past: the last Clawdbot, from npm, in a root of its own. It makes states to import, and is never hosted."""

import hashlib
import json
import shutil
from pathlib import Path

from labkit.images import openclaw
from labkit.images.oci import Layer, LayerRecipe, build_layer, unpack
from labkit.paths import Paths
from labkit.shell import progress, run

VERSION = "2026.1.24-3"
# What it asked for at its time is gone from the registry, or has changed since.
_OVERRIDES = {"libsignal": "6.0.0", "linkedom": "0.18.12"}
_RECIPE = f"clawdbot 1 {VERSION} {_OVERRIDES}"
_FOLDER = Path("opt/clawdbot")
_LIFE = Path(__file__).resolve().parent
_UID = 1001


def layers(paths: Paths) -> tuple[LayerRecipe, ...]:
    """Debian and Node as OpenClaw's images have them, and Clawdbot on top."""
    below = openclaw.recipe(paths, openclaw.VERSIONS[0]).layers[:2]
    cache = paths.cache / "layers"
    return (*below, LayerRecipe(f"{_RECIPE} on {below[1].key}", lambda root: _fill(root, below, cache)))


def install(paths: Paths, root: Path) -> None:
    """Put Node and Clawdbot into a root that has a Debian already: a host's."""
    for layer in _built(paths)[1:]:
        unpack(layer, root)


def state(paths: Paths) -> Path:
    """The home of a user of Clawdbot's, packed as its owner would: `tar -czf … -C ~ .clawdbot clawd`. Lived through
    once, in two minutes, and kept."""
    life = [(_LIFE / name).read_text() for name in ("live.sh", "provider.mjs")]
    key = hashlib.sha256(json.dumps([_RECIPE, *life]).encode()).hexdigest()[:12]
    kept = paths.cache / "clawdbot" / f"state-{key}.tar.gz"
    with paths.lock("clawdbot"):
        if not kept.exists():
            kept.parent.mkdir(exist_ok=True)
            _live(paths, kept)
    return kept


def _built(paths: Paths) -> list[Layer]:
    with paths.lock("images"):
        return [build_layer(layer, paths.cache / "layers") for layer in layers(paths)]


def _live(paths: Paths, kept: Path) -> None:
    root = kept.parent / "root.partial"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    for layer in _built(paths):
        unpack(layer, root)
    progress(f"living with clawdbot {VERSION} (about two minutes, once)")
    run(["chroot", str(root), "useradd", f"--uid={_UID}", "--create-home", "--shell=/bin/bash", "bob"])
    run(
        [
            *("systemd-nspawn", "-q", f"--directory={root}", "--register=no", "--keep-unit", "--as-pid2", "--pipe"),
            *("--private-network", "--resolv-conf=off", "--timezone=off", f"--bind-ro={_LIFE}:/life", "--user=bob"),
            *("/bin/sh", "/life/live.sh"),
        ],
        timeout=900,
        env=openclaw.NSPAWN,
    )
    partial = kept.with_name(f"{kept.name}.partial")
    run(["tar", "-czf", str(partial), "-C", str(root / "home/bob"), ".clawdbot", "clawd"])
    partial.replace(kept)
    shutil.rmtree(root)


def _fill(root: Path, below: tuple[LayerRecipe, ...], cache: Path) -> None:
    progress(f"installing clawdbot {VERSION} from npm (some minutes, once)")
    work = root.parent / "work"
    work.mkdir()
    for layer in below:
        unpack(build_layer(layer, cache), work)
    (work / _FOLDER).mkdir()
    package = {"private": True, "dependencies": {"clawdbot": VERSION}, "overrides": _OVERRIDES}
    (work / _FOLDER / "package.json").write_text(json.dumps(package))
    run(
        [
            *openclaw.inside(work, f"--chdir=/{_FOLDER}"),
            *("npm", "install", "--no-audit", "--no-fund", "--omit=dev"),
        ],
        timeout=1800,
        env=openclaw.NSPAWN,
    )
    (root / _FOLDER).parent.mkdir()
    shutil.move(work / _FOLDER, root / _FOLDER)
    (root / "usr/local/bin").mkdir(parents=True)
    (root / "usr/local/bin/clawdbot").symlink_to(f"/{_FOLDER}/node_modules/.bin/clawdbot")
    shutil.rmtree(work)
