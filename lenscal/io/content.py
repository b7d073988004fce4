"""What a store that is written whole holds, as a hash by which it is held to it when it is read."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from lenscal import schema
from lenscal.io.folders import StoreError

NAME = "content_blake2b"
"""Attribute with the hash."""
AGAIN = "run the stage that writes it again"


def hash_of(variables: Mapping[Any, Any]) -> str:
    """Hash of the names, dims and values of arrays, which have `dims`, `shape`, `dtype` and `values`."""
    total = hashlib.blake2b(digest_size=16)
    for name in sorted(map(str, variables)):
        array = variables[name]
        total.update(f"{name} {array.dims} {array.shape}\0".encode())
        if array.dtype.kind in "OUT":
            total.update("\0".join(map(str, array.values.astype(object).ravel())).encode() + b"\1")
        else:
            total.update(array.dtype.str.encode() + np.ascontiguousarray(array.values).tobytes())
    return total.hexdigest()


def hold_place(path: Path) -> None:
    """Refuse a folder that is no store.

    Raises
    ------
    StoreError
    """
    if not (path / "zarr.json").exists():
        raise StoreError(f"'{path}' is no Zarr store; run the stage that writes it first")


def hold_version(path: Path, attrs: Mapping[Any, Any]) -> None:
    """Refuse a store that another lenscal wrote.

    Raises
    ------
    StoreError
    """
    version = attrs.get("schema_version")
    if version != schema.VERSION:
        raise StoreError(
            f"'{path}' was written with schema version {version}, this lenscal reads version {schema.VERSION}: "
            "move the store away and run again, or use the lenscal that wrote it"
        )


def hold(name: str, variables: Mapping[Any, Any], expected: str) -> None:
    """Refuse arrays that are not those that were written: Zarr reads a lost chunk as fill values, without a word.

    Raises
    ------
    StoreError
    """
    if hash_of(variables) != expected:
        raise StoreError(f"'{name}' does not hold what was written (a chunk was lost or changed); {AGAIN}")
