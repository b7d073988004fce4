"""Stores on disk: Zarr created once and filled by whole blocks, tables and files written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import xarray as xr

from lenscal import schema
from lenscal.schema import Declaration

_MODULUS = 1 << 128


class StoreError(RuntimeError):
    """A store that cannot be used or written; the message says what was found and what to do."""


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file so that it is either there whole or not there at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{uuid.uuid4().hex[:8]}.tmp")
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except OSError as error:
        raise StoreError(f"'{path}' cannot be written: {error.strerror or error}; check the folder's rights and space") from None


def write_json(path: Path, content: object) -> None:
    """`write_bytes` of canonical JSON."""
    write_bytes(path, (json.dumps(content, indent=1, sort_keys=True, allow_nan=True) + "\n").encode())


def write_table(path: Path, table: pd.DataFrame) -> str:
    """Write a Parquet file whole; its digest comes back."""
    sink = _parquet(table)
    write_bytes(path, sink)
    return hashlib.blake2b(sink, digest_size=16).hexdigest()


def _parquet(table: pd.DataFrame) -> bytes:
    import io

    buffer = io.BytesIO()
    table.to_parquet(buffer, index=False, compression="zstd")
    return buffer.getvalue()


def read_table(path: Path) -> pd.DataFrame:
    """A Parquet file, or all Parquet files of a folder in order of name, as one table."""
    if not path.exists():
        raise StoreError(f"'{path}' is missing; run the stage that writes it first")
    if path.is_file():
        return pd.read_parquet(path, partitioning=None)
    files = sorted(path.rglob("*.parquet"))
    if not files:
        raise StoreError(f"'{path}' holds no Parquet file; run the stage that writes it again")
    return pd.concat([pd.read_parquet(f, partitioning=None) for f in files], ignore_index=True)


def digest(dataset: xr.Dataset, block: Iterable[str]) -> int:
    """128-bit sum of the hashes of the rows of a dataset along its block dims.

    Sums of disjoint blocks add (modulo 2^128), so the digest of a store does not depend on how it was cut into blocks.
    A row is labelled by `galaxy_id` where there is one, else by the coordinates of its block dims.
    """
    block = tuple(block)
    names = sorted(name for name in dataset.variables if set(block) <= set(dataset[name].dims))
    columns = {}
    for name in names:
        array = dataset[name].transpose(*block, ...)
        values = array.values
        if values.dtype.kind in "OUT":
            values = np.asarray(values, dtype=object)
        columns[name] = values
    shape = tuple(dataset.sizes[dim] for dim in block)
    total = 0
    for index in np.ndindex(*shape):
        row = hashlib.blake2b(digest_size=16)
        if "galaxy" not in block:
            row.update(repr([float(dataset[dim].values[i]) for dim, i in zip(block, index)]).encode())
        for name in names:
            value = columns[name][index]
            row.update(name.encode())
            if columns[name].dtype == object:
                row.update("\0".join(str(item) for item in np.atleast_1d(value).ravel()).encode())
            else:
                row.update(np.ascontiguousarray(value).tobytes())
        total += int.from_bytes(row.digest(), "little")
    return total % _MODULUS


def add_digests(digests: Iterable[int]) -> int:
    """Digest of a whole from the digests of its disjoint blocks."""
    return sum(digests) % _MODULUS


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
    from zarr.codecs import BloscCodec

    if group is None and path.exists():
        raise StoreError(f"'{path}' exists already; remove it or run with the settings that made it")
    variables, encoding = {}, {}
    for name, variable in declaration.variables.items():
        if name in skip or name in coords:
            continue
        shape = tuple(sizes[dim] for dim in variable.dims)
        along = set(variable.dims) & set(declaration.block)
        text = variable.dtype == "str"
        dtype = np.dtypes.StringDType() if text else np.dtype(variable.dtype)
        big = block is not None and len(variable.dims) > 2 and not text
        chunks = tuple(
            (declaration.chunk[dim] if big or block is None else block) if dim in declaration.chunk else sizes[dim] for dim in variable.dims
        )
        chunks = tuple(max(1, min(c, s) if not big else c) for c, s in zip(chunks, shape))
        attributes = {"long_name": variable.about} | ({} if text else {"units": variable.units})
        fill = "" if text else (np.nan if dtype.kind == "f" else 0)
        data = dask.array.full(shape, fill, dtype=dtype, chunks=tuple(max(1, s) for s in shape))
        variables[name] = (variable.dims, data, attributes)
        encoding[name] = {"chunks": chunks}
        if not text:
            encoding[name]["compressors"] = [BloscCodec(cname="zstd", clevel=1, shuffle="bitshuffle", typesize=dtype.itemsize)]
            encoding[name]["fill_value"] = fill
        if big and along:
            encoding[name]["shards"] = tuple(block if dim == declaration.block[0] else c for dim, c in zip(variable.dims, chunks))
    template = xr.Dataset(variables, attrs={"schema": declaration.name, "schema_version": schema.VERSION, **attrs})
    for name, values in coords.items():
        v = declaration.variables[name]
        values = np.asarray(values, dtype=np.dtypes.StringDType() if v.dtype == "str" else v.dtype)
        template = template.assign_coords({name: (v.dims, values, {"long_name": v.about} | ({"units": v.units} if v.units else {}))})
    template = template.set_coords([name for name in declaration.coords if name in template.variables])
    try:
        template.to_zarr(
            path, mode="w-" if group is None else "a", group=group, compute=False, consolidated=False, zarr_format=3, encoding=encoding
        )
    except OSError as error:
        raise StoreError(f"'{path}' cannot be created: {error.strerror or error}; check the folder's rights and space") from None


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
    keep = [name for name in dataset.variables if set(region) <= set(dataset[name].dims)]
    part = dataset.reset_coords()[keep].drop_vars([d for d in dataset.dims if d in keep], errors="ignore")
    whole = {dim: slice(0, size) for dim, size in part.sizes.items() if dim not in region}
    try:
        part.drop_attrs(deep=False).to_zarr(
            path, group=group, region={**region, **whole}, consolidated=False, zarr_format=3, write_empty_chunks=True
        )
    except OSError as error:
        raise StoreError(f"'{path}' cannot be written: {error.strerror or error}; check the folder's rights and space") from None
    return digest(dataset, declaration.block)


def _length(path: Path, group: str | None, dim: str) -> int:
    with xr.open_zarr(path, group=group, consolidated=False, chunks=None) as store:
        return store.sizes[dim]


def write(path: Path, declaration: Declaration, dataset: xr.Dataset, attrs: Mapping[str, object]) -> int:
    """Write a small store at once (to a temporary name, then renamed); its digest comes back."""
    dataset = declaration.check(declaration.describe(dataset.compute()))
    dataset = dataset.assign_attrs({**dataset.attrs, "schema": declaration.name, "schema_version": schema.VERSION, **attrs})
    for array in dataset.variables.values():
        array.encoding = {}
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        dataset.to_zarr(temporary, mode="w-", consolidated=False, zarr_format=3)
        if path.exists():
            shutil.rmtree(path)
        os.replace(temporary, path)
    except OSError as error:
        shutil.rmtree(temporary, ignore_errors=True)
        raise StoreError(f"'{path}' cannot be written: {error.strerror or error}; check the folder's rights and space") from None
    return int.from_bytes(digest_files(path), "little")


def digest_files(path: Path) -> bytes:
    """Digest of the names and contents of the files below a folder."""
    total = hashlib.blake2b(digest_size=16)
    for file in sorted(p for p in path.rglob("*") if p.is_file()):
        total.update(str(file.relative_to(path)).encode() + b"\0" + file.read_bytes())
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
        When it is missing, not a store of lenscal, or of another schema version.
    """
    path = Path(path)
    if not (path / "zarr.json").exists():
        raise StoreError(f"'{path}' is no Zarr store; run the stage that writes it first")
    dataset = xr.open_zarr(path, group=group, consolidated=False, chunks=chunks)
    version = dataset.attrs.get("schema_version")
    if version != schema.VERSION:
        raise StoreError(
            f"'{path}' was written with schema version {version}, this lenscal reads version {schema.VERSION}: "
            "move the store away and run again, or use the lenscal that wrote it"
        )
    return dataset
