"""OCI images without a container engine: folders become layers, layers and a configuration become an image.

The same input gives the same digest: names are sorted, times are fixed, and nothing of the builder gets in.
"""

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from labkit.paths import read_json, write_json
from labkit.shell import run

_MOMENT = 1767225600  # 2026-01-01
_CREATED = "2026-01-01T00:00:00Z"
_LEVEL = 5


@dataclass(frozen=True)
class LayerRecipe:
    """How to fill one layer's folder; the same `key` means the same content, and is never built twice."""

    key: str
    fill: Callable[[Path], None]


@dataclass(frozen=True)
class ImageRecipe:
    """One image of one version: its layers, lowest first, and what a container of it does by default."""

    name: str
    version: str
    layers: tuple[LayerRecipe, ...]
    config: Mapping[str, Any]

    def key(self) -> str:
        """A digest of everything that decides the image's content."""
        parts = [self.name, self.version, [layer.key for layer in self.layers], self.config]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Layer:
    """A built layer: the compressed file, and the digests that a manifest and a configuration name it by."""

    file: Path
    digest: str
    size: int
    diff_id: str


def build_layer(recipe: LayerRecipe, cache: Path) -> Layer:
    """The layer of this recipe, from the cache or built now."""
    folder = cache / hashlib.sha256(recipe.key.encode()).hexdigest()[:16]
    facts = read_json(folder / "layer.json")
    if not facts:
        partial = folder.with_name(f"{folder.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        (partial / "root").mkdir(parents=True)
        recipe.fill(partial / "root")
        facts = _pack(partial / "root", partial / "layer.tar.gz")
        for rest in [path for path in partial.iterdir() if path.is_dir()]:
            shutil.rmtree(rest)
        write_json(partial / "layer.json", facts)
        shutil.rmtree(folder, ignore_errors=True)
        partial.rename(folder)
    return Layer(folder / "layer.tar.gz", facts["digest"], facts["size"], facts["diff_id"])


def unpack(layer: Layer, root: Path) -> None:
    """Put a layer's files into `root`, owners and modes as they are."""
    run(["tar", "--extract", "--gzip", "--numeric-owner", f"--file={layer.file}", f"--directory={root}"])


def write_layout(recipe: ImageRecipe, layers: list[Layer], folder: Path) -> str:
    """Write the image as an OCI layout into the empty `folder`; returns its manifest's digest."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    for layer in layers:
        os.link(layer.file, blobs / layer.digest)
    config = {
        "architecture": "amd64",
        "os": "linux",
        "created": _CREATED,
        "config": dict(recipe.config),
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer.diff_id}" for layer in layers]},
        "history": [{"created": _CREATED, "created_by": "launchpad lab"} for _ in layers],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": _blob(blobs, config, "application/vnd.oci.image.config.v1+json"),
        "layers": [_layer_entry(layer) for layer in layers],
    }
    entry = _blob(blobs, manifest, "application/vnd.oci.image.manifest.v1+json")
    index = {"schemaVersion": 2, "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(index))
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}')
    return str(entry["digest"])


def _layer_entry(layer: Layer) -> dict[str, Any]:
    media_type = "application/vnd.oci.image.layer.v1.tar+gzip"
    return {"mediaType": media_type, "digest": f"sha256:{layer.digest}", "size": layer.size}


def _blob(blobs: Path, value: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    content = json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}


class _Digesting(io.RawIOBase):
    """Passes what is written on to a file, and keeps its digest and size."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.digest = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        self.size += len(data)
        return self._file.write(data)


def _pack(root: Path, target: Path) -> dict[str, Any]:
    with target.open("wb") as file:
        packed = _Digesting(file)
        with gzip.GzipFile("", "wb", _LEVEL, cast(IO[bytes], packed), mtime=0) as compressed:
            plain = _Digesting(cast(IO[bytes], compressed))
            with tarfile.open(fileobj=cast(IO[bytes], plain), mode="w|", format=tarfile.PAX_FORMAT) as archive:
                for path in _walk(root):
                    _add(archive, root, path)
    return {"digest": packed.digest.hexdigest(), "size": packed.size, "diff_id": plain.digest.hexdigest()}


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)


def _add(archive: tarfile.TarFile, root: Path, path: Path) -> None:
    entry = archive.gettarinfo(path, arcname=str(path.relative_to(root)))
    if entry is None:
        return  # a socket: nothing that an image could hold
    entry.mtime = _MOMENT
    entry.uname = entry.gname = ""
    if entry.isreg():
        with path.open("rb") as content:
            archive.addfile(entry, content)
    else:
        archive.addfile(entry)
