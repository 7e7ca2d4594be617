"""The app images of the lab: built here, because no image registry is needed, and pushed to the lab's own."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from labkit import authority, services
from labkit.errors import LabError
from labkit.images import beacon, caddy, openclaw
from labkit.images.oci import ImageRecipe, build_layer, write_layout
from labkit.network import GATEWAY
from labkit.paths import Paths, read_json, write_json
from labkit.shell import progress, run


@dataclass(frozen=True)
class Image:
    """An image in the lab's registry; `reference` is what a Compose file names."""

    name: str
    version: str
    digest: str

    @property
    def repository(self) -> str:
        """Registry and repository, without tag or digest."""
        return f"{services.REGISTRY}/launchpad/{self.name}"

    @property
    def reference(self) -> str:
        """The image by its digest."""
        return f"{self.repository}@{self.digest}"

    def record(self) -> dict[str, str]:
        """All facts, for JSON."""
        return {**asdict(self), "repository": self.repository, "reference": self.reference}


def recipes(paths: Paths, words: Sequence[str] = ()) -> list[ImageRecipe]:
    """The recipes that `words` ask for: `beacon` is all its versions, `openclaw:2026.9.5` is one; none is the usual."""
    chosen: list[ImageRecipe] = []
    for word in words or ("caddy", "beacon", f"openclaw:{openclaw.VERSIONS[0]}"):
        app, _, version = word.partition(":")
        match app:
            case "caddy":
                chosen.append(caddy.recipe(paths, version or caddy.VERSION))
            case "beacon":
                chosen += [beacon.recipe(one) for one in beacon.VERSIONS if version in ("", one)]
            case "openclaw":
                chosen.append(openclaw.recipe(paths, version or openclaw.VERSIONS[0]))
            case _:
                raise LabError(f"there is no app {word!r}", hint="try caddy, beacon or openclaw:2026.9.6", exit_code=2)
    return chosen


def provide(paths: Paths, words: Sequence[str] = ()) -> list[Image]:
    """Have these images in the registry, and return them; what stands there from the same recipe is not built again."""
    with paths.lock("images"):
        return [_provide(paths, recipe) for recipe in recipes(paths, words)]


def _provide(paths: Paths, recipe: ImageRecipe) -> Image:
    ledger = paths.cache / "images.json"
    tag = f"{recipe.name}:{recipe.version}"
    known = read_json(ledger).get(tag, {})
    if known.get("recipe") == recipe.key() and _pushed(paths, recipe.name, known["digest"]):
        return Image(recipe.name, recipe.version, known["digest"])
    progress(f"building {tag}")
    layers = [build_layer(layer, paths.cache / "layers") for layer in recipe.layers]
    layout = paths.cache / "layout.partial"
    shutil.rmtree(layout, ignore_errors=True)
    digest = write_layout(recipe, layers, layout)
    target = f"docker://{GATEWAY}:5000/launchpad/{tag}"
    trust = authority.root_certificate(paths).parent / "trust"
    trust.mkdir(exist_ok=True)
    shutil.copyfile(authority.root_certificate(paths), trust / "root.crt")
    run(["skopeo", "--insecure-policy", "copy", "-q", f"--dest-cert-dir={trust}", f"oci:{layout}", target])
    shutil.rmtree(layout)
    write_json(ledger, {**read_json(ledger), tag: {"recipe": recipe.key(), "digest": digest}})
    return Image(recipe.name, recipe.version, digest)


def _pushed(paths: Paths, name: str, digest: str) -> bool:
    manifests = paths.cache / "registry/docker/registry/v2/repositories/launchpad" / name / "_manifests/revisions"
    return (manifests / digest.replace(":", "/") / "link").exists()
