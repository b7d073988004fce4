"""Blocks of a store: written whole, the files that hold each, and its digest."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import xarray as xr

from lenscal.io import folders
from lenscal.io.folders import StoreError
from lenscal.schema import Declaration

from .datasets import _target
from .digesting import digest


def write_block(
    path: Path,
    declaration: Declaration,
    dataset: xr.Dataset,
    region: Mapping[str, slice],
    *,
    group: str | None = None,
    block: int | None = None,
) -> int:
    """Write one whole block of a store and return its digest.

    Raises
    ------
    StoreError
        When the region is not a whole number of shards (two writers in one shard lose data without a word).
    """
    dataset = declaration.check(declaration.describe(dataset))
    if block is not None:
        part = region[declaration.block[0]]
        length = _length(path, group, declaration.block[0])
        if part.start % block or (part.stop % block and part.stop != length):
            raise StoreError(f"{declaration.name}: rows {part.start} to {part.stop} are not whole blocks of {block}")
    layout = _layout_now(path, group)
    keep = [name for name in dataset.variables if set(region) <= set(dataset[name].dims) and name not in dataset.dims]
    if unknown := [name for name in keep if name not in layout]:
        raise StoreError(f"{declaration.name}: '{path}' was created without {unknown}; remove it and run again")
    # A shard that is not full is read before it is written, and what is there may be broken: it goes first. Full ones
    # are replaced at once, so that whoever reads or writes the same block meanwhile finds it whole.
    folders.discard(path, files(path, declaration, region, group, _is_ragged))
    with folders.saying(path, "written"):
        for name in keep:
            held = layout[name]
            held.array[tuple(region.get(dim, slice(None)) for dim in held.dims)] = (
                dataset.variables[name].transpose(*held.dims).values
            )
    return digest(dataset, declaration.block)


def _length(path: Path, group: str | None, dim: str) -> int:
    return next(
        held.array.shape[held.dims.index(dim)] for held in _layout_now(path, group).values() if dim in held.dims
    )


def files(
    path: Path,
    declaration: Declaration,
    region: Mapping[str, slice],
    group: str | None = None,
    of: Callable[[_Held, Mapping[str, slice]], bool] = lambda held, region: True,
) -> list[str]:
    """Files below a store that hold a block, by the chunk grid of its arrays (all, or those for which `of` says so); a
    whole block shares none of them with another.
    """
    below = f"{group}/" if group else ""
    found = []
    for name, held in _layout_now(path, group).items():
        if not set(region) <= set(held.dims) or not of(held, region):
            continue
        spans = []
        for dim, side, size in zip(held.dims, held.sides, held.array.shape):
            part = region.get(dim, slice(0, size))
            spans.append(range(part.start // side, -(-part.stop // side)))
        found += [f"{below}{name}/{held.array.metadata.encode_chunk_key(place)}" for place in itertools.product(*spans)]
    return found


class _Held(NamedTuple):
    """An array of a store, its dims, and the sides of what one of its files holds."""

    array: Any
    dims: tuple[str, ...]
    sides: tuple[int, ...]


def _layout_now(path: Path, group: str | None) -> dict[str, _Held]:
    below = f"{group}/zarr.json" if group else "zarr.json"
    return _layout(path, group, folders.versions(path, [below])[below])


@lru_cache(maxsize=8)
def _layout(path: Path, group: str | None, version: str) -> dict[str, _Held]:
    """Every array of a store, opened to be written: opening costs more than a small block."""
    import zarr

    root = zarr.open_group(
        _target(path), path=group or "", mode="r+", use_consolidated=False, storage_options=folders.options(path)
    )
    return {
        name: _Held(
            array.with_config({"write_empty_chunks": True, "order": "C"}),
            array.metadata.dimension_names,
            array.shards or array.chunks,
        )
        for name, array in root.arrays()
    }


def _is_ragged(held: _Held, region: Mapping[str, slice]) -> bool:
    """Whether the last file of a block is not full."""
    return any(region[dim].stop % side for dim, side in zip(held.dims, held.sides) if dim in region)
