"""A small Dataset as NetCDF-4, the same bytes every time: a Zarr store gives its variables in any order."""

from __future__ import annotations

import io

import numpy as np
import xarray as xr

from lenscal.extras import named


def netcdf(dataset: xr.Dataset) -> bytes:
    """The Dataset as a NetCDF-4 file that plain xarray opens.

    Raises
    ------
    MissingExtra
        h5netcdf is not installed.
    """
    with named():
        import h5netcdf  # noqa: F401
    in_order = lambda names: {str(name): _plain(dataset.variables[name]) for name in sorted(map(str, names))}  # noqa: E731
    attrs = {"Conventions": "CF-1.11", **{key: _attribute(value) for key, value in sorted(dataset.attrs.items())}}
    plain = xr.Dataset(in_order(dataset.data_vars), in_order(dataset.coords), attrs)
    sink = io.BytesIO()
    plain.to_netcdf(sink, engine="h5netcdf")
    return sink.getvalue()


def _plain(array: xr.Variable) -> xr.Variable:
    """Text as NetCDF has it, and nothing of the store that it came from."""
    values = array.values.astype(object) if array.dtype.kind in "OT" else array.values
    return xr.Variable(array.dims, values, array.attrs)


def _attribute(value: object) -> object:
    return int(value) if isinstance(value, (bool, np.bool_)) else value
