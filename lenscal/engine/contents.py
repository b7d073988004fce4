"""What a stage wrote, as hashes: of versions (quick), of contents, and of what no block fills."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lenscal.engine.addresses import short
from lenscal.engine.markers import Progress
from lenscal.engine.stage import Stage
from lenscal.io import folders, stores


def versions_of(progress: Progress) -> str:
    """Hash of the versions of all files a stage wrote."""
    return versions_below(progress.products)


def versions_below(products: Iterable[Path]) -> str:
    """Hash of the versions of all files of some products, wherever they lie."""
    return short({product.name: folders.inventory(product) for product in products})


def sizes_below(products: Iterable[Path]) -> str:
    """Hash of names and sizes of all files of some products, which a copy does not change."""
    return short(
        {
            product.name: {name: version.split(" ")[0] for name, version in folders.inventory(product).items()}
            for product in products
        }
    )


def contents_of(progress: Progress, known: Mapping[str, str] | None = None) -> str:
    """Hash of the content of all files a stage wrote; those `known` (by product and place in it) are not read again."""
    return contents_below(progress.products, known)


def contents_below(products: Iterable[Path], known: Mapping[str, str] | None = None) -> str:
    """As `contents_of`, of products wherever they lie."""
    known, whole = known or {}, {}
    for product in products:
        names = {name: f"{product.name}/{name}" for name in folders.inventory(product)}
        fresh = folders.contents(product, [name for name, place in names.items() if place not in known])
        whole[product.name] = {name: fresh.get(name) or known[place] for name, place in names.items()}
    return short(whole)


def rest_of(run: Any, stage: Stage, progress: Progress) -> str:
    """Hash of the content of all files of a stage of blocks that no block fills: axes, thresholds, tables, metadata."""
    parts = [part for block in stage.blocks(run) if (part := stage.part(run, block)) is not None]
    filled = {
        f"{part.path.name}/{name}"
        for part in parts
        for name in stores.files(part.path, part.declaration, part.region, part.group)
    }
    names = {
        product: [name for name in folders.inventory(product) if f"{product.name}/{name}" not in filled]
        for product in progress.products
    }
    return short({product.name: folders.contents(product, files) for product, files in names.items()})
