"""pin: images by digest, asked of their registries and written into the inventory."""

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
"""The digest that a tag has now; ServiceError when its registry does not tell."""
Declared = Callable[[ImageReference], tuple[str, ...]]
"""The volumes that an image declares; none when its registry does not tell."""


@dataclass(frozen=True, kw_only=True)
class WhatToPin:
    """Which images: with neither apps nor Caddy all that tenants and hosts need."""

    apps: tuple[str, ...] = ()
    """`APP` for all of its versions, or `APP:VERSION`."""
    caddy: bool = False
    update: bool = False
    """Ask again also for those that have a digest."""


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """What was written, what had been right before, and what was not pinned and why."""

    changed: tuple[ImageChange, ...] = ()
    unchanged: tuple[ImageUse, ...] = ()
    left: Mapping[ImageUse, LaunchpadError] = field(default_factory=dict)
    """Not asked for by name, and with a registry that only stands for another."""
    failures: Mapping[ImageUse, LaunchpadError] = field(default_factory=dict)
    bare: Mapping[ImageUse, tuple[str, ...]] = field(default_factory=dict)
    """Volumes that an image declares, and at which nothing is mounted: hosts refuse it."""

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
    """Write the digests that the images' tags have now, all at once. What one registry does not tell is among the
    failures, and the rest is written all the same. StateError when the inventory was changed meanwhile.

    A digest that is there stays, unless `update` says otherwise: what runs may change only when a person wants it."""
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
    """Of the images that were pinned, those which declare volumes at which the release of a tenant mounts nothing."""
    fleet = workspace.fleet.load()
    for change in changed:
        use = change.use
        tenants = [tenant for tenant in fleet.tenants.values() if isinstance(use, AppImage) and tenant.app == use.app]
        declared = volumes(change.after) if tenants else ()
        for tenant in tenants if declared else ():
            try:
                made = rendered_with_all(workspace, fleet, tenant)
            except LaunchpadError:
                continue  # `check` says what it lacks
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
    """Why no registry can be asked; None when one can."""
    if image is None:
        assert isinstance(use, AppImage)
        example = f"{use.name}: registry/repository:tag"
        return InventoryError(f"{use}: no image is named", hint=f"write it into {use.file}: {example}")
    if image.is_example:
        return InventoryError(
            f"{use}: {image.registry} only stands for your own registry", hint=f"write yours into {use.file}"
        )
    if not image.tag:
        return InventoryError(f"{use}: {image} has no tag to ask for", hint=f"write {image}:TAG into {use.file}")
    return None


def _asked(ask: Ask, image: ImageReference) -> str | LaunchpadError:
    try:
        return ask(image)
    except LaunchpadError as error:
        return error


def _as_json(change: ImageChange) -> dict[str, str]:
    before, after = str(change.before), str(change.after)
    return {"image": str(change.use), "file": change.use.file, "before": before, "after": after}
