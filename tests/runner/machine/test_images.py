"""What a registry says of an image, as Docker's own program tells it."""

from __future__ import annotations

from typing import Any

from launchpad.runner.host import Announced
from launchpad.runner.machine.images import _announced


def part(architecture: str, *sizes: int, key: str = "OCIManifest") -> dict[str, Any]:
    platform = {"platform": {"architecture": architecture}} if architecture else {}
    return {"Descriptor": {"size": 7} | platform, key: {"layers": [{"size": size} for size in sizes]}}


def test_of_an_image_for_several_machines_the_own_part_counts() -> None:
    said = [part("amd64", 10, 20), part("arm64", 1), part("unknown", 5)]
    assert _announced(said, "x86_64") == Announced(size=30, architectures=("amd64", "arm64"), fits=True)
    assert _announced(said, "aarch64").size == 1


def test_an_image_for_others_alone_does_not_fit() -> None:
    assert _announced([part("arm64", 1)], "x86_64") == Announced(size=0, architectures=("arm64",), fits=False)


def test_an_image_that_does_not_say_fits() -> None:
    said = _announced([part("", 10, key="SchemaV2Manifest")], "x86_64")
    assert (said.size, said.fits) == (10, True)
