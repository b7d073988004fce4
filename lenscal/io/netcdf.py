"""A small Dataset as NetCDF-4, the same bytes every time."""

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
    plain = dataset.copy()
    for name, array in dataset.variables.items():
        if array.dtype.kind in "OT":
            plain[name] = (array.dims, array.values.astype(object), array.attrs)
        plain[name].encoding = {}
    plain = plain.assign_attrs(
        {"Conventions": "CF-1.11", **{key: _attribute(value) for key, value in dataset.attrs.items()}}
    )
    sink = io.BytesIO()
    plain.to_netcdf(sink, engine="h5netcdf")
    return sink.getvalue()


def _attribute(value: object) -> object:
    return int(value) if isinstance(value, (bool, np.bool_)) else value
