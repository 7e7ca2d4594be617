"""The places of an inventory that name an image, and the edit that writes another reference. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from launchpad.errors import InventoryError
from launchpad.fleet.keeping.edit import new_text, with_item
from launchpad.fleet.model.app import App
from launchpad.fleet.model.fleet import Fleet
from launchpad.fleet.reading.inventory_files import SETTINGS_FILE, schema_line
from launchpad.fleet.reading.parse import APPS, HOSTS_FILE
from launchpad.fleet.reading.tree import read_tree
from launchpad.fleet.words.names import AppName, HostName, ImageName, VersionName
from launchpad.fleet.words.references import ImageReference
from launchpad.runner.hint import Next


@dataclass(frozen=True, order=True)
class AppImage:
    """An image of one version of an app."""

    app: AppName
    version: VersionName
    name: ImageName

    def __str__(self) -> str:
        return f"{self.app} {self.version} {self.name}"

    @property
    def file(self) -> str:
        """The file that has, or would have, the image."""
        return f"{APPS}/{self.app}.yaml"


@dataclass(frozen=True, order=True)
class CaddyImage:
    """Caddy's image: of one host that names its own, or of all other hosts."""

    host: HostName | None = None

    def __str__(self) -> str:
        return f"caddy of {self.host}" if self.host else "caddy"

    @property
    def file(self) -> str:
        """The file that has, or would have, the image."""
        return HOSTS_FILE if self.host else SETTINGS_FILE


ImageUse = AppImage | CaddyImage


@dataclass(frozen=True)
class ImageChange:
    """The replacement of an image reference."""

    use: ImageUse
    before: ImageReference
    after: ImageReference


def images_of_app(app: App, version: str) -> dict[ImageUse, ImageReference | None]:
    """The images that a version needs; None for an image that the version does not name. InventoryError for an unknown
    version."""
    found = app.version(version)
    names = dict.fromkeys(service.image or ImageName(name) for name, service in app.services.items())
    return {AppImage(app.name, found.version, name): found.images.get(name) for name in names}


def images_in_use(fleet: Fleet) -> dict[ImageUse, ImageReference | None]:
    """The images that tenants and hosts of the fleet need: Caddy's first."""
    found = caddy_images(fleet)
    for app, version in sorted({(tenant.app, tenant.version) for tenant in fleet.tenants.values()}):
        found |= images_of_app(fleet.apps[app], version)
    return found


def caddy_images(fleet: Fleet) -> dict[ImageUse, ImageReference | None]:
    """The hosts' image in launchpad.yaml, and the images of single hosts."""
    shared = fleet.defaults.caddy.image
    images = {name: host.caddy.image for name, host in sorted(fleet.hosts.items())}
    found: dict[ImageUse, ImageReference | None] = {}
    if shared in images.values() or not images:
        found[CaddyImage()] = shared
    return found | {CaddyImage(name): image for name, image in images.items() if image != shared}


def image_at(fleet: Fleet, use: ImageUse) -> ImageReference | None:
    """The present reference at the place."""
    if isinstance(use, CaddyImage):
        return fleet.host(use.host).caddy.image if use.host else fleet.defaults.caddy.image
    return images_of_app(fleet.app(use.app), use.version).get(use)


def with_image(files: Mapping[str, bytes], use: ImageUse, image: ImageReference) -> bytes:
    """The new content of the file; StateError when the file's layout does not allow the edit."""
    before = files.get(use.file)
    if isinstance(use, CaddyImage):
        path: tuple[str | int, ...] = ("caddy", "image")
        return with_item(use.file, before or b"", path=(use.host, *path) if use.host else path, value=image)
    if before is None:  # Launchpad ships the app
        record = {"extends": use.app, "images": {use.version: {use.name: image}}}
        return new_text(record, header=schema_line("app"))
    return with_item(use.file, before, path=_path(before, use), value=image)


def _path(content: bytes, use: AppImage) -> tuple[str | int, ...]:
    """Where in its app's file the image stands; for one that stands in the base alone, where it overrides that."""
    tree = read_tree(use.file, content)
    overriding: tuple[str | int, ...] = ("images", use.version, use.name)
    versions = tree.get("versions")
    images = tree.get("images")
    if images is not None and use.version in images.entries():
        return overriding
    for index, item in enumerate(versions.items() if versions else ()):
        named = item.get("version")
        if named is not None and str(named.value) == use.version:
            return ("versions", index, "images", use.name)
    if tree.get("extends") is None:
        raise InventoryError(
            f"{use.file} has no version {use.version}", code="no-such-version-to-edit", hint=Next("app show", use.app)
        )
    return overriding
