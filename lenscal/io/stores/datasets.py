"""Zarr stores: created once and filled by whole blocks, or written as a whole; opened and held to their content."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from lenscal import schema
from lenscal.io import content, folders
from lenscal.io.folders import StoreError
from lenscal.schema import Declaration


def create(
    path: Path,
    declaration: Declaration,
    sizes: Mapping[str, int],
    coords: Mapping[str, np.ndarray],
    attrs: Mapping[str, object],
    *,
    group: str | None = None,
    block: int | None = None,
    skip: Iterable[str] = (),
) -> None:
    """Create a Zarr store of declared shape, empty but for the coordinates that do not run along its block dims.

    Parameters
    ----------
    sizes : mapping
        Length of every dim.
    coords : mapping
        Values of the axes.
    block : int, optional
        Length of a block (and of a shard of images) along the first block dim, where chunks are shorter than blocks.
    skip : names
        Optional variables that this store does not hold.

    Raises
    ------
    StoreError
        When something is already there.
    """
    import dask.array

    if group is None and path.exists():
        raise StoreError(f"'{path}' exists already; remove it or run with the settings that made it")
    inner = declaration.chunk[declaration.block[0]] if block is not None else 0
    sharded = block is not None and inner < block and block % inner == 0  # else a chunk of images is a block
    variables, encoding = {}, {}
    for name, variable in declaration.variables.items():
        if name in skip or name in coords:
            continue
        shape = tuple(sizes[dim] for dim in variable.dims)
        along = set(variable.dims) & set(declaration.block)
        text = variable.dtype == "str"
        dtype = np.dtypes.StringDType() if text else np.dtype(variable.dtype)
        big = sharded and len(variable.dims) > 2 and not text
        chunks = tuple(
            (declaration.chunk[dim] if big or block is None else block) if dim in declaration.chunk else sizes[dim]
            for dim in variable.dims
        )
        chunks = tuple(max(1, min(c, s) if not big else c) for c, s in zip(chunks, shape))
        attributes = variable.words | ({} if text else {"units": variable.units})
        fill = "" if text else (np.nan if dtype.kind == "f" else 0)
        data = dask.array.full(shape, fill, dtype=dtype, chunks=tuple(max(1, s) for s in shape))
        variables[name] = (variable.dims, data, attributes)
        encoding[name] = {"chunks": chunks, "compressors": _codecs(dtype)}
        if not text:
            encoding[name]["fill_value"] = fill
        if big and along:
            encoding[name]["shards"] = tuple(
                block if dim == declaration.block[0] else c for dim, c in zip(variable.dims, chunks)
            )
    template = xr.Dataset(variables, attrs={"schema": declaration.name, "schema_version": schema.VERSION, **attrs})
    template = _with_axes(template, declaration, coords, encoding)
    with folders.saying(path, "created"):
        template.to_zarr(
            _target(path),
            mode="w-" if group is None else "a",
            group=group,
            compute=False,
            consolidated=False,
            zarr_format=3,
            encoding=encoding,
            storage_options=folders.options(path),
            write_empty_chunks=True,
        )


def _with_axes(
    template: xr.Dataset, declaration: Declaration, coords: Mapping[str, np.ndarray], encoding: dict
) -> xr.Dataset:
    """A template with the coordinates that are known; their encoding is added to that of the others."""
    for name, values in coords.items():
        v = declaration.variables[name]
        values = np.asarray(values, dtype=np.dtypes.StringDType() if v.dtype == "str" else v.dtype)
        template = template.assign_coords({name: (v.dims, values, v.words | ({"units": v.units} if v.units else {}))})
        encoding[name] = _whole(values)
    return template.set_coords([name for name in declaration.coords if name in template.variables])


def _codecs(dtype: np.dtype) -> list:
    """How a chunk is packed, with a checksum behind it: a bit that flips on disk is an error when
    it is read, never a number.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    text = dtype.kind in "OUT"
    return [
        ZstdCodec(level=1)
        if text
        else BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=dtype.itemsize),
        Crc32cCodec(),
    ]


def _whole(values: np.ndarray) -> dict[str, Any]:
    """Encoding of a small array: one chunk, and where that is lost no number that could be one (text and flags have
    none: see `_as_written`).
    """
    encoding: dict[str, Any] = {
        "chunks": tuple(max(1, side) for side in values.shape),
        "compressors": _codecs(values.dtype),
    }
    fill = {"f": np.nan, "i": np.iinfo(values.dtype).min if values.dtype.kind == "i" else None}.get(values.dtype.kind)
    return encoding if fill is None else encoding | {"fill_value": fill}


def _target(path: Path) -> Path | str:
    return str(path) if folders.is_remote(path) else path


def write_group(path: Path, dataset: xr.Dataset, group: str | None = None) -> None:
    """Write a group of a store at once, with what `open` holds it against; without a group, the empty store that
    groups are written into.
    """
    with folders.saying(path, "written"):
        if group:
            folders.remove(path / group)  # arrays of another length would be mixed with its own
        _to_zarr(
            path,
            dataset if group is None else dataset.assign_attrs({content.NAME: content.hash_of(dataset.variables)}),
            "a" if group else "w-",
            group,
        )


def _to_zarr(path: Path, dataset: xr.Dataset, mode: str, group: str | None = None) -> None:
    """Small arrays in memory, each in one chunk with its checksum, empty ones too."""
    dataset = dataset.copy()
    for array in dataset.variables.values():
        array.encoding = {}
    dataset.to_zarr(
        _target(path),
        mode=mode,
        group=group,
        consolidated=False,
        zarr_format=3,
        storage_options=folders.options(path),
        encoding={name: _whole(array.values) for name, array in dataset.variables.items()},
        write_empty_chunks=True,
    )


def consolidate(path: Path) -> None:
    """Gather the metadata of all arrays of a store (and of each of its groups), so that it opens with one
    read and without a warning.
    """
    import zarr
    from zarr.errors import ZarrUserWarning

    with folders.saying(path, "written"), warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", ZarrUserWarning
        )  # that other readers may not know of it: they read it array by array
        target = (
            zarr.storage.FsspecStore.from_url(str(path), storage_options=folders.options(path))
            if folders.is_remote(path)
            else path
        )
        root = zarr.open_group(target, mode="r", use_consolidated=False)
        for name, _ in root.groups():
            zarr.consolidate_metadata(target, path=name, zarr_format=3)
        zarr.consolidate_metadata(target, zarr_format=3)


def write(path: Path, declaration: Declaration, dataset: xr.Dataset, attrs: Mapping[str, object]) -> int:
    """Write a small store at once (to a temporary name, then renamed); its digest comes back."""
    dataset = declaration.check(declaration.describe(dataset.compute()))
    origin = {
        "schema": declaration.name,
        "schema_version": schema.VERSION,
        content.NAME: content.hash_of(dataset.variables),
    }
    dataset = dataset.assign_attrs({**dataset.attrs, **origin, **attrs})
    with folders.saying(path, "written"), folders.in_place(path) as place:
        _to_zarr(place, dataset, "w-")
        consolidate(place)
    return int.from_bytes(digest_files(path), "little")


def digest_files(path: Path) -> bytes:
    """Digest of the names and contents of the files below a folder."""
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(folders.inventory(path), key=lambda name: Path(name).parts):
        total.update(name.encode() + b"\0" + (path / name).read_bytes())
    return total.digest()


def open(path: str | Path, group: str | None = None, chunks: object = None) -> xr.Dataset:
    """Open a store of lenscal.

    Parameters
    ----------
    chunks : None or mapping
        None gives arrays that read when indexed; ``{}`` Dask arrays.

    Raises
    ------
    StoreError
        When it is missing, not a store of lenscal, or of another schema version; or when one that is written whole (a
        cube, thresholds) and so is read whole does not hold what was written.
    """
    path = Path(path) if isinstance(path, str) else path
    with folders.saying(path, "read"):
        content.hold_place(path)
        try:
            dataset = xr.open_zarr(
                _target(path), group=group, consolidated=False, chunks=chunks, storage_options=folders.options(path)
            )
        except ValueError as error:  # axes are read at once
            raise StoreError(f"'{path}' cannot be read: {error}; {content.AGAIN}") from None
    content.hold_version(path, dataset.attrs)
    return dataset if content.NAME not in dataset.attrs else _as_written(path, group, dataset, chunks)


def _as_written(path: Path, group: str | None, dataset: xr.Dataset, chunks: object) -> xr.Dataset:
    """A small dataset in memory, once it is what was written: a lost chunk reads as fill values,
    without a word of Zarr's.
    """
    expected = dataset.attrs.pop(content.NAME)
    name = f"{path}/{group}" if group else str(path)
    try:
        dataset.load()
    except ValueError as error:
        raise StoreError(f"'{name}' cannot be read: {error}; {content.AGAIN}") from None
    content.hold(name, dataset.variables, expected)
    return dataset if chunks is None else dataset.chunk(chunks)
