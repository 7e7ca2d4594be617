"""pin: ask the registries for images' digests, and write the digests into the inventory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from launchpad.errors import InventoryError, LaunchpadError
from launchpad.fleet.keeping.image_places import (
    AppImage,
    ImageChange,
    ImageUse,
    caddy_images,
    images_in_use,
    images_of_app,
)
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.words.references import ImageReference
from launchpad.operations.requests.render import rendered_with_all
from launchpad.operations.versions.registry import Registries
from launchpad.runner.judge.volumes import uncovered
from launchpad.workspace import Workspace

Ask = Callable[[ImageReference], str]
"""The present digest of a tag; ServiceError when its registry does not answer."""
Declared = Callable[[ImageReference], tuple[str, ...]]
"""The volumes that an image declares; empty when its registry does not answer."""


@dataclass(frozen=True, kw_only=True)
class WhatToPin:
    """The images to pin: without apps and without Caddy, every image that tenants and hosts need."""

    apps: tuple[str, ...] = ()
    """`APP` for all of its versions, or `APP:VERSION`."""
    caddy: bool = False
    update: bool = False
    """Also pin images that have a digest already."""


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """The written, the unchanged and the failed images."""

    changed: tuple[ImageChange, ...] = ()
    unchanged: tuple[ImageUse, ...] = ()
    left: Mapping[ImageUse, LaunchpadError] = field(default_factory=dict)
    """Images with an example registry, which were not named on the command line."""
    failures: Mapping[ImageUse, LaunchpadError] = field(default_factory=dict)
    bare: Mapping[ImageUse, tuple[str, ...]] = field(default_factory=dict)
    """Declared volumes at which the app mounts nothing: hosts reject the image."""

    def as_json(self) -> dict[str, Any]:
        return {
            "changed": [_as_json(change) for change in self.changed],
            "unchanged": [str(use) for use in self.unchanged],
            "left": {str(use): error.as_dict() for use, error in self.left.items()},
            "failures": {str(use): error.as_dict() for use, error in self.failures.items()},
            "bare": {str(use): list(paths) for use, paths in self.bare.items()},
        }


def pin(
    workspace: Workspace, what: WhatToPin | None = None, *, ask: Ask | None = None, volumes: Declared | None = None
) -> Pinned:
    """Write the present digests of the images' tags, all in one change. An image whose registry does not answer is a
    failure; the others are written all the same. StateError when the inventory was changed meanwhile.

    An existing digest stays unless `update` is given, so that images change only when an operator wants it.
    """
    what = what or WhatToPin()
    if ask is None:
        registries = Registries()
        ask, volumes = registries.digest, registries.volumes
    named = bool(what.apps) or what.caddy
    digests: dict[ImageReference, str | LaunchpadError] = {}
    changed: list[ImageChange] = []
    unchanged: list[ImageUse] = []
    left: dict[ImageUse, LaunchpadError] = {}
    failures: dict[ImageUse, LaunchpadError] = {}
    for use, image in _wanted(workspace.fleet.load(), what).items():
        if image is not None and image.pinned and not what.update:
            unchanged.append(use)
            continue
        problem = _problem(use, image)
        if problem is not None:
            example = image is not None and image.is_example
            (left if example and not named else failures)[use] = problem
            continue
        assert image is not None
        digest = digests[image] if image in digests else digests.setdefault(image, _asked(ask, image))
        if isinstance(digest, LaunchpadError):
            failures[use] = digest
        elif image.digest == digest:
            unchanged.append(use)
        else:
            changed.append(ImageChange(use, image, image.with_digest(digest)))
    if changed:
        workspace.fleet.set_images(changed)
    bare = dict(_bare(workspace, changed, volumes)) if volumes else {}
    return Pinned(changed=tuple(changed), unchanged=tuple(unchanged), left=left, failures=failures, bare=bare)


def _bare(
    workspace: Workspace, changed: Sequence[ImageChange], volumes: Declared
) -> Iterator[tuple[ImageUse, tuple[str, ...]]]:
    """The pinned images that declare volumes at which a tenant's release mounts nothing."""
    fleet = workspace.fleet.load()
    for change in changed:
        use = change.use
        tenants = [tenant for tenant in fleet.tenants.values() if isinstance(use, AppImage) and tenant.app == use.app]
        declared = volumes(change.after) if tenants else ()
        for tenant in tenants if declared else ():
            try:
                made = rendered_with_all(workspace, fleet, tenant)
            except LaunchpadError:
                continue  # `launchpad check` reports what is missing
            services = json.loads(made.files["compose.yaml"])["services"]
            mine = [services[service.name] for service in made.release.services if service.image == str(change.after)]
            if left := {path for service in mine for path in uncovered(service, declared)}:
                yield use, tuple(sorted(left))
                break


def _wanted(fleet: Fleet, what: WhatToPin) -> dict[ImageUse, ImageReference | None]:
    if not what.apps and not what.caddy:
        return images_in_use(fleet)
    found = caddy_images(fleet) if what.caddy else {}
    for text in what.apps:
        name, colon, version = text.partition(":")
        app = fleet.app(name)
        for each in [version] if colon else [item.version for item in app.versions]:
            found |= images_of_app(app, each)
    return found


def _problem(use: ImageUse, image: ImageReference | None) -> LaunchpadError | None:
    """Why no registry can be asked for the image; None when one can."""
    if image is None:
        assert isinstance(use, AppImage)
        example = f"{use.name}: registry/repository:tag"
        return InventoryError(
            f"{use}: the inventory names no image",
            code="inventory-names-no-image",
            hint=f"write the image into {use.file}: {example}",
        )
    if image.is_example:
        return InventoryError(
            f"{use}: {image.registry} is an example name; your own registry must replace it",
            code="example-name",
            hint=f"write your registry into {use.file}",
        )
    if not image.tag:
        return InventoryError(
            f"{use}: {image} has no tag", code="image-without-tag", hint=f"write {image}:TAG into {use.file}"
        )
    return None


def _asked(ask: Ask, image: ImageReference) -> str | LaunchpadError:
    try:
        return ask(image)
    except LaunchpadError as error:
        return error


def _as_json(change: ImageChange) -> dict[str, str]:
    before, after = str(change.before), str(change.after)
    return {"image": str(change.use), "file": change.use.file, "before": before, "after": after}
