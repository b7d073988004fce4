"""A small store read by Zarr alone, for a command that looks up one cell: to load xarray and pandas would take longer
than all else.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from lenscal.io import content, folders
from lenscal.io.folders import StoreError


@dataclass(frozen=True)
class Array:
    """An array as Zarr has it: `values` with the names of their dims, and attributes."""

    dims: tuple[str, ...]
    values: np.ndarray
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape

    @property
    def dtype(self) -> np.dtype:
        return self.values.dtype

    def isel(self, places: Mapping[str, int]) -> Array:
        """The array at some places, without their dims."""
        index = tuple(places.get(dim, slice(None)) for dim in self.dims)
        return Array(tuple(dim for dim in self.dims if dim not in places), np.asarray(self.values[index]), self.attrs)


@dataclass(frozen=True)
class Light(Mapping[str, Array]):
    """Arrays of a store by name, and its attributes: as much of a Dataset as `lenscal.cube` asks of one."""

    arrays: Mapping[str, Array]
    attrs: dict[str, Any]

    def __getitem__(self, name: str) -> Array:
        return self.arrays[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.arrays)

    def __len__(self) -> int:
        return len(self.arrays)

    def isel(self, places: Mapping[str, int] | None = None, drop: bool = False, **more: int) -> Light:
        """The arrays at some places; coordinates of these stay as numbers, unless they are to be dropped."""
        places = {**(places or {}), **more}
        arrays = {
            name: array.isel(places)
            for name, array in self.arrays.items()
            if not (drop and array.dims == (name,) and name in places)
        }
        return replace(self, arrays=arrays)

    def assign_attrs(self, **attrs: object) -> Light:
        return replace(self, attrs={**self.attrs, **attrs})


_ENCODING = ("_FillValue", "coordinates")
"""Attributes that xarray writes for itself."""


def _words(attrs: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in attrs.items() if name not in _ENCODING}


def open_small(path: Path) -> Light:
    """A store that was written whole, held to its content as `stores.open` holds it.

    Raises
    ------
    StoreError
        It is missing, of another schema version, or not what was written.
    """
    if folders.is_remote(path):
        from lenscal.io import stores

        found = stores.open(path).load()
        arrays = {str(n): Array(tuple(map(str, v.dims)), v.values, v.attrs) for n, v in found.variables.items()}
        return Light(arrays, dict(found.attrs))
    import zarr

    with folders.saying(path, "read"):
        content.hold_place(path)
        try:
            root = zarr.open_group(path, mode="r")
            attrs = dict(root.attrs)
            content.hold_version(path, attrs)
            arrays = {
                name: Array(tuple(array.metadata.dimension_names or ()), np.asarray(array[...]), _words(array.attrs))
                for name, array in root.arrays()
            }
        except ValueError as error:
            raise StoreError(f"'{path}' cannot be read: {error}; {content.AGAIN}") from None
    if content.NAME not in attrs:
        raise StoreError(f"'{path}' is no store that is written whole, such as completeness.zarr")
    content.hold(str(path), arrays, attrs.pop(content.NAME))
    return Light(arrays, attrs)
